/**
 * What `quorate etcd` runs with, settled from flags and `ETCD_*` variables.
 *
 * Invariants: I1 nothing is started with a flag that would not have its effect: it is CONFIG and says why. I2 an unknown
 * variable is told, as etcd does, not refused.
 */
import type { QuorateError } from "../../base/errors.ts";
import { fail } from "../../base/errors.ts";
import type { EtcdFlag } from "./flags.ts";
import { ETCD_FLAGS, variableOf } from "./flags.ts";
import type { InitialMember, MemberOptions } from "../../server/cluster/membership.ts";
import type { Listening } from "./values.ts";
import { duration, Unreadable, whole } from "./values.ts";

export interface EtcdSettings {
  readonly name: string;
  readonly dataDir: string;
  readonly listen: Listening;
  /** Urls; absent: those listened on. */
  readonly advertise: readonly string[] | undefined;
  readonly initialCluster: readonly InitialMember[] | undefined;
  readonly initialClusterState: "new" | "existing";
  readonly initialClusterToken: string;
  readonly peerListen: Listening;
  readonly peerAdvertise: readonly string[];
  readonly heartbeatMs: number;
  readonly peerCertFile: string | undefined;
  readonly peerKeyFile: string | undefined;
  readonly peerTrustedCaFile: string | undefined;
  readonly peerCrlFile: string | undefined;
  readonly peerCertAllowedCn: string | undefined;
  readonly peerClientCertAuth: boolean;
  /** Absent: the server's default. */
  readonly quotaBytes: number | undefined;
  readonly electionMs: number;
  readonly compaction: string;
  readonly retention: string;
  readonly watchProgressMs: number | undefined;
  readonly reportVersion: string | undefined;
  readonly logLevel: string;
  readonly logOutputs: readonly string[];
  readonly insecureBind: boolean;
  readonly authToken: string | undefined;
  readonly authTokenTtlS: number | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  readonly trustedCaFile: string | undefined;
  readonly clientCrlFile: string | undefined;
  readonly clientCertAuth: boolean;
}

/** How much of the past is kept. */
export interface Retention {
  /** 0: all. */
  readonly historyKeep: number;
  readonly historyRevisions: number | undefined;
}

export interface EtcdSources {
  /** By flag name; a switch that was given without a value is `true`. */
  readonly flags: Readonly<Record<string, string | true | undefined>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Throws CONFIG (definite). */
export function etcdSettings(sources: EtcdSources): EtcdSettings {
  const settled: Record<string, unknown> = {};
  for (const flag of ETCD_FLAGS) {
    const given = givenTo(flag, sources);
    if (given === undefined) continue;
    const { rule } = flag;
    if (rule.kind === "only" && !rule.values.includes(given.value))
      throw refused(given, flag, rule.why);
    if (rule.kind === "setting") settled[rule.key] = read(given, rule.read);
  }
  const name = (settled["name"] as string | undefined) ?? "default";
  const settings: EtcdSettings = {
    name,
    dataDir: `${name}.etcd`,
    listen: { addresses: ["127.0.0.1:2379"], secure: false },
    advertise: undefined,
    initialCluster: undefined,
    initialClusterState: "new",
    initialClusterToken: "etcd-cluster",
    peerListen: { addresses: ["127.0.0.1:2380"], secure: false },
    peerAdvertise: ["http://localhost:2380"],
    heartbeatMs: 100,
    peerCertFile: undefined,
    peerKeyFile: undefined,
    peerTrustedCaFile: undefined,
    peerCrlFile: undefined,
    peerCertAllowedCn: undefined,
    peerClientCertAuth: false,
    quotaBytes: undefined,
    electionMs: 1_000,
    compaction: "periodic",
    retention: "0",
    watchProgressMs: undefined,
    reportVersion: undefined,
    logLevel: "info",
    logOutputs: ["stderr"],
    insecureBind: false,
    authToken: undefined,
    authTokenTtlS: undefined,
    certFile: undefined,
    keyFile: undefined,
    trustedCaFile: undefined,
    clientCrlFile: undefined,
    clientCertAuth: false,
    ...settled,
  };
  refuseStrange(settings);
  refuseBare(settings);
  refuseHasty(settings);
  return settings;
}

/** Variables that look like a flag's and are none. */
export function unknownVariables(environment: EtcdSources["environment"]): readonly string[] {
  const known = new Set(ETCD_FLAGS.map(({ name }) => variableOf(name)));
  return Object.keys(environment).filter((name) => /^ETCD_[A-Z]/.test(name) && !known.has(name));
}

/** etcd grants no lease shorter than one and a half elections. */
export function minLeaseTtlS({ electionMs }: EtcdSettings): number {
  return Math.ceil((1.5 * electionMs) / 1_000);
}

/** Throws CONFIG. */
export function retentionOf({ compaction, retention }: EtcdSettings): Retention {
  const given = { place: "flag --auto-compaction-retention", value: retention };
  if (compaction === "revision") {
    const revisions = read(given, whole) as number;
    return { historyKeep: 0, historyRevisions: revisions === 0 ? undefined : revisions };
  }
  const hours = /^\d+$/.test(retention);
  const keepMs = hours ? Number(retention) * 3_600_000 : (read(given, duration) as number);
  return { historyKeep: Math.ceil(keepMs / 1_000), historyRevisions: undefined };
}

interface Given {
  /** Where it was found, for messages. */
  readonly place: string;
  readonly value: string;
}

function givenTo({ name }: EtcdFlag, { flags, environment }: EtcdSources): Given | undefined {
  const flag = flags[name];
  if (flag !== undefined) return { place: `flag --${name}`, value: flag === true ? "true" : flag };
  const variable = environment[variableOf(name)];
  if (variable === undefined || variable === "") return undefined;
  return { place: `environment variable ${variableOf(name)}`, value: variable };
}

function read({ place, value }: Given, reader: (value: string) => unknown): unknown {
  try {
    return reader(value);
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    throw config(
      place,
      `${JSON.stringify(value)} is not ${error.message}`,
      `Give ${error.message}.`,
    );
  }
}

function refused({ place, value }: Given, flag: EtcdFlag, why: string): QuorateError {
  const usual = flag.usual === "" ? "" : ` (its value here is ${flag.usual})`;
  return config(
    place,
    `${JSON.stringify(value)} has no effect here: ${why}`,
    `Leave it out${usual}.`,
  );
}

/** An https url without a certificate would not be encrypted. */
function refuseBare(settings: EtcdSettings): void {
  const { listen, certFile, keyFile, peerListen, peerCertFile, peerKeyFile } = settings;
  const bare = (prefix: string, url: string): QuorateError =>
    config(
      `flag --listen-${url}-urls`,
      "has https urls, and there is no certificate to show",
      `Give --${prefix}cert-file and --${prefix}key-file.`,
    );
  if (listen.secure && (certFile === undefined || keyFile === undefined)) throw bare("", "client");
  if (peerListen.secure && (peerCertFile === undefined || peerKeyFile === undefined))
    throw bare("peer-", "peer");
  if (!settings.peerClientCertAuth || settings.peerTrustedCaFile !== undefined) return;
  throw config(
    "flag --peer-client-cert-auth",
    "is given without an authority",
    "Give --peer-trusted-ca-file.",
  );
}

/** As in etcd: the others would not find a member that is not named, or named elsewhere. */
function refuseStrange({ initialCluster, name, peerAdvertise }: EtcdSettings): void {
  if (initialCluster === undefined) return;
  const own = initialCluster.find((each) => each.name === name);
  if (own === undefined)
    throw config(
      "flag --initial-cluster",
      `does not name this member, ${name}`,
      "Name every member with its urls, this one too.",
    );
  const asOne = (urls: readonly string[]): string =>
    urls
      .map((url) => url.replace("//localhost:", "//127.0.0.1:"))
      .toSorted()
      .join();
  if (asOne(own.peerUrls) === asOne(peerAdvertise)) return;
  throw config(
    "flag --initial-cluster",
    `has ${name} at ${own.peerUrls.join(",")}, and --initial-advertise-peer-urls is ${peerAdvertise.join(",")}`,
    "Give the same urls in both.",
  );
}

/** As in etcd: a heartbeat that is lost is no reason for an election. */
function refuseHasty({ heartbeatMs, electionMs }: EtcdSettings): void {
  if (heartbeatMs > 0 && electionMs >= 5 * heartbeatMs) return;
  throw config(
    "flag --election-timeout",
    `is ${electionMs} ms, less than five heartbeats of ${heartbeatMs} ms`,
    "Give more, or less to --heartbeat-interval.",
  );
}

/** How the server is a member of a cluster: not at all, unless a cluster is named or its directory is a member's. */
export function memberOf(settings: EtcdSettings): MemberOptions {
  const { peerCertFile, peerKeyFile, peerTrustedCaFile, peerCrlFile, peerCertAllowedCn } = settings;
  const tls = { peerCertFile, peerKeyFile, peerTrustedCaFile, peerCrlFile, peerCertAllowedCn };
  const { peerListen } = settings;
  return {
    peerListen: peerListen.addresses,
    aloneUnlessNamed: true,
    peerAdvertise: settings.peerAdvertise,
    initialCluster: settings.initialCluster,
    initialClusterState: settings.initialClusterState,
    initialClusterToken: settings.initialClusterToken,
    electionMs: settings.electionMs,
    heartbeatMs: settings.heartbeatMs,
    ...(peerListen.secure ? tls : {}),
  };
}

function config(object: string, what: string, remedy: string): QuorateError {
  return fail("CONFIG", { object, what, remedy });
}
