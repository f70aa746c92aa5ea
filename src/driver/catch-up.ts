/**
 * Snapshots in chunks between members: reads them from files for others, keeps those that come in.
 *
 * Invariants: I1 whoever asks for a chunk of a snapshot that is not there is told so, after a newer one was written if
 * there was none: the transfer begins again with that. I2 what comes in is a file of another name until the whole of it
 * has been read back and is on stable storage.
 */
import { QuorateError } from "../base/errors.ts";
import type { Base } from "../keyspace/base.ts";
import type { Disk, DiskFile } from "../ports/disk.ts";
import type { ChunkRead, ChunkWrite } from "../protocols/agreement/raft/inputs.ts";
import type { ReplicaInput } from "../replica/inputs.ts";
import { readSnapshot, snapshotIndex, snapshotName, snapshotNames } from "./snapshot-files.ts";
import type { Storage } from "./storage.ts";

const INCOMING = "incoming.new";
/** Bytes in one chunk: a message that delays no other by much. */
export const CHUNK_BYTES: number = 256 << 10;

export interface CatchUpOptions {
  readonly disk: Disk;
  readonly storage: Storage;
  readonly base: () => Base;
  readonly step: (input: ReplicaInput) => void;
  readonly failed: (error: unknown) => void;
  readonly chunkBytes?: number | undefined;
}

export class CatchUp {
  readonly #options: CatchUpOptions;
  #incoming: { readonly file: DiskFile; readonly index: number } | undefined;
  readonly #doing = new Set<Promise<void>>();
  #writing: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: CatchUpOptions) {
    this.#options = options;
  }

  /** Reads a chunk for a member. */
  read(chunk: ChunkRead): void {
    void this.#do(() => this.#read(chunk));
  }

  async #read({ to, index, offset }: ChunkRead): Promise<void> {
    const { storage, step, chunkBytes = CHUNK_BYTES } = this.#options;
    const file = await this.#opened(index);
    if (file === undefined) {
      const made = await this.#newerThan(index);
      storage.pinned = made;
      step({ kind: "snapshotTaken", index: made });
      return step({ kind: "chunkRead", to, index, offset, last: false });
    }
    try {
      const data = await file.read(offset, chunkBytes);
      const last = offset + data.length >= (await file.size());
      step({ kind: "chunkRead", to, index, offset, data, last });
    } finally {
      await file.close();
    }
  }

  /** The snapshot at `index`, which stays from now on; undefined: it is not there. */
  async #opened(index: number): Promise<DiskFile | undefined> {
    const { disk, storage } = this.#options;
    const name = snapshotName(index);
    if (!(await disk.list()).includes(name)) return undefined;
    storage.pinned = index;
    try {
      return await disk.open(name, { mode: "read" });
    } catch (error) {
      // Whoever was removing it did not know yet that it is read.
      if ((await disk.list()).includes(name)) throw error;
      return undefined;
    }
  }

  /** The index of a snapshot after `index`, written if there is none. */
  async #newerThan(index: number): Promise<number> {
    const { disk, storage, base } = this.#options;
    const newest = snapshotNames(await disk.list())[0];
    const there = newest === undefined ? 0 : snapshotIndex(newest);
    return there > index ? there : await storage.snapshot(base());
  }

  /** Keeps a chunk. */
  write(chunk: ChunkWrite): void {
    // One after the other: a snapshot may take the place of one whose part is still being written.
    const before = this.#writing;
    this.#writing = this.#do(async () => {
      await before;
      if (!this.#isClosed) await this.#write(chunk);
    });
  }

  async #write({ snapshot, offset, data, last }: ChunkWrite): Promise<void> {
    const { index } = snapshot;
    const { step } = this.#options;
    const file = await this.#file(index, offset);
    await file.write(offset, data);
    const next = offset + data.length;
    if (!last) return step({ kind: "chunkWritten", index, next, valid: true });
    await file.sync();
    await file.close();
    this.#incoming = undefined;
    const base = await this.#take(index);
    step({ kind: "chunkWritten", index, next, valid: base !== undefined, base });
  }

  async #file(index: number, offset: number): Promise<DiskFile> {
    const { disk } = this.#options;
    if (offset > 0 && this.#incoming?.index === index) return this.#incoming.file;
    await this.#incoming?.file.close();
    if ((await disk.list()).includes(INCOMING)) await disk.remove(INCOMING);
    const file = await disk.open(INCOMING, { mode: "create" });
    this.#incoming = { file, index };
    return file;
  }

  /** Reads back what has come; undefined if it is not whole. */
  async #take(index: number): Promise<Base | undefined> {
    const { disk, storage } = this.#options;
    let base: Base;
    try {
      base = await readSnapshot(disk, INCOMING);
    } catch (error) {
      if (QuorateError.is(error, "DAMAGED")) return undefined;
      throw error;
    }
    if (base.appliedIndex !== index || this.#isClosed) return undefined;
    // A snapshot of one's own that is newer says that the log has come by itself.
    if (index <= storage.snapshotIndex) return base;
    await disk.rename(INCOMING, snapshotName(index));
    await disk.syncDirectory();
    storage.received(index);
    return base;
  }

  #do(work: () => Promise<void>): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    const doing = work()
      .catch(this.#options.failed)
      .finally(() => this.#doing.delete(doing));
    this.#doing.add(doing);
    return doing;
  }

  /** Resolves when nothing is read or written any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#doing);
    await this.#incoming?.file.close();
  }
}
