/**
 * The decoders of what lies on the disk, given bytes that are nearly right: they refuse or read, and do either quickly.
 *
 * Structure-aware: sectors keep valid checksums while their contents are changed, so the fuzz gets past them.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Bytes } from "../../src/base/bytes.ts";
import { utf8 } from "../../src/base/bytes.ts";
import { ByteWriter, Malformed } from "../../src/base/codec.ts";
import { crc32cOf } from "../../src/base/crc32c.ts";
import type { Prng } from "../../src/base/prng.ts";
import { snapshotFrames, addFrames } from "../../src/driver/snapshot-files.ts";
import { Base } from "../../src/keyspace/base.ts";
import type { Change, Effects, Entry, MetaChange } from "../../src/keyspace/effects.ts";
import { decodeEntry, encodeEntry } from "../../src/keyspace/entry-codec.ts";
import { Importer } from "../../src/keyspace/snapshot/import.ts";
import type { Place, Position } from "../../src/replica/log-format.ts";
import { encodeBatch, readBatch, SECTOR_BYTES } from "../../src/replica/log-format.ts";
import { fuzz, INPUTS, mutate, WHOLE } from "./inputs.ts";

const SECTORS = 8;
const PLACE: Place = { logId: 0xabcdef, segment: 3 };
function someEffects(random: Prng): Effects {
  const key = `k${random.below(9)}` as Bytes;
  const id = BigInt(random.u32()) - BigInt(random.u32());
  const put: Change = {
    kind: "put",
    key,
    value: "v".repeat(random.below(90)) as Bytes,
    lease: random.chance(1, 2) ? 0n : id,
  };
  const changes: readonly Change[] = [put, { kind: "delete", key }].slice(
    random.below(3),
  ) as Change[];
  const reply = {
    ok: true,
    response: { revision: random.below(99), result: utf8('{"list":[1,"two",null]}') },
  } as const;
  const meta: readonly MetaChange[] = [
    { kind: "leaseGranted", id, ttlMs: random.below(9_999) },
    { kind: "callerOpened", id },
    { kind: "replied", id, sequence: 1, firstUnacked: 1, request: "run", reply },
    { kind: "compacted", revision: random.below(99) },
    { kind: "alarmed", alarm: "NOSPACE", on: true },
  ];
  return { revision: random.below(999), changes, meta: meta.slice(random.below(6)) };
}

function someEntry(random: Prng): Uint8Array {
  const transactions = Array.from({ length: random.below(4) }, () => someEffects(random));
  const entry: Entry = {
    index: random.u32(),
    term: random.below(99),
    time: random.u32(),
    transactions,
  };
  const writer = new ByteWriter();
  encodeEntry(writer, entry);
  return writer.take();
}

test(`[LOG-4] ${INPUTS} damaged entries are read or refused as malformed`, () => {
  const { accepted } = fuzz((random) => {
    const array = someEntry(random);
    const longer = random.chance(1, 8) ? Uint8Array.of(...array, ...array) : array;
    mutate(random, longer);
    decodeEntry(longer, 0, random.chance(1, 8) ? random.below(longer.length + 1) : longer.length);
    return true;
  });
  if (WHOLE)
    assert.ok(
      accepted > INPUTS / 20 && accepted < INPUTS,
      `${accepted} accepted: too tame or too wild`,
    );
});

/** Gives a sector whose contents were changed the checksum that goes with them. */
function reseal(segment: Uint8Array, sector: number): void {
  const at = sector * SECTOR_BYTES;
  const seed =
    (PLACE.logId ^ Math.imul(PLACE.segment + 1, 0x9e3779b1) ^ Math.imul(sector + 1, 0x85ebca6b)) >>>
    0;
  const head = crc32cOf(segment, at, at + 8, seed);
  new DataView(segment.buffer).setUint32(
    at + 8,
    crc32cOf(segment, at + 12, at + SECTOR_BYTES, head),
  );
}

function someSegment(random: Prng): Uint8Array {
  const segment = new Uint8Array(SECTORS * SECTOR_BYTES);
  let sector = 0;
  let checksum = 0;
  for (let number = 1; number <= 4; number++) {
    const entry = new Uint8Array(random.below(1_100)).fill(number);
    const batch = encodeBatch(entry, number, checksum, PLACE, sector);
    if (sector * SECTOR_BYTES + batch.sectors.length > segment.length) break;
    segment.set(batch.sectors, sector * SECTOR_BYTES);
    sector += batch.sectors.length / SECTOR_BYTES;
    checksum = batch.checksum;
  }
  return segment;
}

/** What a power cut leaves: some sectors at the end of what was written never arrived. */
function tear(random: Prng, segment: Uint8Array): void {
  let last = SECTORS - 1;
  while (last > 0 && segment[last * SECTOR_BYTES + 3] === 0) last--;
  for (let sector = Math.max(0, last - random.below(3)); sector <= last; sector++) {
    if (random.chance(1, 2)) segment.fill(0, sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
  }
}

function mutateSegment(random: Prng, segment: Uint8Array): void {
  if (random.chance(1, 4)) tear(random, segment);
  if (random.chance(1, 8)) return;
  for (let left = 1 + random.below(3); left > 0; left--) {
    const sector = random.below(SECTORS);
    const at = sector * SECTOR_BYTES;
    const array = segment.subarray(at, at + SECTOR_BYTES);
    const way = random.below(16);
    if (way < 4) array.fill(0);
    else if (way < 7)
      segment.copyWithin(at, random.below(SECTORS) * SECTOR_BYTES, at + SECTOR_BYTES);
    // The header and the start of the payload are where lengths stand.
    else mutate(random, random.chance(1, 2) ? array.subarray(0, 24) : array);
    if (random.chance(3, 4)) reseal(segment, sector);
  }
}

test(`[LOG-4] ${INPUTS} damaged segments are read, cut or refused with a place inside them`, () => {
  const seen = { batch: 0, end: 0, torn: 0, damage: 0 };
  fuzz((random) => {
    const segment = someSegment(random);
    mutateSegment(random, segment);
    let position: Position = {
      nextNumber: random.chance(1, 4) ? undefined : 1,
      checksum: random.chance(1, 4) ? undefined : 0,
    };
    for (let sector = 0, reads = 0; ; reads++) {
      assert.ok(reads <= SECTORS, "reading a segment comes to an end");
      const found = readBatch(segment, sector, PLACE, position);
      seen[found.kind]++;
      if (found.kind === "damage")
        assert.ok(found.sector >= 0 && found.sector < SECTORS && found.what !== "");
      if (found.kind === "torn")
        assert.ok(found.from === sector && found.to > sector && found.to <= SECTORS);
      if (found.kind !== "batch") return found.kind === "end";
      assert.ok(found.batch.sectors >= 1);
      sector += found.batch.sectors;
      position = { nextNumber: found.batch.number + 1, checksum: found.batch.checksum };
    }
  });
  if (!WHOLE) return;
  for (const [kind, times] of Object.entries(seen))
    assert.ok(times > INPUTS / 100, `${kind} was seen ${times} times`);
});

function someSnapshot(random: Prng): Uint8Array {
  const base = new Base();
  for (let index = 1; index < 5; index++) {
    const put: Change = {
      kind: "put",
      key: `k${random.below(3)}` as Bytes,
      value: "v" as Bytes,
      lease: 0n,
    };
    const meta: MetaChange[] = index === 1 ? [{ kind: "leaseGranted", id: 5n, ttlMs: 9_000 }] : [];
    base.apply(
      {
        index,
        term: 1,
        time: index,
        transactions: [{ revision: base.revision + 1, changes: [put], meta }],
      },
      0,
    );
  }
  const writer = new ByteWriter();
  for (const frame of snapshotFrames(base)) writer.array(frame);
  return writer.take();
}

/** Gives every frame that still has its bounds the checksum of what is in it. */
function resealFrames(array: Uint8Array): void {
  const view = new DataView(array.buffer, array.byteOffset, array.length);
  for (let at = 0; at + 8 <= array.length;) {
    const end = at + 8 + view.getUint32(at);
    if (end > array.length) return;
    view.setUint32(at + 4, crc32cOf(array, at + 8, end));
    at = end;
  }
}

test(`[LOG-4] ${INPUTS} damaged snapshots are read or refused as malformed`, () => {
  fuzz((random) => {
    const array = someSnapshot(random);
    mutate(random, array);
    if (random.chance(7, 8)) resealFrames(array);
    const importer = new Importer();
    if (addFrames(importer, array) !== array.length) throw new Malformed("it ends inside a record");
    importer.take();
    return true;
  });
});
