/**
 * What `/metrics` shows: ours, and under etcd's names what etcd's dashboards and alerts look for and what means the same
 * here.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { StatusResponse } from "../contract/requests.ts";
import type { Registry } from "../host/meter.ts";
import type { Meter } from "../ports/meter.ts";

type Value = readonly [name: string, help: string, value: number];

/** Etcd measures in seconds, in buckets that double from a millisecond on. */
const ETCD_BUCKETS: readonly number[] = Array.from({ length: 14 }, (_, at) => 2 ** at / 1_000);
/** Our measurements in ms that have a name at etcd. */
const ALSO: Readonly<Record<string, readonly [name: string, help: string]>> = {
  quorate_log_flush_ms: [
    "etcd_disk_wal_fsync_duration_seconds",
    "The latency distributions of fsync called by WAL.",
  ],
};

/** A meter that writes into `all` what it is told, and under etcd's name too. */
export function dashboardMeter(all: Registry): Meter {
  return {
    counter: (name, help) => all.counter(name, help),
    gauge: (name, help) => all.gauge(name, help),
    histogram: (name, help, bounds) => {
      const own = all.histogram(name, help, bounds);
      const also = ALSO[name];
      if (also === undefined) return own;
      const theirs = all.histogram(...also, ETCD_BUCKETS);
      return {
        record: (ms) => {
          own.record(ms);
          theirs.record(ms / 1_000);
        },
      };
    },
  };
}

/** Open connections by protocol, and what has gone over those of gRPC. */
export interface Connections {
  readonly native: number;
  readonly grpc: number;
  readonly grpcReceived: number;
  readonly grpcSent: number;
}

export class ServerMetrics {
  readonly #all: Registry;
  readonly #lag = monitorEventLoopDelay({ resolution: 10 });

  constructor(all: Registry) {
    this.#all = all;
    this.#lag.enable();
  }

  stop(): void {
    this.#lag.disable();
  }

  render(status: StatusResponse, connections: Connections): string {
    const values = [
      ...ours(status, connections),
      ...this.#process(),
      ...etcds(status, connections),
    ];
    for (const [name, help, value] of values) this.#all.gauge(name, help).set(value);
    return this.#all.render();
  }

  #process(): readonly Value[] {
    const memory = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    const lag = this.#lag;
    return [
      [
        "quorate_event_loop_lag_p99_ms",
        "Event loop delay, 99th percentile, ms.",
        lag.percentile(99) / 1e6,
      ],
      ["quorate_event_loop_lag_max_ms", "Event loop delay, maximum, ms.", lag.max / 1e6],
      ["process_resident_memory_bytes", "Resident memory.", memory.rss],
      ["quorate_heap_used_bytes", "JavaScript heap in use.", memory.heapUsed],
      ["process_cpu_seconds", "CPU time used.", (user + system) / 1e6],
    ];
  }
}

function ours(status: StatusResponse, connections: Connections): readonly Value[] {
  return [
    ["quorate_term", "Term that this member is in.", status.term],
    ["quorate_revision", "Newest committed revision.", status.revision],
    ["quorate_compact_revision", "Oldest readable revision.", status.compactRevision],
    ["quorate_keys", "Live keys.", status.keys],
    ["quorate_bytes", "Bytes of keys, values and history.", status.bytes],
    ["quorate_quota_bytes", "Most bytes allowed.", status.quotaBytes],
    ["quorate_leases", "Leases granted.", status.leases],
    ["quorate_watchers", "Open watches.", status.watchers],
    ["quorate_connections", "Open native connections.", connections.native],
    ["quorate_grpc_connections", "Open gRPC connections.", connections.grpc],
    ["quorate_alarms", "Alarms raised.", status.alarms.length],
  ];
}

function etcds(status: StatusResponse, connections: Connections): readonly Value[] {
  const leads = status.leader === status.memberId ? 1 : 0;
  const { commitIndex, bytes } = status;
  return [
    ["etcd_server_has_leader", "Whether or not a leader exists.", status.leader === 0n ? 0 : 1],
    ["etcd_server_is_leader", "Whether or not this member is a leader.", leads],
    ["etcd_server_proposals_committed_total", "Consensus proposals committed.", commitIndex],
    ["etcd_server_proposals_applied_total", "Consensus proposals applied.", commitIndex],
    ["etcd_server_quota_backend_bytes", "Backend storage quota, bytes.", status.quotaBytes],
    ["etcd_mvcc_db_total_size_in_bytes", "Size of the database, bytes.", bytes],
    ["etcd_mvcc_db_total_size_in_use_in_bytes", "Size of the database in use, bytes.", bytes],
    // Alone, a member becomes leader once.
    ["etcd_server_leader_changes_seen_total", "Leader changes seen.", leads],
    [
      "etcd_network_client_grpc_received_bytes_total",
      "Bytes received from gRPC clients.",
      connections.grpcReceived,
    ],
    [
      "etcd_network_client_grpc_sent_bytes_total",
      "Bytes sent to gRPC clients.",
      connections.grpcSent,
    ],
    ["etcd_debugging_mvcc_keys_total", "Live keys.", status.keys],
    ["etcd_debugging_mvcc_watcher_total", "Open watches.", status.watchers],
  ];
}
