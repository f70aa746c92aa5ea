/**
 * The drivers of a load: each runs in a process of its own and answers with what it measured. All are closed loops
 * with a fixed number of requests in flight over one connection, which is also etcd's best (measured: 8, 16 and 64
 * connections with as many requests in flight give it 4 to 30 % less).
 */
import { spawn } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { PreparedCall } from "./etcd-messages.ts";
import type { BenchServer } from "./servers.ts";
import { BENCH_DIRECTORY } from "./servers.ts";

/** What one run of a driver measured. */
export interface LoadResult {
  readonly operations: number;
  readonly perSecond: number;
  /** Latency, ms; NaN where the driver does not keep it. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** How long it took, where the work has an end of its own. */
  readonly tookMs?: number | undefined;
}

/** How long a driver runs. */
export interface LoadShape {
  readonly inFlight: number;
  readonly warmUpS: number;
  readonly seconds: number;
}

/** Runs a client of this folder (`clients/NAME.ts`), which prints its result as JSON. */
export async function runClient(
  client: string,
  server: BenchServer,
  work: string,
  shape: LoadShape,
): Promise<LoadResult> {
  const path = join(import.meta.dirname, "clients", `${client}.js`);
  const job = JSON.stringify({ host: server.host, port: server.port, work, ...shape });
  const out = await output(process.execPath, [path, job]);
  return JSON.parse(out) as LoadResult;
}

/** Runs h2load with one prepared body. */
export async function runH2load(
  server: BenchServer,
  call: PreparedCall,
  shape: LoadShape,
): Promise<LoadResult> {
  const body = join(BENCH_DIRECTORY, `body-${process.pid}.bin`);
  const log = join(BENCH_DIRECTORY, `h2load-${process.pid}.log`);
  writeFileSync(body, call.body);
  const timed = shape.inFlight === 1;
  const out = await output("h2load", [
    ...["-c", "1", "-m", String(shape.inFlight)],
    // Above 64 the default windows of h2load would be the limit, not the server.
    ...["-w", "24", "-W", "24"],
    ...["-D", String(shape.seconds), `--warm-up-time=${shape.warmUpS}`, "-d", body],
    ...["-H", "content-type: application/grpc", "-H", "te: trailers"],
    // The log costs h2load time, so only the latency of single requests is taken from it.
    ...(timed ? [`--log-file=${log}`] : []),
    `http://${server.host}:${server.port}${call.path}`,
  ]);
  const perSecond = Number(/finished in [^,]+, ([\d.]+) req\/s/.exec(out)?.[1]);
  const succeeded = Number(/status codes: (\d+) 2xx/.exec(out)?.[1]);
  const failed = Number(/(\d+) failed/.exec(out)?.[1]);
  if (!(perSecond > 0) || failed > 0) throw new Error(`h2load measured nothing usable:\n${out}`);
  const latencies = timed ? latenciesOf(log) : [];
  rmSync(body, { force: true });
  return {
    operations: succeeded,
    perSecond,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
  };
}

/** h2load's log: start of the request, status, duration; both times in µs. */
function latenciesOf(log: string): number[] {
  const lines = readFileSync(log, "utf8").trimEnd().split("\n");
  rmSync(log, { force: true });
  return lines.map((line) => Number(line.split("\t")[2]) / 1_000).sort((a, b) => a - b);
}

export function quantile(ascending: readonly number[], q: number): number {
  return ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * q))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  const ascending = [...values].sort((a, b) => a - b);
  const middle = ascending.length >> 1;
  if (ascending.length % 2 === 1) return ascending[middle] ?? Number.NaN;
  return ((ascending[middle - 1] ?? Number.NaN) + (ascending[middle] ?? Number.NaN)) / 2;
}

/** Runs a program to its end and gives what it printed; throws with its complaint if it fails. */
export function output(program: string, args: readonly string[]): Promise<string> {
  return new Promise((done, failed) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    let out = "";
    let complaint = "";
    child.stdout.on("data", (part: Buffer) => (out += part.toString()));
    child.stderr.on("data", (part: Buffer) => (complaint += part.toString()));
    child.once("error", failed);
    child.once("close", (code) => {
      if (code === 0) done(out);
      else failed(new Error(`${program} ended with exit code ${code}: ${complaint || out}`));
    });
  });
}
