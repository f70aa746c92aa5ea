/**
 * What a member finds on its disk, made of a snapshot and the records of the log after it.
 *
 * Invariants: I1 what was recorded as committed is applied once, in order, with the code that applied it first. I2 what
 * was not stays an entry of the log, and a later record may replace it. I3 who decides alone has committed whatever it has
 * written. I4 of what is applied a bounded end stays in the log, for others that catch up.
 * Source: Raft §5.2, §7: a log that does not hold the snapshot's last entry is replaced by the snapshot.
 */
import type { Base } from "../keyspace/base.ts";
import type { Durable } from "../protocols/agreement/raft/core.ts";
import { decodeConfiguration } from "../protocols/agreement/raft/configuration.ts";
import type {
  Configuration,
  Entry,
  HardState,
  MemberId,
  SnapshotMeta,
} from "../protocols/agreement/raft/messages.ts";
import { entryBytes, NOBODY } from "../protocols/agreement/raft/messages.ts";
import { keyspaceEntry } from "./entries.ts";
import type { LogRecord, Place } from "./log-record.ts";

/** The records contradict each other or the snapshot. */
export class Contradiction extends Error {
  override readonly name = "Contradiction";
}

export interface Recovered {
  readonly durable: Durable;
  /** The next record must say that the log goes on from here: what stood in it before does not count. */
  readonly install: Place | undefined;
}

export class Recovery {
  readonly #base: Base;
  readonly #self: MemberId;
  readonly #tailBytesMax: number;
  /** Where the state that was read from the snapshot ends. */
  readonly #start: Place;
  #hardState: HardState;
  #recordedTerm = 0;
  /** The last entry of the log, also of what the snapshot covers. */
  #last: Place | undefined;
  /** What follows the snapshot follows it in the log too. */
  #holdsStart = true;
  #pending: Entry[] = [];
  #commit: number;
  #config: Configuration;
  /** Applied and kept, and what stands before it. */
  #tail: Entry[] = [];
  #tailBytes = 0;
  #before: Place & { readonly config: Configuration };

  constructor(base: Base, self: MemberId, tailBytesMax: number) {
    this.#base = base;
    this.#self = self;
    this.#tailBytesMax = tailBytesMax;
    this.#start = { index: base.appliedIndex, term: base.term };
    this.#hardState = { term: base.term, vote: NOBODY };
    this.#commit = base.appliedIndex;
    this.#config = base.members.membership;
    this.#before = { ...this.#start, config: this.#config };
  }

  /** Takes the next record; returns the index that it ends with. */
  add(record: LogRecord): number {
    const { hardState } = record;
    if (hardState.term < this.#recordedTerm) throw new Contradiction("has a term that goes back");
    this.#recordedTerm = hardState.term;
    // A snapshot may be of a later term than the log that it was put beside.
    if (hardState.term >= this.#hardState.term) this.#hardState = hardState;
    if (record.install !== undefined) this.#goOnFrom(record.install);
    for (const entry of record.entries) this.#take(entry);
    this.#commit = Math.max(this.#commit, record.commit);
    this.#apply();
    return this.#last?.index ?? 0;
  }

  #goOnFrom(place: Place): void {
    if (place.index > this.#start.index)
      throw new Contradiction(`goes on from a snapshot at ${place.index} that is not there`);
    this.#pending = [];
    this.#last = place;
    this.#holdsStart = place.index < this.#start.index || place.term === this.#start.term;
  }

  #take(entry: Entry): void {
    const { index, term } = entry;
    const last = this.#last?.index ?? Math.min(index - 1, this.#start.index);
    if (index > last + 1)
      throw new Contradiction(`goes on at entry ${index}, the state before it ends at ${last}`);
    this.#last = { index, term };
    if (index <= this.#start.index) {
      this.#pending = [];
      this.#holdsStart = index < this.#start.index || term === this.#start.term;
      return;
    }
    if (index <= this.#base.appliedIndex)
      throw new Contradiction(`replaces entry ${index}, which was committed`);
    if (!this.#holdsStart) return;
    const keep = index - this.#base.appliedIndex - 1;
    if (this.#pending.length > keep) {
      this.#pending.length = keep;
      this.#config = this.#newest();
    }
    this.#pending.push(entry);
    if (entry.kind === "config") this.#config = decodeConfiguration(entry.data);
  }

  /** The configuration in force: of the newest entry that has one. */
  #newest(): Configuration {
    const found = this.#pending.findLast(({ kind }) => kind === "config");
    return found === undefined ? this.#base.members.membership : decodeConfiguration(found.data);
  }

  #apply(): void {
    const { voters, outgoing, learners } = this.#config;
    const alone = outgoing.length === 0 && voters.length === 1 && voters[0] === this.#self;
    const to = alone ? Infinity : this.#commit;
    let count = 0;
    for (const entry of this.#pending) {
      if (entry.index > to) break;
      this.#base.apply(keyspaceEntry(entry, this.#base), 0);
      this.#keep(entry, alone && learners.length === 0 ? 0 : this.#tailBytesMax);
      count++;
    }
    if (count === this.#pending.length) this.#pending = [];
    else if (count > 0) this.#pending.splice(0, count);
  }

  #keep(entry: Entry, bytesMax: number): void {
    if (bytesMax === 0 && this.#tail.length === 0) return this.#pass(entry);
    this.#tail.push(entry);
    this.#tailBytes += entryBytes(entry);
    let drop = 0;
    // A quarter more than is wanted is let grow, so that dropping is cheap.
    if (this.#tailBytes <= bytesMax * 1.25) return;
    for (; this.#tailBytes > bytesMax; drop++) {
      const first = this.#tail[drop] as Entry;
      this.#tailBytes -= entryBytes(first);
      this.#pass(first);
    }
    this.#tail.splice(0, drop);
  }

  #pass({ index, term, kind, data }: Entry): void {
    const config = kind === "config" ? decodeConfiguration(data) : this.#before.config;
    this.#before = { index, term, config };
  }

  /** What a Raft machine starts from. */
  end(): Recovered {
    const { index, term, config } = this.#before;
    const snapshot: SnapshotMeta = { index, term, source: this.#self, config };
    const entries = [...this.#tail, ...this.#pending];
    const applied = this.#base.appliedIndex;
    this.#base.users.forgetTokens();
    const behind = (this.#last?.index ?? this.#start.index) < this.#start.index;
    return {
      durable: { hardState: this.#hardState, snapshot, entries, applied },
      install: behind || !this.#holdsStart ? this.#start : undefined,
    };
  }
}
