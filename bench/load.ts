/**
 * The benchmarks that put load on a server: `put` (durable), `get` (linearizable), `lock` (acquire and release), through
 * the SDK on our side; `etcd-put`, `etcd-range` and `etcd-lock`, through etcd's interface by the same driver on both;
 * `watch-fanout`, one change to many watchers; `cluster-put` and `cluster-etcd-put`, the puts on three members each.
 */
import { startCluster } from "./cluster-servers.ts";
import type { Contestant, Labels } from "./compare.ts";
import { compare } from "./compare.ts";
import { runClient, runH2load } from "./drivers.ts";
import { getCall, putCall } from "./etcd-messages.ts";
import type { BenchOptions } from "./options.ts";
import type { PreparedCall } from "./etcd-messages.ts";
import type { Row } from "./rows.ts";
import type { BenchServer } from "./servers.ts";
import { etcdVersion, startEtcd, startQuorate } from "./servers.ts";
import { settingOf } from "./setting.ts";
import { KEY, VALUE } from "./workload.ts";

export type LoadBench = "put" | "get" | "lock" | "fanout";

/** How the peer is driven, best driver first. */
const DRIVERS: Readonly<Record<LoadBench, readonly string[]>> = {
  put: ["h2load", "grpc-js"],
  get: ["h2load", "grpc-js"],
  lock: ["http2", "grpc-js"],
  fanout: ["http2"],
};

const NOTES: Readonly<Record<string, string>> = {
  "grpc-js": "client-bound: the peer's driver is the limit, not the peer",
  http2:
    "h2load sends one body only, so the driver is Node's HTTP/2 client with prepared bodies, which can be the limit",
};

function peerOf(bench: LoadBench, driver: string, server: BenchServer): Contestant {
  const prepared: Partial<Record<LoadBench, PreparedCall>> = {
    put: putCall(KEY, VALUE),
    get: getCall(KEY),
  };
  const call = prepared[bench];
  if (driver === "h2load" && call !== undefined)
    return { server, run: (shape) => runH2load(server, call, shape) };
  return {
    server,
    run: (shape) => runClient(driver === "http2" ? "etcd" : "grpc-js", server, bench, shape),
  };
}

/** Where both sides run. */
interface Ground {
  readonly prefix: string;
  readonly ours: () => Promise<BenchServer>;
  readonly peer: () => Promise<BenchServer>;
  readonly note?: string | undefined;
}

const ONE: Ground = { prefix: "", ours: startQuorate, peer: startEtcd };

/** Three members of each on one machine, driven at the leader. */
export const CLUSTER: Ground = {
  prefix: "cluster-",
  ours: () => startCluster("quorate"),
  peer: () => startCluster("etcd"),
  note: "three members of each side on this machine; flushes and server CPU are the leader's",
};

/** Through the SDK on our side. */
export async function loadBench(
  bench: LoadBench,
  options: BenchOptions,
  report: (row: Row) => void,
  ground: Ground = ONE,
): Promise<void> {
  await against(options, report, bench, ground, (driver) => ({
    name: bench === "fanout" ? "watch-fanout" : bench,
    driver: `native-vs-${driver}`,
    ours: (server) => ({ server, run: (shape) => runClient("native", server, bench, shape) }),
  }));
}

/** Through etcd's interface, by the same driver on both sides. */
export async function faceBench(
  bench: LoadBench,
  options: BenchOptions,
  report: (row: Row) => void,
  ground: Ground = ONE,
): Promise<void> {
  await against(options, report, bench, ground, (driver) => ({
    name: bench === "fanout" ? "watch-fanout" : `etcd-${bench === "get" ? "range" : bench}`,
    driver,
    ours: (server) => peerOf(bench, driver, server),
  }));
}

/** How our side takes part against one driver of the peer. */
interface Ours {
  readonly name: string;
  readonly driver: string;
  readonly ours: (server: BenchServer) => Contestant;
}

async function against(
  options: BenchOptions,
  report: (row: Row) => void,
  bench: LoadBench,
  ground: Ground,
  part: (driver: string) => Ours,
): Promise<void> {
  const version = etcdVersion();
  if (version === undefined)
    throw new Error("etcd is not installed: apt-get install etcd-server nghttp2-client");
  const drivers = DRIVERS[bench].filter(
    (driver) => options.driver === undefined || driver === options.driver,
  );
  const ours = await ground.ours();
  const peer = await ground.peer();
  try {
    for (const driver of drivers) {
      const { name, driver: label, ours: contestant } = part(driver);
      const labels: Labels = {
        bench: `${ground.prefix}${name}`,
        driver: label,
        peerName: `etcd ${version}`,
        setting: settingOf(options, { keys: bench === "lock" ? 0 : 1 }),
        note: ground.note ?? NOTES[driver],
      };
      for (const inFlight of options.inFlight) {
        const shape = { inFlight, warmUpS: 1, seconds: options.seconds };
        report(await compare(contestant(ours), peerOf(bench, driver, peer), shape, labels));
      }
    }
  } finally {
    await ours.remove();
    await peer.remove();
  }
}
