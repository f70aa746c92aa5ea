/**
 * What a replica keeps on its disk: records in the log, snapshots beside it.
 *
 * Invariants: I1 a record whose `write` resolved is on stable storage, whole; of one that was interrupted a prefix is
 * there, with term and vote before any entry. I2 the log is trimmed to a snapshot that is there. I3 the newest snapshot
 * and the one that is being read by another member stay.
 */
import { assert } from "../base/assert.ts";
import { ByteWriter } from "../base/codec.ts";
import type { Base } from "../keyspace/base.ts";
import type { Clock } from "../ports/clock.ts";
import type { Disk } from "../ports/disk.ts";
import type { Entry } from "../protocols/agreement/raft/messages.ts";
import { PAYLOAD_BYTES, SECTOR_BYTES } from "../replica/log-format.ts";
import type { LogRecord, Place } from "../replica/log-record.ts";
import { encodeRecord, RECORD_BYTES, recordedBytes } from "../replica/log-record.ts";
import type { OpenedDirectory } from "./data-directory.ts";
import { removeSnapshots, writeSnapshot } from "./snapshot-files.ts";

export class Storage {
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #opened: OpenedDirectory;
  readonly #writer = new ByteWriter(64 << 10);
  readonly #batchBytesMax: number;
  /** The next record says that the log goes on from here. */
  #install: Place | undefined;
  #snapshotIndex: number;
  /** Of the last one that was written here since the directory was opened; 0: none. */
  #snapshotBytes = 0;
  #snapshotting: Promise<number> | undefined;
  /** The snapshot that another member reads. */
  pinned: number | undefined;

  constructor(disk: Disk, clock: Clock, opened: OpenedDirectory) {
    this.#disk = disk;
    this.#clock = clock;
    this.#opened = opened;
    this.#install = opened.install;
    this.#snapshotIndex = opened.snapshotIndex;
    this.#batchBytesMax = (opened.identity.segmentBytes / SECTOR_BYTES - 1) * PAYLOAD_BYTES;
  }

  get logBytes(): number {
    return this.#opened.log.bytes;
  }
  /** Of the newest snapshot; 0: none. */
  get snapshotIndex(): number {
    return this.#snapshotIndex;
  }

  /** Whether the log has more than `leastBytes`, and than that share of the last snapshot. */
  outgrew(leastBytes: number, share: number): boolean {
    return this.logBytes > Math.max(leastBytes, this.#snapshotBytes * share);
  }

  /** Writes a record; in as many batches as it needs, most often one. */
  async write(record: LogRecord): Promise<void> {
    const install = record.install ?? this.#install;
    this.#install = undefined;
    if (record.install !== undefined) this.#snapshotIndex = record.install.index;
    let from = 0;
    do {
      const to = this.#fitting(record.entries, from);
      const entries =
        from === 0 && to === record.entries.length
          ? record.entries
          : record.entries.slice(from, to);
      const end = entries.at(-1)?.index ?? Infinity;
      this.#writer.reset();
      encodeRecord(this.#writer, {
        hardState: record.hardState,
        commit: Math.min(record.commit, end),
        install: from === 0 ? install : undefined,
        entries,
        end: record.end,
      });
      await this.#opened.log.append(this.#writer.view(), entries.at(-1)?.index ?? 0);
      from = to;
    } while (from < record.entries.length);
    if (record.install !== undefined) await this.#covered(record.install.index);
  }

  /** How many entries from `from` on fit one batch: the index after the last of them. */
  #fitting(entries: readonly Entry[], from: number): number {
    let bytes = RECORD_BYTES;
    for (let at = from; at < entries.length; at++) {
      bytes += recordedBytes(entries[at] as Entry);
      if (bytes > this.#batchBytesMax && at > from) return at;
    }
    return entries.length;
  }

  /** Writes the present state, unless that is being done; returns the index that it covers. */
  snapshot(base: Base): Promise<number> {
    this.#snapshotting ??= this.#snapshot(base).finally(() => {
      this.#snapshotting = undefined;
    });
    return this.#snapshotting;
  }

  get isSnapshotting(): boolean {
    return this.#snapshotting !== undefined;
  }

  async #snapshot(base: Base): Promise<number> {
    const { index, bytes } = await writeSnapshot(this.#disk, this.#clock, base);
    if (bytes > 0) this.#snapshotBytes = bytes;
    // One that came from elsewhere meanwhile is newer.
    this.#snapshotIndex = Math.max(this.#snapshotIndex, index);
    await this.#covered(this.#snapshotIndex);
    return index;
  }

  async #covered(index: number): Promise<void> {
    await removeSnapshots(this.#disk, index, this.pinned);
    await this.#opened.log.trim(index);
  }

  /** A snapshot from elsewhere stands under its name. */
  received(index: number): void {
    assert(index > this.#snapshotIndex, "a snapshot that is taken is newer");
    this.#snapshotIndex = index;
  }

  async close(): Promise<void> {
    await this.#snapshotting?.catch(() => undefined);
    await this.#opened.log.close();
  }

  release(): Promise<void> {
    return this.#opened.lock.release();
  }
}
