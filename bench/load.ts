/** The benchmarks that put load on a server: `put` (durable), `get` (linearizable) and `lock` (acquire and release). */
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

export type LoadBench = "put" | "get" | "lock";

/** How the peer is driven, best driver first. */
const DRIVERS: Readonly<Record<LoadBench, readonly string[]>> = {
  put: ["h2load", "grpc-js"],
  get: ["h2load", "grpc-js"],
  lock: ["http2", "grpc-js"],
};

const NOTES: Readonly<Record<string, string>> = {
  "grpc-js": "client-bound: the peer's driver is the limit, not the peer",
  http2:
    "h2load sends one body only, so the peer is driven by Node's HTTP/2 client with prepared bodies",
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

export async function loadBench(
  bench: LoadBench,
  options: BenchOptions,
  report: (row: Row) => void,
): Promise<void> {
  const version = etcdVersion();
  if (version === undefined)
    throw new Error("etcd is not installed: apt-get install etcd-server nghttp2-client");
  const drivers = DRIVERS[bench].filter(
    (driver) => options.driver === undefined || driver === options.driver,
  );
  const ours = await startQuorate();
  const peer = await startEtcd();
  try {
    for (const driver of drivers) {
      const labels: Labels = {
        bench,
        driver: `native-vs-${driver}`,
        peerName: `etcd ${version}`,
        setting: settingOf(options, { keys: bench === "lock" ? 0 : 1 }),
        note: NOTES[driver],
      };
      for (const inFlight of options.inFlight) {
        const shape = { inFlight, warmUpS: 1, seconds: options.seconds };
        const us: Contestant = {
          server: ours,
          run: (each) => runClient("native", ours, bench, each),
        };
        report(await compare(us, peerOf(bench, driver, peer), shape, labels));
      }
    }
  } finally {
    await ours.remove();
    await peer.remove();
  }
}
