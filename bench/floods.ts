/**
 * What floods cost an honest client: its put latency at a steady rate, quiet and flooded in turns, and the server's memory.
 * Server, honest client and flood are processes of their own, so that nobody is slowed by a neighbour's JavaScript.
 *
 * A figure is the median over the rounds. The first rounds, in which the server is still being compiled, do not count; one in which
 * this machine's host took cores away is done again.
 *
 * Floods come from other machines; here they would take cores from server and honest client, so these two go first where the
 * system allows that (as root), the flood runs when no other process would (`chrt`), and else the figure is an upper bound.
 */
import type { ChildProcess, ForkOptions } from "node:child_process";
import { execFileSync, fork, spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { availableParallelism, constants, setPriority } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { FloodJob, FloodKind, FloodState } from "./clients/flood.ts";
import type { SteadyJob, SteadyOrder, SteadyResult } from "./clients/steady.ts";
import { median } from "./drivers.ts";
import { progress } from "./figures.ts";
import type { LongestTask, ProbeRequest } from "./loop-probe.ts";
import type { BenchOptions } from "./options.ts";
import { endOfPhase } from "./probed.ts";
import { cpuMs, residentBytes, stolenMs } from "./process-usage.ts";
import type { FloodFigures, Row } from "./rows.ts";
import type { BenchServer } from "./servers.ts";
import { scratchDirectory, startQuorate } from "./servers.ts";
import { settingOf } from "./setting.ts";

/** A flooded p99 of this many quiet ones is wanted at most. */
const RATIO_MAX = 2;
/** How long the server has to come to rest after a flood. */
const REST_MS = 1_000;
/** Rounds before the first that counts. */
const WARM_UP_ROUNDS = 2;
/** What the host may take of the cores in a round that counts; 1% of a round is as much as what a p99 says. */
const STOLEN_MAX = 0.01;
/** For each round so many are done again at most: where the host is never calm, they count as they are. */
const AGAIN_MAX = 3;

type LatencyFigures = Omit<FloodFigures, "longestTaskMs">;

interface Flood {
  readonly name: string;
  readonly kind: FloodKind;
  readonly tls?: true;
  /** Goes on in the quiet phase too. */
  readonly beside?: FloodKind;
  /** What is measured: the time until the flood stands, or a time while it does. */
  readonly phase: "opening" | "standing";
}

const FLOODS: readonly Flood[] = [
  { name: "1,000 half-open handshakes begin", kind: "handshakes", tls: true, phase: "opening" },
  { name: "1,000 half-open handshakes", kind: "handshakes", tls: true, phase: "standing" },
  { name: "resets on 4 connections", kind: "resets", phase: "standing" },
  { name: "10 watchers that do not read", kind: "unread", beside: "writes", phase: "standing" },
  {
    name: "10 gRPC watchers that do not read",
    kind: "unread-grpc",
    beside: "writes",
    phase: "standing",
  },
  { name: "100,000 watches open", kind: "watches", phase: "opening" },
  { name: "100,000 watches", kind: "watches", phase: "standing" },
  { name: "100,000 watches open on one stream", kind: "watches-grpc", phase: "opening" },
  { name: "100,000 watches on one stream", kind: "watches-grpc", phase: "standing" },
];

export async function floodsBench(
  options: BenchOptions,
  report: (row: Row) => void,
): Promise<void> {
  const wanted = FLOODS.filter(({ kind }) => (options.driver ?? kind) === kind);
  for (const flood of wanted) {
    progress(flood.name);
    const measured = await measure(flood, options);
    const task = await longestTask(flood, options);
    const figures: FloodFigures = { ...measured.figures, longestTaskMs: task.longestMs };
    report({
      bench: "floods",
      inFlight: 1,
      driver: flood.name,
      unit: "× the quiet p99",
      ours: figures.ratio,
      limit: RATIO_MAX,
      peer: null,
      peerName: "quiet",
      ratio: null,
      setting: settingOf(options, { keys: 100 }),
      flood: figures,
      note: `${measured.note}; longest task by the wall clock ${task.wallMs.toFixed(1)} ms, over 10 ms ${task.overTen}`,
    });
  }
}

/** One measurement, with the server's share of a core meanwhile, and the host's of all. */
interface Phase extends SteadyResult {
  readonly serverCores: number;
  readonly stolen: number;
}

type Child = (name: string, job: FloodJob | SteadyJob) => ChildProcess;

/** A server for `flood`, with what it is asked for, and ended with whoever was started beside it. */
async function staged<T>(
  flood: Flood,
  probed: boolean,
  act: (server: BenchServer, child: Child, ca: string | undefined) => Promise<T>,
): Promise<T> {
  const certificate = flood.tls === true ? selfSigned() : undefined;
  const server = await startQuorate({
    // What is written for watchers would otherwise be all that the memory shows.
    serveArguments: ["--history-keep", "2s", ...(certificate?.serveArguments ?? [])],
    tls: flood.tls,
    probed,
  });
  const children: ChildProcess[] = [];
  const child: Child = (name, job) => {
    const path = join(import.meta.dirname, "clients", `${name}.js`);
    const started = fork(path, [JSON.stringify(job)], {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      ...(name === "flood" ? LAST : {}),
    });
    children.push(started);
    return started;
  };
  try {
    const { host, port } = server;
    if (flood.beside !== undefined)
      await heard(child("flood", { kind: flood.beside, host, port }), "established");
    return await act(server, child, certificate?.path);
  } finally {
    for (const each of children) each.kill("SIGKILL");
    await server.remove();
    certificate?.remove();
  }
}

/** Begins `flood`; `during` runs in the phase of it that is measured. Resolves with its process, which goes on. */
async function flooding<T>(
  { kind, phase }: Flood,
  { host, port }: BenchServer,
  child: Child,
  { seconds }: BenchOptions,
  during: (stay: () => Promise<unknown>) => Promise<T>,
): Promise<readonly [T, ChildProcess]> {
  const source = child("flood", { kind, host, port });
  const stands = heard(source, "established");
  await heard(source, "begun");
  if (phase === "standing") await stands;
  return [await during(() => (phase === "opening" ? stands : pause(seconds * 1_000))), source];
}

/** The longest task of the server: what a flood does to others by the server's doing alone, whatever else the machine does. */
async function longestTask(flood: Flood, options: BenchOptions): Promise<LongestTask> {
  return await staged(flood, true, async (server, child) => {
    const [found] = await flooding(flood, server, child, options, async (stay) => {
      server.child.send("begin" satisfies ProbeRequest);
      await stay();
      return await endOfPhase(server);
    });
    return found;
  });
}

async function measure(
  flood: Flood,
  options: BenchOptions,
): Promise<{ readonly figures: LatencyFigures; readonly note: string }> {
  return await staged(flood, false, async (server, child, ca) => {
    const { host, port, pid } = server;
    const scheme = flood.tls === true ? "quorates" : "quorate";
    const honest = child("steady", { url: `${scheme}://${host}:${port}`, ca });
    await heard(honest, "ready");
    const first = [pid, honest.pid ?? 0].every(goesFirst);
    await pause(REST_MS);
    const quiet: Phase[] = [];
    const flooded: Phase[] = [];
    const resident: number[] = [];
    let rssBefore = Number.NaN;
    let disturbed = 0;
    for (let round = 0; quiet.length < options.rounds; round++) {
      const calm = await during(server, honest, () => pause(options.seconds * 1_000));
      if (round === 0) rssBefore = residentBytes(pid);
      const [found, source] = await flooding(flood, server, child, options, (stay) =>
        during(server, honest, stay),
      );
      resident.push(residentBytes(pid));
      await ended(source);
      await pause(REST_MS);
      if (round < WARM_UP_ROUNDS) continue;
      const isCalm = Math.max(calm.stolen, found.stolen) <= STOLEN_MAX;
      if (!isCalm && disturbed++ < AGAIN_MAX * options.rounds) continue;
      quiet.push(calm);
      flooded.push(found);
    }
    const { figures, note } = summary(quiet, flooded, rssBefore, resident);
    const how = [
      first ? "server and honest client go first" : "server and honest client do not go first",
      "execPath" in LAST ? "the flood last" : "the flood not last",
    ].join(", ");
    return { figures, note: `${note}; ${disturbed} rounds in which the host took cores; ${how}` };
  });
}

/** How a process is started that runs when no other would. */
const LAST: ForkOptions =
  spawnSync("chrt", ["--idle", "0", "true"]).status === 0
    ? { execPath: "chrt", execArgv: ["--idle", "0", process.execPath] }
    : {};

/** Whether process `pid` now goes before others, with the threads that collect for it and write. */
function goesFirst(pid: number): boolean {
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`))
      setPriority(Number(thread), constants.priority.PRIORITY_HIGH);
    return true;
  } catch {
    return false;
  }
}

function summary(
  quiet: readonly Phase[],
  flooded: readonly Phase[],
  rssBefore: number,
  resident: readonly number[],
): { readonly figures: LatencyFigures; readonly note: string } {
  const of = (phases: readonly Phase[], what: keyof Phase): number =>
    median(phases.map((each) => each[what]));
  const [quietP99, floodedP99] = [of(quiet, "p99Ms"), of(flooded, "p99Ms")];
  const figures: LatencyFigures = {
    quietP50: of(quiet, "p50Ms"),
    quietP99,
    floodedP50: of(flooded, "p50Ms"),
    floodedP99,
    ratio: floodedP99 / quietP99,
    rssBefore,
    rssAfter: Math.max(...resident),
  };
  const p99s = (phases: readonly Phase[]): string =>
    phases.map(({ p99Ms }) => p99Ms.toFixed(1)).join(" ");
  const cores = (phases: readonly Phase[]): string => of(phases, "serverCores").toFixed(2);
  const mib = resident.map((bytes) => Math.round(bytes / 2 ** 20)).join(" ");
  const failed = flooded.reduce((sum, each) => sum + each.failed, 0);
  const note = [
    `p99 of the rounds, quiet: ${p99s(quiet)}; flooded: ${p99s(flooded)}`,
    `server's share of a core ${cores(quiet)}, ${cores(flooded)}`,
    `puts measured ${of(quiet, "puts")}, ${of(flooded, "puts")}; failed ${failed}`,
    `resident MiB at the end of each flood ${mib}`,
  ].join("; ");
  return { figures, note };
}

/** The latencies of the puts that are begun while `stay` lasts. */
async function during(
  server: BenchServer,
  honest: ChildProcess,
  stay: () => Promise<unknown>,
): Promise<Phase> {
  const began = performance.now();
  const cpu = cpuMs(server.pid);
  const taken = stolenMs();
  honest.send("begin" satisfies SteadyOrder);
  await stay();
  const tookMs = performance.now() - began;
  const serverCores = (cpuMs(server.pid) - cpu) / tookMs;
  const stolen = (stolenMs() - taken) / (tookMs * availableParallelism());
  const answer = new Promise<SteadyResult>((resolve) => honest.once("message", resolve));
  honest.send("end" satisfies SteadyOrder);
  return { ...(await answer), serverCores, stolen };
}

/** Resolves when `child` says `word`; rejects if it ends instead. */
function heard(child: ChildProcess, word: FloodState | "ready"): Promise<void> {
  return new Promise((resolve, reject) => {
    const listen = (said: unknown): void => {
      if (said !== word) return;
      child.off("message", listen);
      resolve();
    };
    child.on("message", listen);
    child.once("exit", (code) => reject(new Error(`a client ended with ${code} before ${word}`)));
  });
}

async function ended(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await gone;
}

interface Certificate {
  readonly path: string;
  readonly serveArguments: readonly string[];
  remove(): void;
}

/** A certificate that is its own authority. */
function selfSigned(): Certificate {
  const directory = scratchDirectory("certificate");
  const [path, key] = [join(directory, "server.pem"), join(directory, "server.key")];
  const how = ["-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
  const what = ["-days", "2", "-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1"];
  execFileSync("openssl", ["req", ...how, ...what, "-keyout", key, "-out", path], {
    stdio: "ignore",
  });
  return {
    path,
    serveArguments: ["--cert-file", path, "--key-file", key],
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
