/** What a damaged log still tells of itself. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteWriter } from "../base/codec.ts";
import { encodeBatch, SECTOR_BYTES } from "./log-format.ts";
import { encodeRecord } from "./log-record.ts";
import type { Surveyed } from "./log-survey.ts";
import { LogSurvey } from "./log-survey.ts";

const PLACE = { logId: 7, segment: 1 };
const SECTORS = 16;

/** A segment of one record for each of `lengths`, of an entry with that much data, and where each begins. */
function segmentOf(lengths: readonly number[]): readonly [Uint8Array, readonly number[]] {
  const bytes = new Uint8Array(SECTORS * SECTOR_BYTES);
  const begins: number[] = [];
  let [sector, checksum] = [0, 0];
  for (const [at, length] of lengths.entries()) {
    const writer = new ByteWriter(SECTORS * SECTOR_BYTES);
    encodeRecord(writer, {
      hardState: { term: 2, vote: 3 },
      commit: at,
      install: undefined,
      entries: [{ index: at + 1, term: 2, kind: "data", data: new Uint8Array(length).fill(1) }],
    });
    const batch = encodeBatch(writer.take(), at + 1, checksum, PLACE, sector);
    bytes.set(batch.sectors, sector * SECTOR_BYTES);
    begins.push(sector);
    ({ checksum } = batch);
    sector += batch.sectors.length / SECTOR_BYTES;
  }
  return [bytes, begins];
}

function surveyed(bytes: Uint8Array): Surveyed | undefined {
  const survey = new LogSurvey();
  survey.segment(bytes, PLACE, true);
  return survey.result();
}

test("[REP-14] a damaged log tells term, vote and its end, whichever sectors of a torn last batch have reached the disk", () => {
  for (const missing of [[], [0], [1], [2], [0, 1], [1, 2], [0, 2], [0, 1, 2]]) {
    const [bytes, begins] = segmentOf([10, 10, 10, 1_200]);
    const last = begins[3] ?? 0;
    bytes.fill(0x55, 40, 60);
    for (const sector of missing)
      bytes.fill(0, (last + sector) * SECTOR_BYTES, (last + sector + 1) * SECTOR_BYTES);
    const end = { index: missing.length === 0 ? 4 : 3, term: 2 };
    const found = surveyed(bytes);
    assert.deepEqual(found?.hardState, { term: 2, vote: 3 }, `without ${missing.join()}`);
    assert.deepEqual(found?.end, end, `without ${missing.join()}`);
  }
});

test("[REP-23] a log whose last batch is damaged tells nothing", () => {
  const [bytes, begins] = segmentOf([10, 10, 10, 1_200]);
  for (const sector of [0, 1, 2]) {
    const damaged = bytes.slice();
    const at = ((begins[3] ?? 0) + sector) * SECTOR_BYTES;
    damaged.fill(0x55, at + 40, at + 60);
    assert.equal(surveyed(damaged), undefined);
  }
});
