/** What a member makes of a snapshot and the records after it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteWriter, Malformed } from "../base/codec.ts";
import { Base } from "../keyspace/base.ts";
import { encodeEntry } from "../keyspace/entry-codec.ts";
import { encodeConfiguration } from "../protocols/agreement/raft/configuration.ts";
import type { Configuration, Entry } from "../protocols/agreement/raft/messages.ts";
import { startRaft } from "../protocols/agreement/raft/raft.ts";
import type { LogRecord } from "./log-record.ts";
import { decodeRecord, encodeRecord } from "./log-record.ts";
import { Contradiction, Recovery } from "./recovery.ts";

const THREE: Configuration = { voters: [1, 2, 3], outgoing: [], learners: [] };
const ALONE: Configuration = { voters: [1], outgoing: [], learners: [] };

function data(index: number, term: number): Entry {
  const writer = new ByteWriter();
  encodeEntry(writer, { time: 1_000 + index, transactions: [] });
  return { index, term, kind: "data", data: writer.take() };
}
function config(index: number, term: number, members = THREE): Entry {
  return { index, term, kind: "config", data: encodeConfiguration(members) };
}
/** Entries from `first` on, of these terms. */
function run(first: number, ...terms: readonly number[]): readonly Entry[] {
  return terms.map((term, at) => data(first + at, term));
}
function record(
  entries: readonly Entry[],
  commit: number,
  extra: Partial<LogRecord> = {},
): LogRecord {
  const term = entries.at(-1)?.term ?? 9;
  return { hardState: { term, vote: 2 }, commit, install: undefined, entries, ...extra };
}
/** A state that was read from a snapshot at `index`. */
function state(index: number, term: number, membership = THREE): Base {
  const base = new Base();
  base.members.configure(membership);
  for (let at = 1; at <= index; at++)
    base.apply({ index: at, term: at === index ? term : 1, time: 0, transactions: [] }, 0);
  return base;
}
function recovered(
  base: Base,
  records: readonly LogRecord[],
  tail = 1 << 20,
): ReturnType<Recovery["end"]> & { base: Base; last: number } {
  const recovery = new Recovery(base, 1, tail);
  for (const each of records) recovery.add(each);
  const found = recovery.end();
  const { log } = startRaft({ id: 1, random: () => 0 }, found.durable);
  return { ...found, base, last: log.last };
}

test("[REC-1] what is committed is applied, what is not stays an entry that a later record replaces", () => {
  const records = [record(run(1, 1, 1, 1), 1), record(run(3, 2), 2), record([], 2)];
  const { base, durable, last, install } = recovered(new Base(), records);
  assert.deepEqual([base.appliedIndex, last, install], [2, 3, undefined]);
  assert.deepEqual(
    durable.entries.map(({ index, term }) => [index, term]),
    [
      [1, 1],
      [2, 1],
      [3, 2],
    ],
  );
  assert.deepEqual(durable.hardState, { term: 9, vote: 2 });
});

test("[REC-2] who decides alone has committed whatever it has written, and keeps none of it", () => {
  const { base, durable, last } = recovered(state(2, 1, ALONE), [record(run(3, 1, 1, 2), 2)]);
  assert.deepEqual([base.appliedIndex, last, durable.entries.length], [5, 5, 0]);
  assert.deepEqual(durable.snapshot, { index: 5, term: 2, source: 1, config: ALONE });
});

test("[REC-3] the configuration in force is the newest in the log, and goes with the entry that brought it", () => {
  const base = state(1, 1, ALONE);
  const grown = { voters: [1], outgoing: [], learners: [2] };
  const both = { voters: [1, 2], outgoing: [], learners: [] };
  const cut = [record([config(2, 1, grown), data(3, 1), config(4, 1, both), data(5, 1)], 1)];
  const { base: found } = recovered(base, cut);
  assert.equal(found.appliedIndex, 1, "with two voters its own disk is no majority");
  const again = recovered(state(1, 1, ALONE), [...cut, record(run(4, 2), 1)]);
  assert.equal(again.base.appliedIndex, 4, "the change was replaced: it decides alone");
});

test("[REC-4] a log that does not hold the snapshot's last entry does not count, and the next record says so", () => {
  const other = recovered(state(3, 5), [
    record(run(1, 1, 1, 1, 1, 1), 1, { hardState: { term: 1, vote: 3 } }),
  ]);
  assert.deepEqual([other.base.appliedIndex, other.last], [3, 3]);
  assert.deepEqual(other.install, { index: 3, term: 5 });
  assert.deepEqual(other.durable.hardState, { term: 5, vote: 0 });
  const shorter = recovered(state(3, 5), [record(run(1, 1), 1)]);
  assert.deepEqual(shorter.install, { index: 3, term: 5 });
  const same = recovered(state(3, 5), [record(run(1, 1, 1, 5, 5), 3)]);
  assert.deepEqual([same.last, same.install], [4, undefined]);
});

test("[REC-4] once it has been said, what follows counts again, also when it is read with a later snapshot", () => {
  const records = [
    record(run(1, 1, 1, 1, 1, 1), 1),
    record(run(4, 5), 3, { install: { index: 3, term: 5 } }),
    record(run(5, 5, 5), 5),
  ];
  const { base, last } = recovered(state(3, 5), records);
  assert.deepEqual([base.appliedIndex, last], [5, 6]);
  const later = recovered(state(5, 5), records);
  assert.deepEqual([later.base.appliedIndex, later.last, later.install], [5, 6, undefined]);
});

test("[REC-5] gaps, terms that go back, replaced commitments and missing snapshots are contradictions", () => {
  const wrong: readonly (readonly LogRecord[])[] = [
    [record(run(3, 1), 0)],
    [record(run(1, 1), 0), record(run(3, 1), 0)],
    [record(run(1, 4), 0), record(run(2, 3), 0)],
    [record(run(1, 1, 1), 2), record(run(2, 2), 2)],
    [record([], 0, { install: { index: 7, term: 1 } })],
  ];
  for (const records of wrong) assert.throws(() => recovered(new Base(), records), Contradiction);
});

test("[REC-6] a bounded end of what is applied stays, with the configuration before it", () => {
  const entries = [
    ...run(2, 1, 1, 1),
    config(5, 1, { ...THREE, learners: [4] }),
    ...run(6, 1, 1, 1, 1, 1, 1),
  ];
  const { durable } = recovered(state(1, 1), [record(entries, 11)], 60);
  assert.ok(durable.entries.length < 6 && durable.entries.length > 0);
  assert.deepEqual(durable.snapshot.config, { ...THREE, learners: [4] });
  assert.equal(durable.applied, 11);
  assert.equal(durable.entries.at(-1)?.index, 11);
});

test("[REC-7] a record is read back as it was written; every prefix of it, and one with bytes after it, is malformed", () => {
  const written = record(
    [...run(7, 1, 2), config(9, 2), { index: 10, term: 3, kind: "noop", data: new Uint8Array(0) }],
    8,
    {
      install: { index: 6, term: 1 },
    },
  );
  const writer = new ByteWriter();
  encodeRecord(writer, written);
  const bytes = writer.take();
  assert.deepEqual(decodeRecord(bytes), written);
  for (let length = 0; length < bytes.length; length++)
    assert.throws(() => decodeRecord(bytes.subarray(0, length)), Malformed);
  assert.throws(() => decodeRecord(Uint8Array.of(...bytes, 0)), Malformed);
});
