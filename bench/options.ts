/** The command line of `npm run bench`. */
import { parseArgs } from "node:util";

export interface BenchOptions {
  readonly names: readonly string[];
  readonly inFlight: readonly number[];
  readonly rounds: number;
  readonly seconds: number;
  /** Only this driver of the peer. */
  readonly driver: string | undefined;
  readonly keys: number;
  readonly json: string | undefined;
}

export const USAGE = `npm run bench -- [NAME…] [options]

  put get lock     load on a durable server, against etcd on the same file system
  startup          import, first connection, first lock, against bare Node
  keys             a large keyspace: opening, memory, throughput, longest task
  syscalls         flushes per put of both sides as strace counts them

  --in-flight LIST   requests in flight, default 1,64,256
  --rounds N         rounds A/B/A/B, default 5
  --seconds N        measured seconds per round, default 4
  --driver NAME      only this driver of the peer: h2load, http2, grpc-js
  --keys N           keys of \`keys\`, default 1000000
  --json FILE        writes {"rows": […]}`;

export function parseOptions(argv: readonly string[]): BenchOptions | undefined {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      "in-flight": { type: "string", default: "1,64,256" },
      rounds: { type: "string", default: "5" },
      seconds: { type: "string", default: "4" },
      driver: { type: "string" },
      keys: { type: "string", default: "1000000" },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  return {
    names: positionals.length === 0 ? ["put", "get", "lock", "startup"] : positionals,
    inFlight: values["in-flight"].split(",").map((each) => whole("--in-flight", each)),
    rounds: whole("--rounds", values.rounds),
    seconds: whole("--seconds", values.seconds),
    driver: values.driver,
    keys: whole("--keys", values.keys),
    json: values.json,
  };
}

function whole(flag: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`${flag} takes whole numbers from 1, not ${text}`);
  return value;
}
