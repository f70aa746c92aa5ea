/**
 * The part of the log that a member keeps in memory, and how far it is written and committed.
 *
 * Invariants: I1 entries follow each other without a gap from `first` to `last`; terms never decrease. I2 nothing at or
 * below `commit` is ever cut. I3 `written` ≤ `last`: up to there the log on stable storage is this log; an entry that was cut and
 * replaced counts as written only once its replacement is. I4 one write is under way at most. I5 the configuration
 * of the newest configuration entry is in force from the moment that the entry is there.
 * Source: Ongaro's dissertation §3.5, §4.1, §5, §10.2.1. Leaves out: the storage itself (the host).
 */
import { assert, must } from "../../../base/assert.ts";
import { decodeConfiguration } from "./configuration.ts";
import type { Configuration, Entry, SnapshotMeta } from "./messages.ts";
import { entryBytes } from "./messages.ts";
import type { LogEnd } from "./rules.ts";

interface Dated {
  readonly index: number;
  readonly config: Configuration;
}

/** What one write to stable storage holds, in this order. */
export interface LogWrite {
  /** This snapshot takes the place of the whole log. */
  readonly install: SnapshotMeta | undefined;
  /** The first of them takes the place of whatever stands at its index and after it. */
  readonly entries: readonly Entry[];
}

export class RaftLog {
  #entries: Entry[];
  /** The entry before the first that is kept. */
  #before: LogEnd;
  #snapshot: SnapshotMeta;
  /** Ascending; the first is at or before the first entry that is kept. */
  #configs: Dated[];
  #install: SnapshotMeta | undefined;
  #commit: number;
  #written: number;
  /** The write under way reaches this far, as far as it still is this log. */
  #writing: number;
  /** Given to a write up to here. */
  #handed: number;
  readonly #cutsConfiguration: boolean;
  #uncommittedBytes = 0;
  /** Of entries that no write holds yet, and of those in the write under way. */
  #waitingBytes = 0;
  #writingBytes = 0;

  /** `cutsConfiguration`: see `rules.ts`. */
  constructor(snapshot: SnapshotMeta, entries: readonly Entry[], cutsConfiguration: boolean) {
    this.#cutsConfiguration = cutsConfiguration;
    this.#snapshot = snapshot;
    this.#before = { index: snapshot.index, term: snapshot.term };
    this.#configs = [{ index: snapshot.index, config: snapshot.config }];
    this.#entries = [];
    this.#commit = this.#written = this.#writing = this.#handed = snapshot.index;
    for (const entry of entries) if (entry.index > snapshot.index) this.append(entry);
    this.#written = this.#writing = this.#handed = this.last;
    this.#waitingBytes = 0;
  }

  get first(): number {
    return this.#before.index + 1;
  }
  get last(): number {
    return this.#before.index + this.#entries.length;
  }
  get end(): LogEnd {
    const entry = this.#entries.at(-1);
    return entry === undefined ? this.#before : { index: entry.index, term: entry.term };
  }
  get commit(): number {
    return this.#commit;
  }
  /** On stable storage up to here. */
  get written(): number {
    return this.#written;
  }
  /** The newest snapshot on stable storage, or one being installed. */
  get snapshot(): SnapshotMeta {
    return this.#snapshot;
  }
  get uncommittedBytes(): number {
    return this.#uncommittedBytes;
  }
  get unwrittenBytes(): number {
    return this.#waitingBytes + this.#writingBytes;
  }
  get config(): Configuration {
    return must(this.#configs.at(-1), "there is always a configuration").config;
  }
  get configIndex(): number {
    return must(this.#configs.at(-1), "there is always a configuration").index;
  }
  /** The one before the one in force, as far as it is known: what holds if the newest entry of that kind is cut. */
  get previousConfig(): Configuration | undefined {
    return this.#configs.at(-2)?.config;
  }

  /** The term of the entry at `index`; undefined if it is not kept. */
  term(index: number): number | undefined {
    if (index === this.#before.index) return this.#before.term;
    return this.#entries[index - this.first]?.term;
  }

  at(index: number): Entry | undefined {
    return this.#entries[index - this.first];
  }

  /** Entries from `from` to at most `to`: at least one if there is one, and at most `bytesMax` in all. */
  slice(from: number, to: number, bytesMax: number): readonly Entry[] {
    assert(from >= this.first, "slice: begins with an entry that is kept");
    const start = from - this.first;
    const stop = Math.min(to, this.last) - this.first + 1;
    let end = start;
    for (let bytes = 0; end < stop; end++) {
      bytes += entryBytes(this.#entries[end] as Entry);
      if (bytes > bytesMax && end > start) break;
    }
    return this.#entries.slice(start, Math.max(start, end));
  }

  /** The last place at or before `index` whose term is at most `term`: what the other side may have as well. */
  findTerm(index: number, term: number): LogEnd {
    let at = Math.min(index, this.last);
    while (at > this.#before.index && (this.term(at) as number) > term) at--;
    return { index: at, term: this.term(at) ?? this.#before.term };
  }

  append(entry: Entry): void {
    assert(entry.index === this.last + 1, "append: entries follow each other");
    assert(entry.term >= this.end.term, "append: terms never decrease");
    this.#entries.push(entry);
    this.#uncommittedBytes += entryBytes(entry);
    this.#waitingBytes += entryBytes(entry);
    if (entry.kind === "config")
      this.#configs.push({ index: entry.index, config: decodeConfiguration(entry.data) });
  }

  /** Drops the entry at `index` and all after it. */
  cut(index: number): void {
    assert(index > this.#commit, "cut: what is committed stays");
    for (let at = index; at <= this.last; at++) {
      const bytes = entryBytes(this.#entries[at - this.first] as Entry);
      this.#uncommittedBytes -= bytes;
      if (at > this.#handed) this.#waitingBytes -= bytes;
    }
    this.#entries.length = index - this.first;
    if (this.#cutsConfiguration)
      while ((this.#configs.at(-1)?.index ?? 0) >= index) this.#configs.pop();
    this.#written = Math.min(this.#written, index - 1);
    this.#writing = Math.min(this.#writing, index - 1);
    this.#handed = Math.min(this.#handed, index - 1);
    assert(this.#configs.length > 0, "cut: a configuration is left");
  }

  /** Everything up to `index` survives. */
  commitTo(index: number): void {
    assert(index <= this.last, "commitTo: only what is there is committed");
    for (let at = this.#commit + 1; at <= index; at++)
      this.#uncommittedBytes -= entryBytes(this.#entries[at - this.first] as Entry);
    this.#commit = Math.max(this.#commit, index);
  }

  /** A snapshot from elsewhere takes the place of the log. */
  install(snapshot: SnapshotMeta): void {
    assert(snapshot.index > this.#commit, "install: a snapshot never goes back");
    this.#written = Math.min(this.#written, this.#commit);
    this.#writing = Math.min(this.#writing, this.#commit);
    this.#entries = [];
    this.#before = { index: snapshot.index, term: snapshot.term };
    this.#configs = [{ index: snapshot.index, config: snapshot.config }];
    this.#snapshot = this.#install = snapshot;
    this.#commit = this.#handed = snapshot.index;
    this.#uncommittedBytes = this.#waitingBytes = 0;
  }

  /** The host has a snapshot of its own at `snapshot.index`; entries up to `dropTo` need not be kept for it. */
  compact(snapshot: SnapshotMeta, dropTo: number): void {
    assert(snapshot.index <= this.#commit, "compact: a snapshot is of committed state");
    assert(snapshot.index >= this.#snapshot.index, "compact: snapshots go forward");
    assert(dropTo <= snapshot.index, "compact: what is dropped is in the snapshot");
    this.#snapshot = snapshot;
    const to = Math.min(dropTo, this.#written);
    if (to < this.first) return;
    const term = must(this.term(to), "what is dropped is there");
    this.#entries = this.#entries.slice(to - this.#before.index);
    this.#before = { index: to, term };
    while ((this.#configs[1]?.index ?? Infinity) <= to) this.#configs.shift();
  }

  /** The configuration at a committed index that is still kept. */
  configAt(index: number): Configuration {
    const found = this.#configs.filter((each) => each.index <= index).at(-1);
    return must(found, "the configuration at a kept index is known").config;
  }

  /** A snapshot has taken the log's place and no write holds it yet. */
  get awaitsInstall(): boolean {
    return this.#install !== undefined;
  }

  get hasUnwritten(): boolean {
    return this.#install !== undefined || this.#handed < this.last;
  }

  /** What a write that begins now holds. */
  takeUnwritten(): LogWrite {
    const entries = this.#entries.slice(this.#handed - this.#before.index);
    const install = this.#install;
    this.#install = undefined;
    this.#handed = this.#writing = this.last;
    this.#writingBytes = this.#waitingBytes;
    this.#waitingBytes = 0;
    return { install, entries };
  }

  /** The write under way is on stable storage. */
  wrote(): void {
    this.#written = Math.max(this.#written, this.#writing);
    this.#writingBytes = 0;
  }

  copy(): RaftLog {
    const copied = new RaftLog(this.#snapshot, [], this.#cutsConfiguration);
    copied.#entries = this.#entries.slice();
    copied.#before = this.#before;
    copied.#configs = this.#configs.slice();
    copied.#install = this.#install;
    copied.#commit = this.#commit;
    copied.#written = this.#written;
    copied.#writing = this.#writing;
    copied.#handed = this.#handed;
    copied.#uncommittedBytes = this.#uncommittedBytes;
    copied.#waitingBytes = this.#waitingBytes;
    copied.#writingBytes = this.#writingBytes;
    return copied;
  }

  /** How far writes are and what configurations hold: for telling states apart. */
  fingerprint(): string {
    const configs = this.#configs.map(({ index, config }) => `${index}:${JSON.stringify(config)}`);
    const { index, source } = this.#snapshot;
    const installs = this.#install !== undefined;
    return [this.#written, this.#writing, this.#handed, index, source, installs, ...configs].join();
  }

  invariants(): void {
    assert(this.#commit <= this.last, "log I2: what is committed is there");
    assert(this.#written <= this.last, "log I3: what is written is there");
    assert(this.#snapshot.index <= this.#commit, "log: a snapshot is of committed state");
    assert(this.#snapshot.index >= this.#before.index, "log: no gap after the snapshot");
    let previous = this.#before;
    for (const entry of this.#entries) {
      assert(entry.index === previous.index + 1, "log I1: no gap");
      assert(entry.term >= previous.term, "log I1: terms never decrease");
      previous = entry;
    }
  }
}
