/** Under what a benchmark was measured, for its rows. */
import { availableParallelism } from "node:os";
import type { BenchOptions } from "./options.ts";
import { fileSystemOf } from "./process-usage.ts";
import type { Setting } from "./rows.ts";
import { VALUE_BYTES } from "./workload.ts";

export function settingOf(options: BenchOptions, own: Partial<Setting>): Setting {
  return {
    valueBytes: VALUE_BYTES,
    keys: 1,
    fileSystem: fileSystemOf("."),
    node: process.version,
    cores: availableParallelism(),
    rounds: options.rounds,
    secondsPerRound: options.seconds,
    flushesFrom:
      "the servers' metrics: etcd's WAL fsyncs and backend commits, Quorate's log writes (O_DSYNC)",
    ...own,
  };
}
