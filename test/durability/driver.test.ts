/** What a driver does by itself and at its edges: group commit, expiry, history, closing, directories that do not fit. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../../src/base/bytes.ts";
import { QuorateError } from "../../src/base/errors.ts";
import { FORMATS } from "../../src/contract/formats.ts";
import type { Reply, Request } from "../../src/contract/requests.ts";
import { Log, segmentName, segmentNumbers } from "../../src/driver/log.ts";
import { snapshotNames } from "../../src/driver/snapshot-files.ts";
import { VERSION_OVERHEAD_BYTES } from "../../src/keyspace/versions.ts";
import type { Meter } from "../../src/ports/meter.ts";
import { silentMeter } from "../../src/ports/meter.ts";
import { Machine, put, SEGMENT_BYTES } from "./machine.ts";

const DAY_MS = 24 * 3_600_000;
test("[DRV-1] what arrives while an append is in flight shares the next one (one simulated node)", async () => {
  const machine = new Machine();
  let entries = 0;
  const counter = { add: (by = 1) => void (entries += by) };
  const meter: Meter = { ...silentMeter, counter: () => counter };
  const driver = await machine.open({ meter });
  entries = 0;
  let answered = 0;
  const first = machine.ask(driver, put("first"));
  await machine.until(first);
  assert.equal(entries, 1);
  for (let at = 0; at < 50; at++) driver.submit(put(`early-${at}`), undefined, () => answered++);
  while (entries < 2) assert.ok(machine.clock.step());
  for (let at = 0; at < 50; at++) driver.submit(put(`late-${at}`), undefined, () => answered++);
  assert.equal(answered, 0);
  await machine.pass(50);
  assert.deepEqual({ answered, entries }, { answered: 100, entries: 3 });
});

test("[LOG-7] what a process reads back of one that was killed is there after a loss of power (one simulated node, 80 moments)", async () => {
  let read = 0;
  for (let seed = 1; seed <= 80; seed++) {
    const machine = new Machine(seed);
    const driver = await machine.open();
    // From some moments on, a segment is being made, or a snapshot.
    for (let at = 0; at < seed % 8; at++)
      await machine.ask(driver, put(`key-${at}`, "v".repeat(900)));
    driver.submit(put("last", "v".repeat(1_500)), undefined, () => {});
    await machine.pass(seed % 5);
    machine.kill();
    const second = await machine.open();
    const { revision, count } = await machine.ask(second, { kind: "range", key: utf8("last") });
    const { revision: next } = await machine.ask(second, put("next"));
    read += count;
    machine.crash();
    const third = await machine.open();
    const found = await machine.ask(third, { kind: "range", key: utf8("last") });
    assert.equal(found.count, count, `seed ${seed}: what was read is gone`);
    assert.equal(found.revision, next);
    assert.equal(next, revision + 1);
  }
  assert.ok(read > 10, `in ${read} of 80 the killed process had written it`);
});

test("[DRV-4] a wall clock a day ahead, or two behind, expires nothing; time that goes by does (one simulated node)", async () => {
  const machine = new Machine();
  const driver = await machine.open();
  const { id } = await machine.ask(driver, { kind: "leaseGrant", id: 0n, ttlMs: 60_000 });
  await machine.ask(driver, { ...put("held"), lease: id });
  for (const jumpMs of [DAY_MS, -2 * DAY_MS]) {
    machine.clock.jump(jumpMs);
    await machine.pass(20_000);
    const left = await machine.ask(driver, { kind: "leaseTimeToLive", id, keys: true });
    assert.equal(left.keys.length, 1);
    assert.ok(left.ttlMs > 15_000, `${left.ttlMs} ms are left after 20 s and a jump by ${jumpMs}`);
  }
  assert.deepEqual(driver.status().alarms, ["CLOCK"]);
  await machine.pass(25_000);
  assert.equal((await machine.ask(driver, { kind: "leaseTimeToLive", id })).ttlMs, -1);
  assert.equal((await machine.ask(driver, { kind: "range", key: utf8("held") })).count, 0);
});

test("[DRV-4] a lease outlives a restart by its whole time to live, however long the machine was off", async () => {
  const machine = new Machine();
  const first = await machine.open();
  const { id } = await machine.ask(first, { kind: "leaseGrant", id: 0n, ttlMs: 60_000 });
  machine.crash(DAY_MS / 2);
  const second = await machine.open();
  const left = await machine.ask(second, { kind: "leaseTimeToLive", id });
  assert.ok(left.ttlMs > 59_000, `${left.ttlMs} ms are left`);
  await machine.pass(61_000);
  assert.equal((await machine.ask(second, { kind: "leaseTimeToLive", id })).ttlMs, -1);
});

test("[DRV-5] a start more than a day ahead is refused without consent, and changes nothing (one simulated node)", async () => {
  const machine = new Machine();
  await machine.ask(await machine.open(), put("kept"));
  machine.crash(DAY_MS + 60_000);
  await assert.rejects(machine.open(), (error: unknown) => QuorateError.is(error, "CLOCK_JUMP"));
  const driver = await machine.open({ acceptClockJump: true });
  assert.equal((await machine.ask(driver, { kind: "range", key: utf8("kept") })).count, 1);
});

test("[DRV-6] an idle caller is forgotten after its time, one that is used is not (one simulated node)", async () => {
  const machine = new Machine();
  const driver = await machine.open({ callerIdleMs: 10_000 });
  await machine.ask(driver, { kind: "callerOpen", id: 1n });
  await machine.ask(driver, { kind: "callerOpen", id: 2n });
  for (let sequence = 1; sequence <= 8; sequence++) {
    await machine.pass(3_000);
    await machine.ask(driver, put("used", String(sequence)), {
      id: 2n,
      sequence,
      firstUnacked: sequence,
    });
  }
  const idle = await machine.reply(driver, put("idle"), { id: 1n, sequence: 1, firstUnacked: 1 });
  assert.ok(!idle.ok);
  assert.deepEqual([idle.failure.code, idle.failure.outcome], ["CALLER_UNKNOWN", "indefinite"]);
  assert.equal((await machine.ask(driver, { kind: "range", key: utf8("idle") })).count, 0);
});

test("[DRV-7] history is kept for its time and then compacted; the present is not (one simulated node)", async () => {
  const machine = new Machine();
  const driver = await machine.open({ historyMs: 60_000 });
  const { revision } = await machine.ask(driver, put("key", "old"));
  await machine.pass(30_000);
  const newer = await machine.ask(driver, put("key", "new"));
  const read = (at: number): Promise<Reply> =>
    machine.reply(driver, { kind: "range", key: utf8("key"), revision: at });
  const kept = await read(revision);
  assert.ok(kept.ok && "kvs" in kept.response && kept.response.kvs[0]?.value === "old");
  // What was replaced after the time in question is history of that time: it goes when its successor is old.
  for (let minute = 0; minute < 3; minute++) {
    await machine.ask(driver, put("other"));
    await machine.pass(61_000);
  }
  const gone = await read(revision);
  assert.ok(!gone.ok && gone.failure.code === "COMPACTED");
  const present = await read(newer.revision);
  assert.ok(present.ok && "kvs" in present.response && present.response.kvs[0]?.value === "new");
});

test("[DRV-7] history is kept for its number of revisions, and a tenth more (one simulated node)", async () => {
  const machine = new Machine();
  const driver = await machine.open({ historyMs: Infinity, historyRevisions: 100 });
  for (let at = 0; at < 100; at++) await machine.ask(driver, put("key", String(at)));
  await machine.pass(1_000);
  assert.equal(driver.status().compactRevision, 0);
  for (let at = 0; at < 11; at++) await machine.ask(driver, put("key", String(at)));
  await machine.pass(1_000);
  const { revision, compactRevision } = driver.status();
  assert.equal(revision - compactRevision, 100);
});

test("[DRV-7] a restart does not make history any younger, from a snapshot or from the log (one simulated node)", async () => {
  for (const clean of [true, false]) {
    const machine = new Machine();
    const first = await machine.open({ historyMs: 60_000 });
    const { revision } = await machine.ask(first, put("key", "oldest"));
    await machine.pass(30_000);
    await machine.ask(first, put("key", "older"));
    await machine.pass(20_000);
    await machine.ask(first, put("key", "new"));
    if (clean) await machine.until(first.close());
    machine.crash();
    const again = await machine.open({ historyMs: 60_000 });
    const read: Request = { kind: "range", key: utf8("key"), revision };
    assert.ok((await machine.reply(again, read)).ok);
    // The second version is more than a minute old in the end, and was followed before a minute ago.
    await machine.pass(65_000);
    await machine.ask(again, put("other"));
    await machine.pass(1_000);
    const gone = await machine.reply(again, read);
    assert.ok(
      !gone.ok && gone.failure.code === "COMPACTED",
      clean ? "from a snapshot" : "from the log",
    );
  }
});

test("[DRV-8] closing answers what is in flight, refuses what comes, and leaves a snapshot (one simulated node)", async () => {
  const machine = new Machine();
  const driver = await machine.open();
  let acknowledged = 0;
  for (let at = 0; at < 20; at++)
    driver.submit(put(`key-${at}`), undefined, (reply) => void (acknowledged += reply.ok ? 1 : 0));
  const closing = driver.close();
  const late = await machine.reply(driver, put("late"));
  assert.ok(!late.ok);
  assert.deepEqual([late.failure.code, late.failure.outcome], ["SHUTDOWN", "definite"]);
  await machine.until(closing);
  assert.equal(driver.close(), closing);
  assert.equal(acknowledged, 20);
  machine.crash();
  assert.equal(
    snapshotNames(await machine.until(machine.disk.mount(machine.clock).list())).length,
    1,
  );
  const again = await machine.open();
  assert.equal(
    (await machine.ask(again, { kind: "range", key: utf8("key-"), end: utf8("key.") })).count,
    20,
  );
});

/** What a key of three bytes costs with its value of four, when it has no history. */
const ONE_VERSION_BYTES = 3 + 4 + VERSION_OVERHEAD_BYTES;

test("[DRV-12] a physical compaction is answered when nothing is left, though a snapshot held it back (one simulated node)", async () => {
  const machine = new Machine();
  const driver = await machine.open({ snapshotLogBytes: 2 * SEGMENT_BYTES });
  let heldBack = 0;
  for (let at = 0; at < 100; at++) {
    const before = await machine.ask(driver, put("key", "once"));
    const { revision } = await machine.ask(driver, put("key", "more"));
    // One that is not physical is answered at once: what is left then is what something holds back.
    await machine.ask(driver, { kind: "compact", revision: before.revision });
    if (driver.status().bytes > 2 * ONE_VERSION_BYTES) heldBack++;
    await machine.ask(driver, { kind: "compact", revision, physical: true });
    assert.equal(driver.status().bytes, ONE_VERSION_BYTES);
  }
  assert.ok(heldBack > 0, "no snapshot was being written at any compaction");
});

test("[DRV-12] closing waits for physical compactions that a snapshot holds back (one simulated node)", async () => {
  const machine = new Machine();
  const driver = await machine.open();
  const { revision } = await machine.ask(driver, put("key"));
  const compacting = machine.ask(driver, { kind: "compact", revision, physical: true });
  const closing = driver.close();
  await machine.until(compacting);
  await machine.until(closing);
});

test("[STEP-11] reading a log back gives way after every 64 KiB (one simulated disk)", async () => {
  const machine = new Machine();
  const disk = machine.disk.mount(machine.clock);
  const shape = { disk, logId: 7, segmentBytes: 1 << 20 };
  const entry = new Uint8Array(3_000).fill(1);
  const giveWay = (): Promise<void> => new Promise((resolve) => machine.clock.soon(resolve));
  const { log } = await machine.until(Log.open({ ...shape, giveWay }, () => 0));
  const entries = 200;
  for (let at = 1; at <= entries; at++) await machine.until(log.append(entry, at));
  await machine.until(log.close());
  let between = 0;
  let most = 0;
  let ways = 0;
  const counting = (): Promise<void> => {
    between = 0;
    ways++;
    return giveWay();
  };
  let index = 0;
  const read = (bytes: Uint8Array): number => {
    between += bytes.length;
    most = Math.max(most, between);
    return ++index;
  };
  const again = await machine.until(Log.open({ ...shape, giveWay: counting }, read));
  await machine.until(again.log.close());
  assert.equal(again.report.batches, entries);
  assert.ok(most <= (64 << 10) + entry.length, `${most} bytes were read back in one task`);
  assert.ok(ways >= (entries * entry.length) >> 16, `it gave way ${ways} times`);
});

test("[LOG-5] what is longer than the short first segment goes to the next and is read back from there (one simulated node)", async () => {
  const segmentBytes = 4 << 20;
  for (const before of [0, 3]) {
    const machine = new Machine();
    const first = await machine.open({ segmentBytes });
    const file = await machine.until(
      machine.disk.mount(machine.clock).open(segmentName(1), { mode: "read" }),
    );
    assert.equal(await machine.until(file.size()), 1 << 20);
    for (let at = 0; at < before; at++) await machine.ask(first, put(`key-${at}`));
    const value = utf8("v".repeat(5 << 18));
    await machine.ask(first, { kind: "put", key: utf8("long"), value });
    machine.crash();
    const again = await machine.open({ segmentBytes });
    const { kvs } = await machine.ask(again, { kind: "range", key: utf8("long") });
    assert.equal(kvs[0]?.value, value);
    await machine.ask(again, put("after"));
    await machine.until(again.close());
  }
});

test("[LOG-6] trimming never leaves a log without a batch, whenever power is lost (one simulated disk)", async () => {
  const shape = { logId: 7, segmentBytes: 4 * 512, giveWay: () => Promise.resolve() };
  let emptied = 0;
  for (let round = 0; round < 200; round++) {
    const machine = new Machine(round);
    const { log } = await machine.until(
      Log.open({ ...shape, disk: machine.disk.mount(machine.clock) }, () => 0),
    );
    for (let at = 1; at <= 4; at++) await machine.until(log.append(new Uint8Array(9), at));
    // The fifth does not fit the first segment.
    log.append(new Uint8Array(9), 5).catch(assert.fail);
    await machine.pass(round % 8);
    log.trim(9).catch(assert.fail);
    await machine.pass(round % 5);
    machine.crash();
    const disk = machine.disk.mount(machine.clock);
    const again = await machine.until(Log.open({ ...shape, disk }, () => 0));
    if (again.report.batches === 0) emptied++;
  }
  assert.equal(emptied, 0);
});

/** A directory with a snapshot, a log behind it, and nothing running. */
async function used(): Promise<Machine> {
  const machine = new Machine();
  const driver = await machine.open({ snapshotLogBytes: 2 * SEGMENT_BYTES });
  for (let at = 0; at < 60; at++) await machine.ask(driver, put(`key-${at}`));
  await machine.pass(1_000);
  for (let at = 0; at < 8; at++) await machine.ask(driver, put(`late-${at}`));
  // Whatever the writes set going has come to its end.
  await machine.pass(1_000);
  machine.crash();
  return machine;
}

async function refusal(machine: Machine): Promise<QuorateError> {
  try {
    await machine.open();
  } catch (error) {
    if (QuorateError.is(error)) return error as QuorateError;
    throw error;
  }
  throw new Error("it was opened");
}

test("[LOG-2] a damaged snapshot, a missing one, a gap in the log and a lost identity are refused (one simulated node)", async () => {
  const remove =
    (...gone: readonly string[]) =>
    async (machine: Machine): Promise<void> => {
      const disk = machine.disk.mount(machine.clock);
      for (const name of gone) await machine.until(disk.remove(name));
      await machine.until(disk.syncDirectory());
    };
  const machine = await used();
  const names = await machine.until(machine.disk.mount(machine.clock).list());
  const snapshot = snapshotNames(names)[0] ?? "";
  const numbers = segmentNumbers(names);
  const middle = segmentName(numbers[1] ?? 0);
  const spoil =
    (offset: number) =>
    (each: Machine): void => {
      each.disk.damage(snapshot, (bytes) => {
        bytes[offset] = (bytes[offset] ?? 0) ^ 0x10;
      });
    };
  const cases: readonly (readonly [string, (each: Machine) => void | Promise<void>, RegExp])[] = [
    ["a flipped bit in the snapshot", spoil(60), /snapshot/],
    ["a flipped bit in its first length", spoil(1), /snapshot/],
    ["no snapshot", remove(...snapshotNames(names)), /log/],
    ["a segment less", remove(middle), /log/],
    ["no identity", remove("identity.json"), /directory/],
  ];
  for (const [what, harm, object] of cases) {
    const harmed = await used();
    await harm(harmed);
    const error = await refusal(harmed);
    assert.equal(error.code, "DAMAGED", what);
    assert.match(error.object, object, what);
    assert.notEqual(error.failure.remedy, "");
  }
});

test("[FMT-1] an identity of a later or an earlier format is refused, naming both (one simulated node)", async () => {
  for (const format of ["4", "1"]) {
    const machine = await used();
    machine.disk.damage("identity.json", (bytes) => {
      const at = Buffer.from(bytes).indexOf('"format": 3') + '"format": '.length;
      bytes[at] = format.charCodeAt(0);
    });
    const error = await refusal(machine);
    assert.equal(error.code, "LAYOUT");
    assert.match(error.failure.what, new RegExp(`format ${format}.*formats 2 to 3`));
  }
});

test("[FMT-2] a directory of the format before is opened and raised, also when power is lost meanwhile; then the version before refuses it (one simulated node)", async () => {
  const before = { oldest: FORMATS.newest - 1, newest: FORMATS.newest - 1 };
  const isRaised = ({ disk }: Machine): boolean =>
    Buffer.from(disk.stable("identity.json")).toString().includes(`"format": ${FORMATS.newest}`);
  for (const passedMs of [50, 100, 103, 110, 150, 1_000]) {
    const machine = new Machine();
    const old = await machine.open({ formats: before });
    await machine.ask(old, put("a"));
    assert.ok(!isRaised(machine));
    machine.crash();
    const driver = await machine.open();
    await machine.ask(driver, put("b"));
    await machine.pass(passedMs);
    machine.crash();
    const again = await machine.open();
    assert.equal(again.status().keys, 2, `lost power after ${passedMs} ms`);
    await machine.pass(1_000);
    assert.ok(isRaised(machine));
    assert.equal(again.standing().format, FORMATS.newest);
    machine.crash();
    await assert.rejects(machine.open({ formats: before }), (error) =>
      QuorateError.is(error, "LAYOUT"),
    );
  }
});
