/** When a driver writes snapshots by itself, and what they cost. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../../src/base/bytes.ts";
import type { Reply } from "../../src/contract/requests.ts";
import type { Driver } from "../../src/driver/face.ts";
import { segmentNumbers } from "../../src/driver/log.ts";
import { snapshotNames } from "../../src/driver/snapshot-files.ts";
import { SECTOR_BYTES } from "../../src/replica/log-format.ts";
import { registry } from "../../src/host/meter.ts";
import { driverOptions } from "../../src/server/options.ts";
import { Machine, put, SEGMENT_BYTES } from "./machine.ts";

test("[DRV-9] snapshots keep the log short while it grows, and older files go (one simulated node)", async () => {
  const machine = new Machine();
  const driver = await machine.open({ snapshotLogBytes: 2 * SEGMENT_BYTES });
  for (let at = 0; at < 200; at++) await machine.ask(driver, put(`key-${at % 7}`, String(at)));
  await machine.pass(1_000);
  const names = await machine.until(machine.disk.mount(machine.clock).list());
  const numbers = segmentNumbers(names);
  assert.ok((numbers[0] ?? 0) > 5, "segments that a snapshot covers are removed");
  assert.ok(numbers.length <= 5, `${numbers.length} segments are left`);
  assert.equal(snapshotNames(names).length, 1);
  machine.crash();
  const again = await machine.open();
  const found = await machine.ask(again, { kind: "range", key: utf8(`key-${199 % 7}`) });
  assert.equal(found.kvs[0]?.value, "199");
});

test("[DRV-15] snapshots of a large state cost no more than three bytes for one of the log (one simulated node)", async () => {
  const costOf = async (snapshotLogShare: number): Promise<number> => {
    const machine = new Machine();
    const driver = await machine.open({ snapshotLogBytes: 2 * SEGMENT_BYTES, snapshotLogShare });
    const disk = machine.disk.mount(machine.clock);
    const sizes = new Map<string, number>();
    const puts = 1_500;
    for (let at = 0; at < puts; at++) {
      await machine.ask(driver, put(`key-${at}`, "v".repeat(300)));
      for (const name of snapshotNames(await machine.until(disk.list()))) {
        if (sizes.has(name)) continue;
        const file = await machine.until(disk.open(name, { mode: "read" }));
        sizes.set(name, await machine.until(file.size()));
      }
    }
    const bytes = [...sizes.values()].reduce((sum, each) => sum + each, 0);
    // Each put is a batch of its own, of one sector.
    return bytes / (puts * SECTOR_BYTES);
  };
  const [bounded, unbounded] = [await costOf(1 / 2), await costOf(0)];
  assert.ok(bounded <= 3, `${bounded} bytes of snapshots for one of the log`);
  assert.ok(unbounded > 4, `${unbounded} without the share`);
});

test("[DRV-15] a server keeps to that, whatever it is started with", () => {
  assert.equal(driverOptions({}, registry(), undefined).snapshotLogShare, 1 / 2);
});

/** A driver at which a snapshot that a client took has just held back a physical compaction. */
async function heldBack(): Promise<{
  readonly machine: Machine;
  readonly driver: Driver;
  readonly reply: () => Reply | undefined;
}> {
  const machine = new Machine();
  const driver = await machine.open();
  await machine.ask(driver, put("key", "once"));
  const { revision } = await machine.ask(driver, put("key", "more"));
  let goOn = (): void => {};
  const taken = new Promise<void>((resolve) => (goOn = resolve));
  const streaming = driver.snapshot(() => taken);
  let reply: Reply | undefined;
  driver.submit({ kind: "compact", revision, physical: true }, undefined, (said) => (reply = said));
  await machine.pass(1_000);
  assert.equal(reply, undefined, "the snapshot holds it back");
  goOn();
  await machine.until(streaming);
  return { machine, driver, reply: () => reply };
}

test("[DRV-12] a physical compaction is answered though a snapshot that a client takes held it back (one simulated node)", async () => {
  const { machine, reply } = await heldBack();
  await machine.pass(60_000);
  assert.equal(reply()?.ok, true);
});

test("[DRV-8] closing ends though a snapshot that a client took held back a compaction (one simulated node)", async () => {
  const { machine, driver } = await heldBack();
  let closed = false;
  void driver.close().then(() => (closed = true));
  await machine.pass(60_000);
  assert.ok(closed);
});
