/**
 * Which members a cluster on this machine has, and where: remembered in the data directory, because members know each
 * other by their urls.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fail } from "../../base/errors.ts";

/** One member of the cluster. */
export interface Planned {
  readonly name: string;
  readonly clientPort: number;
  readonly peerPort: number;
  readonly dataDir: string;
}

const FILE = "up.json";
const HOST = "127.0.0.1";
/** As etcd's own local cluster: 2379, 22379, 32379; beyond them, free ones. */
const USUAL_PORTS = [2_379, 22_379, 32_379];
const NODES_MAX = 9;

/** The plan of `directory`; a fresh one has `nodes` members. Throws CONFIG (definite). */
export async function planOf(
  directory: string,
  nodes: number | undefined,
): Promise<readonly Planned[]> {
  const before = read(directory);
  if (before !== undefined && (nodes ?? before.length) !== before.length)
    throw fail("CONFIG", {
      object: `cluster in ${directory}`,
      what: `has ${before.length} members, not ${nodes}`,
      remedy:
        "Give --nodes as it was begun, or another --data-dir; quorate cluster add changes a running one.",
    });
  if (before !== undefined)
    return before.map((each) => ({ ...each, dataDir: join(directory, each.name) }));
  const count = nodes ?? 3;
  if (count < 1 || count > NODES_MAX)
    throw fail("CONFIG", {
      object: "--nodes",
      what: `is ${count}`,
      remedy: `Give 1 to ${NODES_MAX}; 3 forgive the loss of one, 5 of two.`,
    });
  const plan: Planned[] = [];
  for (let at = 0; at < count; at++) {
    const usual = USUAL_PORTS[at];
    const [clientPort, peerPort] = [await free(usual, plan), await free(usual && usual + 1, plan)];
    const name = `m${at + 1}`;
    plan.push({ name, clientPort, peerPort, dataDir: join(directory, name) });
  }
  mkdirSync(directory, { recursive: true });
  const kept = plan.map(({ name, clientPort, peerPort }) => ({ name, clientPort, peerPort }));
  writeFileSync(join(directory, `${FILE}.new`), `${JSON.stringify(kept, undefined, 2)}\n`);
  renameSync(join(directory, `${FILE}.new`), join(directory, FILE));
  return plan;
}

/** The arguments of `quorate serve` for one of them. */
export function argumentsOf(one: Planned, all: readonly Planned[]): readonly string[] {
  const cluster = all.map(({ name, peerPort }) => `${name}=http://${HOST}:${peerPort}`);
  return [
    "serve",
    ...["--name", one.name],
    ...["--listen", `${HOST}:${one.clientPort}`],
    ...["--peer-listen", `${HOST}:${one.peerPort}`],
    ...["--data-dir", one.dataDir],
    ...["--initial-cluster", cluster.join(",")],
  ];
}

export function urlOf({ clientPort }: Planned): string {
  return `quorate://${HOST}:${clientPort}`;
}

function read(directory: string): readonly Omit<Planned, "dataDir">[] | undefined {
  let text: string;
  try {
    text = readFileSync(join(directory, FILE), "utf8");
  } catch {
    return undefined;
  }
  try {
    return JSON.parse(text) as readonly Omit<Planned, "dataDir">[];
  } catch (error) {
    const remedy = "Put it back, or give another --data-dir.";
    const what = "cannot be read";
    throw fail("CONFIG", { object: join(directory, FILE), what, remedy }, error);
  }
}

/** The wanted port if nobody has it, else any. */
async function free(wanted: number | undefined, taken: readonly Planned[]): Promise<number> {
  const isTaken = (port: number): boolean =>
    taken.some(({ clientPort, peerPort }) => clientPort === port || peerPort === port);
  const usual = wanted === undefined ? undefined : await listenable(wanted);
  if (usual !== undefined && !isTaken(usual)) return usual;
  for (;;) {
    const port = await listenable(0);
    if (port !== undefined && !isTaken(port)) return port;
  }
}

function listenable(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen(port, HOST, () => {
      const got = server.address();
      server.close(() => resolve(typeof got === "object" && got !== null ? got.port : undefined));
    });
  });
}
