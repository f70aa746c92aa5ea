/**
 * The plain pages: `/health`, `/livez`, `/readyz` and their single checks, `/metrics`, `/version`; GET or HEAD.
 *
 * Source: etcd `server/etcdserver/api/etcdhttp/health.go` for what the checks are called and how they are shown.
 */
import type { AlarmKind, StatusResponse } from "../../contract/requests.ts";
import { VERSION } from "../../driver/driver.ts";

/** What the pages show. */
export interface PageSource {
  /** The version of etcd whose interface is served. */
  readonly etcdVersion: string;
  status(): StatusResponse;
  metrics(): string;
  /** This member counts for nothing in its cluster. */
  isLearner(): boolean;
  /** False while the server drains. */
  ready(): boolean;
  /** Rejects if the newest state cannot be read. */
  read(): Promise<void>;
}

export interface Page {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const TEXT = "text/plain; charset=utf-8";
const JSON_TYPE = "application/json";

/** What is wrong, or undefined. */
type Check = (source: PageSource) => Promise<string | undefined>;

const well: Check = () => Promise.resolve(undefined);
const CHECKS: Readonly<Record<string, Check>> = {
  data_corruption: (source) =>
    Promise.resolve(source.status().alarms.includes("CORRUPT") ? "alarm CORRUPT" : undefined),
  serializable_read: well,
  linearizable_read: (source) =>
    source.read().then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    ),
  non_learner: (source) =>
    Promise.resolve(source.isLearner() ? "this member is a learner" : undefined),
  serving: (source) => Promise.resolve(source.ready() ? undefined : "draining"),
};
const LIVE = ["serializable_read"];
const READY = [
  "data_corruption",
  "serializable_read",
  "linearizable_read",
  "non_learner",
  "serving",
];

/** The page at `path`; undefined if there is none. */
export async function pageAt(
  path: string,
  query: URLSearchParams,
  source: PageSource,
): Promise<Page | undefined> {
  const [, root = "", one, ...more] = path.split("/");
  const names = root === "livez" ? LIVE : root === "readyz" ? READY : undefined;
  if (names === undefined) return PAGES[path]?.(source, query);
  if (one === undefined) return await checked(names, source, query.has("verbose"));
  return names.includes(one) && more.length === 0
    ? await checked([one], source, query.has("verbose"))
    : undefined;
}

async function checked(
  names: readonly string[],
  source: PageSource,
  verbose: boolean,
): Promise<Page> {
  const found = await Promise.all(
    names.map(async (name) => ({ name, wrong: await CHECKS[name]?.(source) })),
  );
  const lines = found.map(({ name, wrong }) =>
    wrong === undefined ? `[+]${name} ok\n` : `[-]${name} failed: ${wrong}\n`,
  );
  if (found.some(({ wrong }) => wrong !== undefined))
    return { status: 503, type: TEXT, body: `${lines.join("")}not ok\n` };
  return { status: 200, type: TEXT, body: verbose ? `${lines.join("")}ok\n` : "ok\n" };
}

const PAGES: Readonly<Record<string, (source: PageSource, query: URLSearchParams) => Page>> = {
  "/health": (source, query) => {
    const excluded = query.getAll("exclude");
    const harmful = (kind: AlarmKind): boolean => kind !== "CLOCK" && !excluded.includes(kind);
    const status = source.status();
    const alarms = status.alarms.filter((kind) => !excluded.includes(kind));
    const isLed = status.leader !== 0n;
    const healthy = source.ready() && isLed && !alarms.some(harmful);
    const alarm = alarms.length === 0 ? "" : `ALARM ${alarms.join(",")}`;
    const reason = isLed ? alarm : "RAFT NO LEADER";
    return {
      status: healthy ? 200 : 503,
      type: JSON_TYPE,
      body: `${JSON.stringify({ health: String(healthy), reason })}\n`,
    };
  },
  "/metrics": (source) => ({
    status: 200,
    type: "text/plain; version=0.0.4; charset=utf-8",
    body: source.metrics(),
  }),
  "/version": ({ etcdVersion }) => ({
    status: 200,
    type: JSON_TYPE,
    body: `${JSON.stringify({
      etcdserver: etcdVersion,
      etcdcluster: etcdVersion.replace(/\d+$/, "0"),
      quorate: VERSION,
      pid: process.pid,
    })}\n`,
  }),
};
