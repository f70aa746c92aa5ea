/**
 * What a damaged log still tells of itself: term and vote, and where it ended. Of the entries in it nothing is taken.
 *
 * Invariants: I1 nothing is said unless the last batch of the log is whole: it says the term and the vote. I2 the end that
 * is told is at or after the true one, in the order by which votes are given: where the term of the last entry is lost, that
 * of the member is told, which is no earlier.
 * Source: Alagappan et al., "Protocol-Aware Recovery" (FAST 2018): a log is repaired from others, and until then its
 * member must not be taken for one that never had it.
 */
import { decodeConfiguration } from "../protocols/agreement/raft/configuration.ts";
import type { Configuration, HardState } from "../protocols/agreement/raft/messages.ts";
import type { Place as SegmentPlace } from "./log-format.ts";
import { readBatch, readSector, SECTOR_BYTES, stampOf } from "./log-format.ts";
import type { LogRecord, Place } from "./log-record.ts";
import { decodeRecord } from "./log-record.ts";

export interface Surveyed {
  readonly hardState: HardState;
  /** Where the log ended. */
  readonly end: Place;
  /** The newest that can be read in it. */
  readonly config: Configuration | undefined;
}

/** Batches are taken as they come: what is missing between them shows in their numbers. */
const ANYWHERE = { nextNumber: undefined, checksum: undefined };

export class LogSurvey {
  #hardState: HardState | undefined;
  /** Undefined while something between is lost that may have changed it. */
  #end: Place | undefined;
  #configs: { readonly index: number; readonly config: Configuration }[] = [];
  #stamp: number | undefined;
  /** Nothing but whole batches since the last whole one. */
  #isSound = false;

  /** Takes the next segment; `isWhole`: its file has the length that it was made with. Throws `Malformed`. */
  segment(bytes: Uint8Array, place: SegmentPlace, isWhole: boolean): void {
    const sectors = bytes.length / SECTOR_BYTES;
    for (let sector = 0; sector < sectors;) {
      // After a whole batch zeros may be the beginning of a torn one.
      if (!this.#isSound && readSector(bytes, sector, place).kind === "zero") {
        sector++;
        continue;
      }
      const found = readBatch(bytes, sector, place, ANYWHERE);
      if (found.kind === "batch") {
        this.#batch(found.batch.number, decodeRecord(found.batch.entry));
        sector += found.batch.sectors;
      } else if (found.kind === "end" || (found.kind === "torn" && this.#isSound)) break;
      else {
        this.#isSound = false;
        sector++;
      }
    }
    if (!isWhole) this.#isSound = false;
  }

  #batch(stamp: number, record: LogRecord): void {
    const { hardState, install, entries, end } = record;
    if (this.#stamp === undefined || stamp !== stampOf(this.#stamp + 1)) this.#end = undefined;
    this.#stamp = stamp;
    this.#isSound = true;
    this.#hardState = hardState;
    if (install !== undefined) this.#end = install;
    const [first, last] = [entries[0], entries.at(-1)];
    if (first !== undefined) this.#cut(first.index);
    for (const { index, kind, data } of entries)
      if (kind === "config") this.#configs.push({ index, config: decodeConfiguration(data) });
    if (last !== undefined) this.#end = { index: last.index, term: last.term };
    else if (end !== undefined) this.#end ??= { index: end, term: hardState.term };
  }

  #cut(index: number): void {
    this.#configs = this.#configs.filter((each) => each.index < index);
  }

  /** Undefined: it cannot be told. */
  result(): Surveyed | undefined {
    if (!this.#isSound || this.#hardState === undefined || this.#end === undefined)
      return undefined;
    return { hardState: this.#hardState, end: this.#end, config: this.#configs.at(-1)?.config };
  }
}
