/** What a driver does by itself and at its edges: group commit, expiry, history, closing, directories that do not fit. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../../src/base/bytes.ts";
import { QuorateError } from "../../src/base/errors.ts";
import { prng } from "../../src/base/prng.ts";
import { procedureSet } from "../../src/contract/procedure.ts";
import type { CallerStamp, Reply, Request, ResponseOf } from "../../src/contract/requests.ts";
import type { DriverOptions } from "../../src/driver/driver.ts";
import { openDriver } from "../../src/driver/driver.ts";
import type { Driver } from "../../src/driver/face.ts";
import { segmentName, segmentNumbers } from "../../src/driver/log.ts";
import { snapshotNames } from "../../src/driver/snapshot-files.ts";
import type { Meter } from "../../src/ports/meter.ts";
import { silentMeter } from "../../src/ports/meter.ts";
import { SimClock } from "../../src/verify/sim-clock.ts";
import { SimDisk } from "../../src/verify/sim-disk.ts";

const DAY_MS = 24 * 3_600_000;
const SEGMENT_BYTES = 16 * 512;

/** One simulated machine: its disk, its clock and whatever runs on it now. */
class Machine {
  readonly disk: SimDisk = new SimDisk({ random: prng(3) });
  clock: SimClock = new SimClock();

  open(options: Partial<DriverOptions> = {}): Promise<Driver> {
    const random = prng(4);
    return this.until(
      openDriver({
        disk: this.disk.mount(this.clock),
        clock: this.clock,
        entropy: random,
        procedures: procedureSet([]),
        label: "node",
        segmentBytes: SEGMENT_BYTES,
        ...options,
      }),
    );
  }

  /** Lets the machine run until `work` is settled. */
  async until<T>(work: Promise<T>): Promise<T> {
    let settled = false;
    const done = (): void => {
      settled = true;
    };
    work.then(done, done);
    while (!settled) {
      for (let turn = 0; turn < 12; turn++) await Promise.resolve();
      if (!settled) assert.ok(this.clock.step(), "nothing is left that could go on");
    }
    return work;
  }

  /** Lets `ms` go by. */
  async pass(ms: number): Promise<void> {
    const until = this.clock.monotonicMs() + ms;
    do for (let turn = 0; turn < 12; turn++) await Promise.resolve();
    while (this.clock.step(until));
  }

  reply(driver: Driver, request: Request, caller?: CallerStamp): Promise<Reply> {
    return this.until(new Promise((resolve) => driver.submit(request, caller, resolve)));
  }

  async ask<R extends Request>(
    driver: Driver,
    request: R,
    caller?: CallerStamp,
  ): Promise<ResponseOf[R["kind"]]> {
    const reply = await this.reply(driver, request, caller);
    if (!reply.ok) throw new QuorateError(reply.failure);
    return reply.response as ResponseOf[R["kind"]];
  }

  /** Power is lost; the machine is `offMs` without it, by its wall clock. */
  crash(offMs = 0): void {
    this.disk.crash();
    const now = this.clock.monotonicMs() + 1;
    this.clock = new SimClock(now, this.clock.wallMs() + 1 + offMs);
  }
}

function put(key: string, value = "x"): Request & { readonly kind: "put" } {
  return { kind: "put", key: utf8(key), value: utf8(value) };
}

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

/** A directory with a snapshot, a log behind it, and nothing running. */
async function used(): Promise<Machine> {
  const machine = new Machine();
  const driver = await machine.open({ snapshotLogBytes: 2 * SEGMENT_BYTES });
  for (let at = 0; at < 60; at++) await machine.ask(driver, put(`key-${at}`));
  await machine.pass(1_000);
  for (let at = 0; at < 20; at++) await machine.ask(driver, put(`late-${at}`));
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
    (name: string) =>
    async (machine: Machine): Promise<void> => {
      const disk = machine.disk.mount(machine.clock);
      await machine.until(disk.remove(name).then(() => disk.syncDirectory()));
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
    ["no snapshot", remove(snapshot), /log/],
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

test("[LOG-2] an identity of a newer format is refused by name (one simulated node)", async () => {
  const machine = await used();
  machine.disk.damage("identity.json", (bytes) => {
    const at = Buffer.from(bytes).indexOf('"format": 1') + '"format": '.length;
    bytes[at] = "2".charCodeAt(0);
  });
  assert.equal((await refusal(machine)).code, "LAYOUT");
});
