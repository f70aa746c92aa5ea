/** How a server is started, and what that is to its driver. */
import { procedureSet } from "../contract/procedure.ts";
import type { Formats } from "../contract/formats.ts";
import type { DriverOptions } from "../driver/driver.ts";
import type { ClusterOptions } from "../driver/peers.ts";
import { hostClock } from "../host/clock.ts";
import { hostDisk } from "../host/disk.ts";
import { hostEntropy } from "../host/entropy.ts";
import type { Registry } from "../host/meter.ts";
import { allProcedures } from "../mechanisms/procedures.ts";
import type { MemberOptions } from "./cluster/membership.ts";
import { dashboardMeter } from "./metrics.ts";
import type { TlsOptions } from "./tls.ts";

/** How a server is started. */
export interface ServerOptions extends TlsOptions, MemberOptions {
  /** `HOST:PORT`, or several; port 0 takes a free one. Default `127.0.0.1:2379`. */
  readonly listen?: string | readonly string[] | undefined;
  /** Where the data lies; absent: in memory, lost with the process. */
  readonly dataDir?: string | undefined;
  /** Bytes that keys, values and history may occupy; default 1 GiB. */
  readonly quotaBytes?: number | undefined;
  /** Shortest time to live granted, seconds; default 1. */
  readonly minLeaseTtlS?: number | undefined;
  /** How long history can be read and watched, seconds; 0 keeps all until compaction; default 600. */
  readonly historyKeep?: number | undefined;
  /** How many revisions can be read and watched, at most; default all. */
  readonly historyRevisions?: number | undefined;
  /** Accepts that the machine's clock is more than a day ahead of the data. */
  readonly acceptClockJump?: boolean | undefined;
  /** Allows an address that other machines can reach, without TLS, or without anybody saying who they are. */
  readonly insecureBind?: boolean | undefined;
  /**
   * After this long without a change, etcd watches that ask for it are told how far they are, ms; default ten minutes.
   * Shorter means that clients can resume from a newer revision, and more messages.
   */
  readonly watchProgressMs?: number | undefined;
  /** The version of etcd that clients are told, which switch features by it. Default 3.5.16. */
  readonly reportVersion?: string | undefined;
  /** The member's name; default `default`. */
  readonly memberName?: string | undefined;
  /** Where clients are told to reach it; default where it listens. */
  readonly advertise?: readonly string[] | undefined;
  /** Told what an operator should know: certificates that cannot be renewed. Default silence. */
  readonly warn?: ((message: string) => void) | undefined;
  /**
   * The tokens that users get: `simple` (random, forgotten at a restart; the default) or `jwt,sign-method=…` with
   * `priv-key=FILE`, `pub-key=FILE` and `ttl=DURATION`, as etcd takes them.
   */
  readonly authToken?: string | undefined;
  /** How long a simple token lives after its last use, seconds; default 300. */
  readonly authTokenTtlS?: number | undefined;
}

/** How a test starts a server as the version before would: no part of what is published. */
export interface VersionedOptions extends ServerOptions {
  readonly formats?: Formats | undefined;
}

/** What the driver is opened with. */
export function driverOptions(
  options: VersionedOptions,
  meter: Registry,
  cluster: ClusterOptions | undefined,
): DriverOptions {
  return {
    disk: options.dataDir === undefined ? undefined : hostDisk(options.dataDir),
    clock: hostClock,
    entropy: hostEntropy,
    procedures: procedureSet(allProcedures),
    label: options.dataDir === undefined ? "memory server" : `data directory ${options.dataDir}`,
    quotaBytes: options.quotaBytes,
    minLeaseTtlMs: options.minLeaseTtlS === undefined ? undefined : options.minLeaseTtlS * 1_000,
    historyMs:
      options.historyKeep === undefined
        ? undefined
        : options.historyKeep === 0
          ? Infinity
          : options.historyKeep * 1_000,
    historyRevisions: options.historyRevisions,
    acceptClockJump: options.acceptClockJump,
    snapshotLogShare: 1 / 2,
    meter: dashboardMeter(meter),
    cluster,
    formats: options.formats,
  };
}
