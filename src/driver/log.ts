/**
 * The log on a disk: appends batches to pre-zeroed segments, one write in flight, and reads them back at start.
 *
 * Invariants: I1 a batch whose `append` resolved is on stable storage. I2 after a failed write nothing more is written;
 * a failed flush is never tried again. I3 the next segment exists before it is needed.
 * Cost: one write of whole sectors to a file opened durable per batch. Leaves out: what an entry means.
 */
import { assert, must } from "../base/assert.ts";
import { fail } from "../base/errors.ts";
import type { Disk, DiskFile } from "../ports/disk.ts";
import type { Place, Position } from "../replica/log-format.ts";
import { encodeBatch, isZero, readBatch, SECTOR_BYTES, sectorsFor } from "../replica/log-format.ts";
import { RESTORE } from "./failures.ts";

const SEGMENT_NAME = /^log-(\d{10})\.seg$/;
/** How much is read at once. */
const CHUNK_BYTES: number = 4 << 20;
/** Bytes of log read back between two turns of everything else in the process. */
const READ_BACK_BYTES: number = 64 << 10;
/**
 * How much of a coming segment is zeroed at once. More would stand in the way of the writes that answers wait for: with
 * all of a segment flushed in one, 256 writers got a third less through. Less costs more flushes.
 */
const ZEROES_BYTES: number = 512 << 10;
/** The first segment is short: a fresh directory is ready after that much, and the next one is made meanwhile. */
const FIRST_SEGMENT_BYTES: number = 1 << 20;
/** The next segment is made when so much of this one is full: short programs never need it. */
const PREPARED_AT = 1 / 8;

export function segmentName(number: number): string {
  return `log-${String(number).padStart(10, "0")}.seg`;
}

/** The length of a segment, bytes, in a directory whose segments have `segmentBytes`. */
export function segmentLength(number: number, segmentBytes: number): number {
  return number === 1 ? Math.min(FIRST_SEGMENT_BYTES, segmentBytes) : segmentBytes;
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
  /** Lets everything else have a turn while a long log is read back. */
  readonly giveWay: () => Promise<void>;
  /** What to do about damage; by default to restore a snapshot. */
  readonly remedy?: string | undefined;
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
  /** While the log is read: the segment at hand. */
  #reading: DiskFile | undefined;
  #spare: Promise<Segment> | undefined;
  /** Segments kept, with the greatest index of an entry in each, and whether there is a batch in it at all. */
  #kept: { readonly number: number; lastIndex: number; holdsBatch: boolean }[] = [];
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
    try {
      const report = await log.#recover(each);
      return { log, report };
    } catch (error) {
      await log.close();
      throw error;
    }
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
    let last: (() => Promise<void>) | undefined;
    let position: Position = { nextNumber: undefined, checksum: undefined };
    let readBack = 0;
    for (const [at, number] of numbers.entries()) {
      if (at > 0 && number !== (numbers[at - 1] as number) + 1)
        throw this.#damaged(number, 0, "a segment is missing before it");
      const file = await disk.open(segmentName(number), { mode: "write", durable: true });
      this.#reading = file;
      const segment = await this.#read(file, number);
      const place: Place = { logId: this.#options.logId, segment: number };
      let sector = 0;
      if (ended) {
        // Only a segment prepared ahead may follow the end of the log.
        if (!isZero(segment, 0, segment.length))
          throw this.#damaged(number, 0, "data after the end of the log");
        this.#spare = Promise.resolve({ number, file });
        this.#reading = undefined;
        continue;
      }
      const kept = { number, lastIndex: 0, holdsBatch: false };
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
        kept.lastIndex = Math.max(kept.lastIndex, each(found.batch.entry));
        kept.holdsBatch = true;
        position = { nextNumber: found.batch.number + 1, checksum: found.batch.checksum };
        const bytes = found.batch.sectors * SECTOR_BYTES;
        const at = sector * SECTOR_BYTES;
        last = () => this.#write(number, at, segment.subarray(at, at + bytes));
        sector += found.batch.sectors;
        batches++;
        this.#bytes += bytes;
        readBack += bytes;
        if (readBack < READ_BACK_BYTES) continue;
        readBack = 0;
        await this.#options.giveWay();
      }
      await this.#current?.file.close();
      this.#current = { number, file };
      this.#reading = undefined;
      this.#sector = sector;
      ended ||= sector === 0 && batches > 0;
    }
    await last?.();
    await cut?.();
    this.#nextNumber = position.nextNumber ?? 1;
    this.#checksum = position.checksum ?? 0;
    this.#current ??= await this.#create(1);
    if (this.#kept.length === 0) this.#keep(this.#current.number);
    return { segments: numbers.length, batches, cutSectors };
  }

  /**
   * Writes again what was read. A process that was killed, or whose flush failed, may have left its last batch in the
   * page cache alone, where it reads like any other; a flush that failed is not made good by another one.
   */
  async #write(number: number, at: number, bytes: Uint8Array): Promise<void> {
    const { disk } = this.#options;
    const file = await disk.open(segmentName(number), { mode: "write", durable: true });
    try {
      await file.write(at, bytes);
    } finally {
      await file.close();
    }
  }

  /** Appends one batch, whose entries end at `index` (0: it has none); resolves when it is on stable storage. */
  async append(entry: Uint8Array, index: number): Promise<void> {
    assert(!this.#writing, "one append is in flight");
    this.#writing = true;
    const sectors = sectorsFor(entry.length);
    assert(sectors * SECTOR_BYTES <= this.#options.segmentBytes, "a batch fits a segment");
    if (this.#sector + sectors > this.#sectors) await this.#roll();
    const segment = this.#current as Segment;
    const place: Place = { logId: this.#options.logId, segment: segment.number };
    const batch = encodeBatch(entry, this.#nextNumber, this.#checksum, place, this.#sector);
    await segment.file.write(this.#sector * SECTOR_BYTES, batch.sectors);
    this.#sector += sectors;
    if (this.#sector >= this.#sectors * PREPARED_AT) this.#prepare();
    this.#nextNumber++;
    this.#checksum = batch.checksum;
    this.#bytes += batch.sectors.length;
    const kept = must(this.#kept.at(-1), "the segment that is written to is kept");
    kept.lastIndex = Math.max(kept.lastIndex, index);
    kept.holdsBatch = true;
    this.#writing = false;
  }

  /** Of the segment that is written to. */
  get #sectors(): number {
    const { number } = this.#current as Segment;
    return segmentLength(number, this.#options.segmentBytes) / SECTOR_BYTES;
  }

  #keep(number: number): void {
    this.#kept.push({ number, lastIndex: 0, holdsBatch: false });
  }

  /** Removes the segments that hold nothing after `index`: a snapshot covers them. The last batch stays: it says the term. */
  async trim(index: number): Promise<void> {
    let removed = false;
    for (;;) {
      const [first, ...later] = this.#kept;
      if (first === undefined || first.lastIndex > index) break;
      if (!later.some(({ holdsBatch }) => holdsBatch)) break;
      this.#kept.shift();
      const { number } = first;
      await this.#options.disk.remove(segmentName(number));
      removed = true;
    }
    if (removed) await this.#options.disk.syncDirectory();
    this.#bytes = 0;
  }

  async close(): Promise<void> {
    // One that could not be made has nothing to close.
    const spare = await this.#spare?.catch(() => undefined);
    await spare?.file.close();
    await this.#current?.file.close();
    if (this.#reading !== undefined) await this.#reading.close();
  }

  async #roll(): Promise<void> {
    const before = this.#current as Segment;
    this.#prepare();
    this.#current = await (this.#spare as Promise<Segment>);
    this.#spare = undefined;
    this.#sector = 0;
    this.#keep(this.#current.number);
    await before.file.close();
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
    const { disk } = this.#options;
    const length = segmentLength(number, this.#options.segmentBytes);
    const name = segmentName(number);
    const fresh = await disk.open(`${name}.new`, { mode: "create", durable: true });
    const zeros = new Uint8Array(Math.min(ZEROES_BYTES, length));
    for (let at = 0; at < length; at += zeros.length) {
      await fresh.write(at, zeros.subarray(0, Math.min(zeros.length, length - at)));
    }
    await fresh.sync();
    await fresh.close();
    await disk.rename(`${name}.new`, name);
    await disk.syncDirectory();
    return { number, file: await disk.open(name, { mode: "write", durable: true }) };
  }

  async #read(file: DiskFile, number: number): Promise<Uint8Array> {
    const length = segmentLength(number, this.#options.segmentBytes);
    const size = await file.size();
    if (size !== length)
      throw this.#damaged(number, 0, `its length is ${size} bytes and must be ${length}`);
    const segment = new Uint8Array(length);
    for (let at = 0; at < length; at += CHUNK_BYTES) {
      segment.set(await file.read(at, Math.min(CHUNK_BYTES, length - at)), at);
    }
    return segment;
  }

  #damaged(number: number, sector: number, what: string): Error {
    return fail("DAMAGED", {
      object: `log segment ${segmentName(number)} of ${this.#options.disk.label}`,
      what: `${what} (byte ${sector * SECTOR_BYTES})`,
      remedy: this.#options.remedy ?? RESTORE,
      details: { segment: number, byte: sector * SECTOR_BYTES },
    });
  }
}
