/** Snapshots between members: read while newer ones take their place, kept while their member closes. */
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
import { until } from "../until.ts";

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

/** Closes a member while `during` of the last chunk of a snapshot is under way; what was told, and what was done after the close. */
async function closedDuring(during: "write" | "read"): Promise<readonly string[]> {
  const [from, to] = [1, 2].map((seed) => new SimDisk({ random: prng(seed) }).mount(hostClock));
  assert.ok(from !== undefined && to !== undefined);
  await writeSnapshot(from, hostClock, baseAt(5));
  const file = await from.open(snapshotName(5), { mode: "read" });
  const data = await file.read(0, 1 << 20);
  const opened = await openDirectory(to, hostClock, prng(3), { segmentBytes: 16 * 512 });
  const heard: string[] = [];
  let goOn = (): void => {};
  const may = new Promise<void>((resolve) => (goOn = resolve));
  let isUnderWay = false;
  const waits = (): Promise<void> => {
    isUnderWay = true;
    return may;
  };
  let isClosed = false;
  const slow: Disk = {
    ...to,
    open: async (name, options) => {
      if (during === "read" && options.mode === "read") await waits();
      const under = await to.open(name, options);
      const write = async (offset: number, bytes: Uint8Array): Promise<void> => {
        await under.write(offset, bytes);
        if (during === "write") await waits();
      };
      return { ...under, write };
    },
    rename: async (name, other) => {
      if (isClosed) heard.push("renamed");
      await to.rename(name, other);
    },
  };
  const catchUp = new CatchUp({
    disk: slow,
    storage: new Storage(to, hostClock, opened),
    base: () => opened.base,
    step: ({ kind }) => heard.push(kind),
    failed: (error) => heard.push(String(error)),
  });
  const config = { voters: [1, 2], outgoing: [], learners: [] };
  const snapshot = { index: 5, term: 1, source: 1, config };
  catchUp.write({ snapshot, offset: 0, data, last: true });
  await until(
    () => isUnderWay,
    () => heard.join(),
  );
  const closed = catchUp.close().then(() => (isClosed = true));
  // As long as a close that waits for nothing would take.
  for (let turn = 0; turn < 20; turn++) await new Promise((done) => setImmediate(done));
  goOn();
  await closed;
  await until(
    () => heard.length > 0,
    () => "nothing came of it",
  );
  return heard;
}

test("[DRV-8] closing waits for what is read back of a snapshot, which is not taken any more (one member)", async () => {
  assert.deepEqual(await closedDuring("read"), ["chunkWritten"]);
});

test("[DRV-8] closing while the last part of a snapshot is written is no failure of the disk (one member)", async () => {
  assert.deepEqual(await closedDuring("write"), ["chunkWritten"]);
});
