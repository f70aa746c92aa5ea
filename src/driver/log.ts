/**
 * The log on a disk: appends batches to pre-zeroed segments, one write in flight, and reads them back at start.
 *
 * Invariants: I1 a batch whose `append` resolved is on stable storage. I2 after a failed write nothing more is written;
 * a failed flush is never tried again. I3 the next segment exists before it is needed.
 * Cost: one write of whole sectors to a file opened durable per batch. Leaves out: what an entry means.
 */
import { assert } from "../base/assert.ts";
import { fail } from "../base/errors.ts";
import type { Disk, DiskFile } from "../ports/disk.ts";
import type { Place, Position } from "../replica/log-format.ts";
import { encodeBatch, isZero, readBatch, SECTOR_BYTES, sectorsFor } from "../replica/log-format.ts";

const SEGMENT_NAME = /^log-(\d{10})\.seg$/;
/** How much is read at once. */
const CHUNK_BYTES: number = 4 << 20;
/**
 * How much of a coming segment is zeroed at once. More would stand in the way of the writes that answers wait for: with
 * all of a segment flushed in one, 256 writers got a third less through. Less costs more flushes.
 */
const ZEROES_BYTES: number = 512 << 10;

export function segmentName(number: number): string {
  return `log-${String(number).padStart(10, "0")}.seg`;
}

/** The segments that a directory holds, in order. */
export function segmentNumbers(names: readonly string[]): readonly number[] {
  return names
    .flatMap((name) => (SEGMENT_NAME.test(name) ? [Number(name.slice(4, 14))] : []))
    .sort((a, b) => a - b);
}

interface Segment {
  readonly number: number;
  readonly file: DiskFile;
}

export interface LogOptions {
  readonly disk: Disk;
  readonly logId: number;
  readonly segmentBytes: number;
}

/** What reading the log found beside the entries. */
export interface LogReport {
  readonly segments: number;
  readonly batches: number;
  /** Sectors of a torn last batch that were cut. */
  readonly cutSectors: number;
}

export class Log {
  readonly #options: LogOptions;
  #current: Segment | undefined;
  #spare: Promise<Segment> | undefined;
  /** Segments kept, with the index of the last entry in each. */
  #kept: { readonly number: number; lastIndex: number }[] = [];
  #sector = 0;
  #nextNumber = 1;
  #checksum = 0;
  #writing = false;
  #bytes = 0;

  private constructor(options: LogOptions) {
    this.#options = options;
  }

  /** Whether an append is in flight. */
  get busy(): boolean {
    return this.#writing;
  }
  /** Bytes written since the log was opened or last trimmed. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Reads every batch in order, cuts a torn last one, and stands ready to append. */
  static async open(
    options: LogOptions,
    each: (entry: Uint8Array) => number,
  ): Promise<{ readonly log: Log; readonly report: LogReport }> {
    const log = new Log(options);
    const report = await log.#recover(each);
    return { log, report };
  }

  async #recover(each: (entry: Uint8Array) => number): Promise<LogReport> {
    const { disk } = this.#options;
    const names = await disk.list();
    for (const name of names) if (name.endsWith(".new")) await disk.remove(name);
    const numbers = segmentNumbers(names);
    let batches = 0;
    let cutSectors = 0;
    let ended = false;
    let cut: (() => Promise<void>) | undefined;
    let position: Position = { nextNumber: undefined, checksum: undefined };
    for (const [at, number] of numbers.entries()) {
      if (at > 0 && number !== (numbers[at - 1] as number) + 1)
        throw this.#damaged(number, 0, "a segment is missing before it");
      const file = await disk.open(segmentName(number), { mode: "write", durable: true });
      const segment = await this.#read(file, number);
      const place: Place = { logId: this.#options.logId, segment: number };
      let sector = 0;
      if (ended) {
        // Only a segment prepared ahead may follow the end of the log.
        if (!isZero(segment, 0, segment.length))
          throw this.#damaged(number, 0, "data after the end of the log");
        this.#spare = Promise.resolve({ number, file });
        continue;
      }
      const kept = { number, lastIndex: 0 };
      this.#kept.push(kept);
      for (;;) {
        const found = readBatch(segment, sector, place, position);
        if (found.kind === "damage") throw this.#damaged(number, found.sector, found.what);
        if (found.kind === "end") break;
        if (found.kind === "torn") {
          cutSectors = found.to - found.from;
          const zeros = new Uint8Array(cutSectors * SECTOR_BYTES);
          // Only after everything behind it has been checked: a damaged log is left as it is.
          cut = () => file.write(found.from * SECTOR_BYTES, zeros);
          ended = true;
          break;
        }
        kept.lastIndex = each(found.batch.entry);
        position = { nextNumber: found.batch.number + 1, checksum: found.batch.checksum };
        sector += found.batch.sectors;
        batches++;
        this.#bytes += found.batch.sectors * SECTOR_BYTES;
      }
      await this.#current?.file.close();
      this.#current = { number, file };
      this.#sector = sector;
      ended ||= sector === 0 && batches > 0;
    }
    await cut?.();
    this.#nextNumber = position.nextNumber ?? 1;
    this.#checksum = position.checksum ?? 0;
    this.#current ??= await this.#create(1);
    if (this.#kept.length === 0) this.#kept.push({ number: this.#current.number, lastIndex: 0 });
    this.#prepare();
    return { segments: numbers.length, batches, cutSectors };
  }

  /** Appends one entry; resolves when it is on stable storage. */
  async append(entry: Uint8Array, index: number): Promise<void> {
    assert(!this.#writing, "one append is in flight");
    this.#writing = true;
    const sectors = sectorsFor(entry.length);
    const perSegment = this.#options.segmentBytes / SECTOR_BYTES;
    assert(sectors <= perSegment, "a batch fits a segment");
    if (this.#sector + sectors > perSegment) await this.#roll();
    const segment = this.#current as Segment;
    const place: Place = { logId: this.#options.logId, segment: segment.number };
    const batch = encodeBatch(entry, this.#nextNumber, this.#checksum, place, this.#sector);
    await segment.file.write(this.#sector * SECTOR_BYTES, batch.sectors);
    this.#sector += sectors;
    this.#nextNumber++;
    this.#checksum = batch.checksum;
    this.#bytes += batch.sectors.length;
    (this.#kept.at(-1) as { lastIndex: number }).lastIndex = index;
    this.#writing = false;
  }

  /** Removes the segments that hold nothing after `index`: a snapshot covers them. */
  async trim(index: number): Promise<void> {
    let removed = false;
    while (this.#kept.length > 1 && (this.#kept[0] as { lastIndex: number }).lastIndex <= index) {
      const { number } = this.#kept.shift() as { number: number };
      await this.#options.disk.remove(segmentName(number));
      removed = true;
    }
    if (removed) await this.#options.disk.syncDirectory();
    this.#bytes = 0;
  }

  async close(): Promise<void> {
    const spare = await this.#spare;
    await spare?.file.close();
    await this.#current?.file.close();
  }

  async #roll(): Promise<void> {
    const before = this.#current as Segment;
    this.#prepare();
    this.#current = await (this.#spare as Promise<Segment>);
    this.#spare = undefined;
    this.#sector = 0;
    this.#kept.push({ number: this.#current.number, lastIndex: 0 });
    await before.file.close();
    this.#prepare();
  }

  /** Makes the next segment ahead of need, off the path of writes. */
  #prepare(): void {
    if (this.#spare !== undefined) return;
    const spare = this.#create((this.#current as Segment).number + 1);
    // A failure surfaces when the segment is needed; until then nothing depends on it.
    spare.catch(() => {});
    this.#spare = spare;
  }

  /** A segment of zeros under its name, all of it on stable storage. */
  async #create(number: number): Promise<Segment> {
    const { disk, segmentBytes } = this.#options;
    const name = segmentName(number);
    const fresh = await disk.open(`${name}.new`, { mode: "create", durable: true });
    const zeros = new Uint8Array(Math.min(ZEROES_BYTES, segmentBytes));
    for (let at = 0; at < segmentBytes; at += zeros.length) {
      await fresh.write(at, zeros.subarray(0, Math.min(zeros.length, segmentBytes - at)));
    }
    await fresh.sync();
    await fresh.close();
    await disk.rename(`${name}.new`, name);
    await disk.syncDirectory();
    return { number, file: await disk.open(name, { mode: "write", durable: true }) };
  }

  async #read(file: DiskFile, number: number): Promise<Uint8Array> {
    const { segmentBytes } = this.#options;
    const size = await file.size();
    if (size !== segmentBytes) {
      throw this.#damaged(number, 0, `its length is ${size} bytes and must be ${segmentBytes}`);
    }
    const segment = new Uint8Array(segmentBytes);
    for (let at = 0; at < segmentBytes; at += CHUNK_BYTES) {
      segment.set(await file.read(at, Math.min(CHUNK_BYTES, segmentBytes - at)), at);
    }
    return segment;
  }

  #damaged(number: number, sector: number, what: string): Error {
    return fail("DAMAGED", {
      object: `log segment ${segmentName(number)} of ${this.#options.disk.label}`,
      what: `${what} (byte ${sector * SECTOR_BYTES})`,
      remedy: "Restore the newest snapshot into an empty directory; nothing here was changed.",
      details: { segment: number, byte: sector * SECTOR_BYTES },
    });
  }
}
