/**
 * etcd's flags as data: what each does here.
 *
 * Invariants: I1 every flag of etcd 3.4 and 3.5 is known. I2 what would change behaviour and cannot be given is refused
 * by name, with what to do; what only tunes a part that is not there is taken and ignored. I3 flag > `ETCD_*` variable >
 * default, as in etcd.
 * Source: etcd 3.5 `etcdmain/help.go`.
 */
import type { EtcdSettings } from "./settings.ts";
import {
  advertised,
  cluster,
  duration,
  file,
  level,
  listened,
  oneOf,
  outputs,
  quota,
  text,
  tokens,
  truth,
  version,
  whole,
} from "./values.ts";

/** What becomes of a flag. */
export type Rule =
  /** It is a setting. `read` throws `Unreadable`. */
  | {
      readonly kind: "setting";
      readonly key: keyof EtcdSettings;
      readonly read: (value: string) => unknown;
    }
  /** It tunes what is not there, or what is not tuned. */
  | { readonly kind: "ignored"; readonly why: string }
  /** Only these values mean what is done here. */
  | { readonly kind: "only"; readonly values: readonly string[]; readonly why: string };

export interface EtcdFlag {
  readonly name: string;
  /** What stands behind it; absent for a switch. */
  readonly operand?: string | undefined;
  readonly usual: string;
  readonly rule: Rule;
}

function setting(
  name: string,
  operand: string,
  usual: string,
  key: keyof EtcdSettings,
  read: (value: string) => unknown,
): EtcdFlag {
  return { name, operand, usual, rule: { kind: "setting", key, read } };
}

function all(
  rule: Rule,
  flags: Readonly<Record<string, readonly [operand: string | undefined, usual: string]>>,
): readonly EtcdFlag[] {
  return Object.entries(flags).map(([name, [operand, usual]]) => ({ name, operand, usual, rule }));
}

const STORAGE = "log, snapshots and state are kept in another way";
const CONNECTIONS = "connections are bounded by fixed limits";
const CLUSTER = "the cluster does so, or has no need of it";
const LOG = "the log has one form";

const IGNORED: readonly EtcdFlag[] = [
  ...all(
    { kind: "ignored", why: STORAGE },
    {
      "snapshot-count": ["N", "100000"],
      "max-snapshots": ["N", "5"],
      "max-wals": ["N", "5"],
      "backend-batch-interval": ["DURATION", ""],
      "backend-batch-limit": ["N", "0"],
      "backend-bbolt-freelist-type": ["NAME", "map"],
      "experimental-backend-bbolt-freelist-type": ["NAME", "map"],
      "experimental-compaction-batch-limit": ["N", "1000"],
      "experimental-compaction-sleep-interval": ["DURATION", "10ms"],
      "experimental-bootstrap-defrag-threshold-megabytes": ["N", "0"],
      "experimental-memory-mlock": [undefined, "false"],
      "experimental-txn-mode-write-with-shared-buffer": [undefined, "true"],
      "experimental-warning-apply-duration": ["DURATION", "100ms"],
      "experimental-warning-unary-request-duration": ["DURATION", "300ms"],
      "experimental-initial-corrupt-check": [undefined, "false"],
      "experimental-corrupt-check-time": ["DURATION", "0s"],
      "experimental-compact-hash-check-enabled": [undefined, "false"],
      "experimental-compact-hash-check-time": ["DURATION", "1m"],
      "experimental-enable-lease-checkpoint": [undefined, "false"],
      "experimental-enable-lease-checkpoint-persist": [undefined, "false"],
    },
  ),
  ...all(
    { kind: "ignored", why: CLUSTER },
    {
      "initial-election-tick-advance": [undefined, "true"],
      "strict-reconfig-check": [undefined, "true"],
      "pre-vote": [undefined, "true"],
      "socket-reuse-address": [undefined, "false"],
      "experimental-peer-skip-client-san-verification": [undefined, "false"],
      "experimental-downgrade-check-time": ["DURATION", "5s"],
      "experimental-max-learners": ["N", "1"],
      "experimental-wait-cluster-ready-timeout": ["DURATION", "5s"],
      "experimental-set-member-localaddr": [undefined, "false"],
    },
  ),
  ...all(
    { kind: "ignored", why: CONNECTIONS },
    {
      "max-concurrent-streams": ["N", "10000"],
      "grpc-keepalive-min-time": ["DURATION", "5s"],
      "grpc-keepalive-interval": ["DURATION", "2h"],
      "grpc-keepalive-timeout": ["DURATION", "20s"],
    },
  ),
  ...all(
    { kind: "ignored", why: "passwords are hashed by scrypt" },
    { "bcrypt-cost": ["N", "10"] },
  ),
  ...all(
    { kind: "ignored", why: LOG },
    {
      metrics: ["LEVEL", "basic"],
      "enable-log-rotation": [undefined, "false"],
      "log-rotation-config-json": ["JSON", ""],
      "log-package-levels": ["LEVELS", ""],
      "log-format": ["FORMAT", "json"],
      debug: [undefined, "false"],
    },
  ),
];

function only(
  name: string,
  operand: string | undefined,
  values: readonly string[],
  why: string,
): EtcdFlag {
  return { name, operand, usual: values[0] ?? "", rule: { kind: "only", values, why } };
}

const NO_DISCOVERY = "a cluster is not discovered";
const NO_V2 = "version 2 of the interface is not served";

const NO_CERTIFICATES = "certificates are not made here: give --cert-file and --key-file";

const ONLY: readonly EtcdFlag[] = [
  only("wal-dir", "DIR", [""], "log and state lie in one directory: give --data-dir"),
  only("discovery", "URL", [""], NO_DISCOVERY),
  only("discovery-srv", "DOMAIN", [""], NO_DISCOVERY),
  only("discovery-srv-name", "NAME", [""], NO_DISCOVERY),
  only("discovery-proxy", "URL", [""], NO_DISCOVERY),
  only("discovery-fallback", "MODE", ["proxy", "exit"], NO_DISCOVERY),
  only("proxy", "MODE", ["off"], "it is no proxy"),
  only("enable-v2", undefined, ["false"], NO_V2),
  only("v2-deprecation", "PHASE", ["not-yet", "write-only"], NO_V2),
  only("experimental-enable-v2v3", "PREFIX", [""], NO_V2),
  only("max-txn-ops", "N", ["128"], "a transaction takes 128 operations"),
  only("max-request-bytes", "BYTES", ["1572864"], "a request takes 1572864 bytes"),
  only(
    "force-new-cluster",
    undefined,
    ["false"],
    "a directory of one member is a cluster of its own: restore a snapshot instead",
  ),
  only("unsafe-no-fsync", undefined, ["false"], "what is acknowledged has been flushed"),
  only("enable-pprof", undefined, ["false"], "profiles are taken with node --cpu-prof"),
  only("enable-grpc-gateway", undefined, ["true"], "the JSON gateway is always served"),
  only("cors", "ORIGINS", ["*"], "browsers of every origin are served"),
  only("host-whitelist", "HOSTS", ["*"], "every host name is served"),
  only("socket-reuse-port", undefined, ["false"], "a port belongs to one server"),
  only("experimental-enable-distributed-tracing", undefined, ["false"], "traces are not exported"),
  only("experimental-stop-grpc-service-on-defrag", undefined, ["false"], "nothing stops for it"),
  only("logger", "NAME", ["zap"], "the log has zap's form"),
  only(
    "client-cert-allowed-hostname",
    "NAME",
    [""],
    "names in clients' certificates are not compared",
  ),
  only("auto-tls", undefined, ["false"], NO_CERTIFICATES),
  only(
    "peer-auto-tls",
    undefined,
    ["false"],
    "certificates are not made here: give --peer-cert-file",
  ),
  only(
    "peer-cert-allowed-hostname",
    "NAME",
    [""],
    "names of hosts in members' certificates are not compared: give --peer-cert-allowed-cn",
  ),
  only(
    "peer-client-cert-file",
    "FILE",
    [""],
    "a member shows one certificate, also where it dials: give --peer-cert-file",
  ),
  only(
    "peer-client-key-file",
    "FILE",
    [""],
    "a member shows one certificate, also where it dials: give --peer-key-file",
  ),
  only("self-signed-cert-validity", "YEARS", ["1"], NO_CERTIFICATES),
  only(
    "cipher-suites",
    "NAMES",
    [""],
    "the cipher suites are those of Node: see node --tls-cipher-list",
  ),
  only("tls-min-version", "VERSION", ["TLS1.2", ""], "TLS 1.2 is the oldest version served"),
  only("tls-max-version", "VERSION", ["", "TLS1.3"], "the newest version is always served"),
  only("listen-metrics-urls", "URLS", [""], "metrics are served at the client urls"),
  only("config-file", "FILE", [""], "etcd's YAML is not read: give flags or ETCD_ variables"),
];

const SETTINGS: readonly EtcdFlag[] = [
  setting("name", "NAME", "default", "name", text),
  setting("data-dir", "DIR", "${name}.etcd", "dataDir", text),
  setting("listen-client-urls", "URLS", "http://localhost:2379", "listen", listened),
  setting("advertise-client-urls", "URLS", "those listened on", "advertise", advertised),
  setting("initial-cluster", "NAME=URL", "this member alone", "initialCluster", cluster),
  setting(
    "initial-cluster-state",
    "STATE",
    "new",
    "initialClusterState",
    oneOf(["new", "existing"]),
  ),
  setting("initial-cluster-token", "TOKEN", "etcd-cluster", "initialClusterToken", text),
  setting("listen-peer-urls", "URLS", "http://localhost:2380", "peerListen", listened),
  setting(
    "initial-advertise-peer-urls",
    "URLS",
    "http://localhost:2380",
    "peerAdvertise",
    advertised,
  ),
  setting("heartbeat-interval", "MS", "100", "heartbeatMs", whole),
  setting("quota-backend-bytes", "BYTES", "0", "quotaBytes", quota),
  setting("election-timeout", "MS", "1000", "electionMs", whole),
  setting("auto-compaction-retention", "RETENTION", "0", "retention", text),
  setting(
    "auto-compaction-mode",
    "MODE",
    "periodic",
    "compaction",
    oneOf(["periodic", "revision"]),
  ),
  setting(
    "experimental-watch-progress-notify-interval",
    "DURATION",
    "10m",
    "watchProgressMs",
    duration,
  ),
  setting("report-version", "VERSION", "3.5.16", "reportVersion", version),
  setting("log-level", "LEVEL", "info", "logLevel", level),
  setting("log-outputs", "OUTPUTS", "default", "logOutputs", outputs),
  setting("auth-token", "KIND", "simple", "authToken", tokens),
  setting("auth-token-ttl", "SECONDS", "300", "authTokenTtlS", whole),
  setting("cert-file", "FILE", "", "certFile", file),
  setting("key-file", "FILE", "", "keyFile", file),
  setting("trusted-ca-file", "FILE", "", "trustedCaFile", file),
  setting("client-crl-file", "FILE", "", "clientCrlFile", file),
  setting("peer-cert-file", "FILE", "", "peerCertFile", file),
  setting("peer-key-file", "FILE", "", "peerKeyFile", file),
  setting("peer-trusted-ca-file", "FILE", "", "peerTrustedCaFile", file),
  setting("peer-crl-file", "FILE", "", "peerCrlFile", file),
  setting("peer-cert-allowed-cn", "NAME", "", "peerCertAllowedCn", file),
  {
    name: "client-cert-auth",
    usual: "false",
    rule: { kind: "setting", key: "clientCertAuth", read: truth },
  },
  {
    name: "peer-client-cert-auth",
    usual: "false",
    rule: { kind: "setting", key: "peerClientCertAuth", read: truth },
  },
  {
    name: "insecure-bind",
    usual: "false",
    rule: { kind: "setting", key: "insecureBind", read: truth },
  },
];

/** All flags, those that do something first. */
export const ETCD_FLAGS: readonly EtcdFlag[] = [...SETTINGS, ...ONLY, ...IGNORED];

/** `data-dir` → `ETCD_DATA_DIR`. */
export function variableOf(name: string): string {
  return `ETCD_${name.replaceAll("-", "_").toUpperCase()}`;
}
