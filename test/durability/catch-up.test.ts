/** Snapshots that are read for other members while newer ones take their place. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { prng } from "../../src/base/prng.ts";
import { CatchUp } from "../../src/driver/catch-up.ts";
import { openDirectory } from "../../src/driver/data-directory.ts";
import { snapshotName, writeSnapshot } from "../../src/driver/snapshot-files.ts";
import { Storage } from "../../src/driver/storage.ts";
import { hostClock } from "../../src/host/clock.ts";
import { Base } from "../../src/keyspace/base.ts";
import type { Disk } from "../../src/ports/disk.ts";
import type { ReplicaInput } from "../../src/replica/inputs.ts";
import { SimDisk } from "../../src/verify/sim-disk.ts";

function baseAt(index: number): Base {
  const base = new Base();
  for (let at = 1; at <= index; at++)
    base.apply({ index: at, term: 1, time: 1, transactions: [] }, 0);
  return base;
}

test("[REP-11] a snapshot that is removed between being found and being opened is one that is not there: the transfer begins again", async () => {
  const disk = new SimDisk({ random: prng(1) }).mount(hostClock);
  const opened = await openDirectory(disk, hostClock, prng(2), { segmentBytes: 16 * 512 });
  await writeSnapshot(disk, hostClock, baseAt(3));
  await writeSnapshot(disk, hostClock, baseAt(5));
  // Another write of a snapshot had listed what it removes before this one was pinned.
  const replacing: Disk = {
    ...disk,
    open: async (name, options) => {
      if (name === snapshotName(3) && (await disk.list()).includes(name)) await disk.remove(name);
      return disk.open(name, options);
    },
  };
  const input = await new Promise<ReplicaInput[]>((resolve, reject) => {
    const steps: ReplicaInput[] = [];
    const step = (given: ReplicaInput): void => {
      steps.push(given);
      if (given.kind === "chunkRead") resolve(steps);
    };
    const storage = new Storage(disk, hostClock, opened);
    const base = (): Base => opened.base;
    const reader = new CatchUp({ disk: replacing, storage, base, step, failed: reject });
    reader.read({ to: 2, index: 3, offset: 0 });
  });
  assert.deepEqual(input, [
    { kind: "snapshotTaken", index: 5 },
    { kind: "chunkRead", to: 2, index: 3, offset: 0, last: false },
  ]);
});
