/**
 * What `import … from "quorate/etcd"` gives: a real etcd as the engine.
 *
 * Its driver, `@grpc/grpc-js`, is an optional peer and loads when the connection is made.
 */
import { fail } from "../base/errors.ts";
import { hostClock } from "../host/clock.ts";
import { hostEntropy } from "../host/entropy.ts";
import type { EtcdTls } from "../host/etcd.ts";
import type { Engine } from "./engine.ts";

export type { Engine } from "./engine.ts";
export type { EtcdTls } from "../host/etcd.ts";

export interface EtcdOptions {
  /** `host:port` of each member; the first that answers is used. Default 127.0.0.1:2379. */
  readonly endpoints?: readonly string[] | undefined;
  /** Connects over TLS. */
  readonly tls?: EtcdTls | undefined;
}

/**
 * etcd as an engine for `connect`. What is held lies in etcd under documented keys, so that `etcdctl` can read it.
 * Guarantee: linearizable, majority, monotonic tokens; deadlines (`lock.lease`) are measured by the clients' clocks and
 * acted on by a connected client.
 */
export function etcd(options: EtcdOptions = {}): Engine {
  const endpoints = options.endpoints ?? ["127.0.0.1:2379"];
  const label = `etcd://${endpoints.join(",")}`;
  for (const each of endpoints) checkEndpoint(label, each);
  return {
    label,
    foreign: true,
    open: async (signal) => {
      const [{ grpcClient }, { openEtcd }] = await Promise.all([
        import("../host/etcd.ts"),
        import("../engines/etcd/etcd.ts"),
      ]);
      const client = await grpcClient(endpoints, options.tls);
      return await openEtcd({ client, clock: hostClock, entropy: hostEntropy, label }, signal);
    },
  };
}

/** The engine that an `etcd://host:port,host:port` url names. */
export function etcdFromUrl(url: string): Engine {
  const authority = url.slice("etcd://".length).replace(/\/.*$/, "");
  const endpoints = authority
    .split(",")
    .map((each) => (/:\d+$/.test(each) ? each : `${each}:2379`));
  return etcd({ endpoints });
}

function checkEndpoint(label: string, endpoint: string): void {
  if (/^(\[[^\]]+\]|[^:[\]/\s]+):\d{1,5}$/.test(endpoint)) return;
  throw fail("CONFIG", {
    object: `engine ${label}`,
    what: `${endpoint || "nothing"} is not HOST:PORT`,
    remedy: "Give for example 127.0.0.1:2379.",
  });
}
