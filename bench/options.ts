/** The command line of `npm run bench`. */
import { commandLine, wholeNumber } from "../tools/script.ts";

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

const USAGE = `npm run bench -- [NAME…] [options]

  put get lock     load on a durable server, against etcd on the same file system
  etcd-put etcd-range etcd-lock
                   the same through etcd's gRPC interface, by one driver on both servers
  watch-fanout     changes delivered to 1,000 watchers, one change at a time
  cluster-put cluster-etcd-put
                   durable puts on three members each, through the SDK and through etcd's interface
  startup          import, first connection, first lock, against bare Node
  keys             a large keyspace: opening, memory, throughput, longest task
  floods           an honest client's latency while others flood the server
  check            recorded histories of --keys operations, checked
  syscalls         flushes per put of both sides as strace counts them
  virtual          virtual time and simulation: a start, an hour, events a second

  --in-flight LIST   requests in flight, default 1,64,256
  --rounds N         rounds A/B/A/B, default 5
  --seconds N        measured seconds per round, default 4
  --driver NAME      only this driver of the peer: h2load, http2, grpc-js; or this flood: handshakes,
                     resets, unread, unread-grpc, watches, watches-grpc
  --keys N           keys of \`keys\`, operations of \`check\`, default 1000000
  --json FILE        writes {"rows": […]}`;

export function readOptions(): BenchOptions {
  const given = {
    "in-flight": { type: "string", default: "1,64,256" },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "4" },
    driver: { type: "string" },
    keys: { type: "string", default: "1000000" },
    json: { type: "string" },
  } as const;
  const { values, positionals } = commandLine(USAGE, given, true);
  return {
    names: positionals.length === 0 ? ["put", "get", "lock", "startup"] : positionals,
    inFlight: values["in-flight"].split(",").map((each) => wholeNumber("in-flight", each)),
    rounds: wholeNumber("rounds", values.rounds),
    seconds: wholeNumber("seconds", values.seconds),
    driver: values.driver,
    keys: wholeNumber("keys", values.keys),
    json: values.json,
  };
}
