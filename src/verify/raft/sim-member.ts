/**
 * A Raft machine with a simulated host: stable storage that takes its time and loses what was not flushed, a state
 * machine that keeps what was applied, and snapshots of it in chunks.
 *
 * A write is in the air between `write` and `flush`; a crash keeps a prefix of it: first term and vote, then entry by
 * entry. Applying takes no time. A copy goes its own way, which is what the model checker needs.
 */
import { assert, must } from "../../base/assert.ts";
import type { Bytes } from "../../base/bytes.ts";
import { fromArray, toArray } from "../../base/bytes.ts";
import type { Durable } from "../../protocols/agreement/raft/core.ts";
import type {
  Admitted,
  ChunkWrite,
  RaftInput,
  ReadConfirmed,
  Ready,
  Write,
} from "../../protocols/agreement/raft/inputs.ts";
import type {
  Configuration,
  Entry,
  Message,
  SnapshotMeta,
} from "../../protocols/agreement/raft/messages.ts";
import { NOBODY } from "../../protocols/agreement/raft/messages.ts";
import type { RaftOptions } from "../../protocols/agreement/raft/options.ts";
import { entryText } from "../../protocols/agreement/raft/fingerprint.ts";
import type { Raft } from "../../protocols/agreement/raft/raft.ts";
import { startRaft } from "../../protocols/agreement/raft/raft.ts";
import type { Rules } from "../../protocols/agreement/raft/rules.ts";
import { RULES } from "../../protocols/agreement/raft/rules.ts";

/** What happens at a member that an observer wants to know. */
export interface Observer {
  wrote(member: number, entries: readonly Entry[]): void;
  /** An entry is committed and applied; whether by the leader that it was proposed to. */
  applied(raft: Raft, entry: Entry, byLeader: boolean): void;
  stood(raft: Raft): void;
  readConfirmed(member: number, read: ReadConfirmed): void;
}

const SILENT: Observer = { wrote() {}, applied() {}, stood() {}, readConfirmed() {} };

export interface SimMemberOptions extends RaftOptions {
  readonly rules?: Rules | undefined;
  /** Chunks are kept when `keepChunks` is called; else at once. */
  readonly slowChunks?: boolean | undefined;
  /** Bytes of a snapshot in one chunk; default 8. */
  readonly chunkBytes?: number | undefined;
}

/** The empty storage of a member: of a new cluster's, which knows the voters, or of one that will be told. */
export function blank(voters: readonly number[]): Durable {
  const config: Configuration = { voters, outgoing: [], learners: [] };
  return {
    hardState: { term: 0, vote: NOBODY },
    snapshot: { index: 0, term: 0, source: NOBODY, config },
    entries: [],
  };
}

export class SimMember {
  readonly options: SimMemberOptions;
  private machine: Raft;
  /** What a crash leaves. */
  disk: Durable;
  /** Content of the snapshot on the disk. */
  private image: Bytes = "" as Bytes;
  /** The state machine: one line for each entry with data. */
  private content: Bytes;
  private incoming: Bytes = "" as Bytes;
  private installing: Bytes | undefined;
  pending: Write | undefined;
  private chunks: ChunkWrite[] = [];
  isUp = true;
  /** Sent and not taken. */
  out: Message[] = [];
  reads: ReadConfirmed[] = [];
  refusedReads: number[] = [];
  private appliedIndex: number;
  observer: Observer = SILENT;

  constructor(options: SimMemberOptions, disk: Durable) {
    this.options = options;
    this.disk = disk;
    this.machine = startRaft(options, disk, options.rules ?? RULES);
    this.content = this.image;
    this.appliedIndex = disk.applied ?? disk.snapshot.index;
  }

  get id(): number {
    return this.options.id;
  }
  get raft(): Raft {
    return this.machine;
  }
  get state(): Bytes {
    return this.content;
  }
  /** Chunks are being written. */
  get isKeeping(): boolean {
    return this.chunks.length > 0;
  }
  get applied(): number {
    return this.appliedIndex;
  }

  step(input: RaftInput): Admitted | undefined {
    if (!this.isUp) return undefined;
    const admitted = this.machine.step(input);
    this.pump();
    return admitted;
  }

  private pump(): void {
    for (let goesOn = true; goesOn;) {
      const ready = this.machine.ready();
      goesOn = this.carryOut(ready);
    }
    this.machine.invariants();
  }

  /** Does what is to be done; true if that gave the machine new inputs. */
  private carryOut(ready: Ready): boolean {
    if (ready.standing !== undefined) this.observer.stood(this.machine);
    this.out.push(...ready.messages);
    if (ready.write !== undefined) this.begin(ready.write);
    for (const read of ready.reads) {
      this.observer.readConfirmed(this.id, read);
      this.reads.push(read);
    }
    this.refusedReads.push(...ready.readsRefused);
    for (const entry of ready.apply) this.apply(entry);
    if (ready.apply.length > 0) this.machine.step({ kind: "applied", index: this.appliedIndex });
    for (const { to, index, offset } of ready.chunkReads) {
      const size = this.options.chunkBytes ?? 8;
      const isThere = this.disk.snapshot.index === index;
      const data = isThere ? toArray(this.image.slice(offset, offset + size) as Bytes) : undefined;
      const last = offset + size >= this.image.length;
      this.machine.step({ kind: "chunkRead", to, index, offset, data, last });
    }
    if (this.options.slowChunks === true) this.chunks.push(...ready.chunkWrites);
    else for (const chunk of ready.chunkWrites) this.keep(chunk);
    return ready.apply.length + ready.chunkReads.length + ready.chunkWrites.length > 0;
  }

  private begin(write: Write): void {
    assert(this.pending === undefined, "one write is under way");
    this.pending = write;
    if (!this.isSaidAfter(write)) this.observer.wrote(this.id, write.entries);
    if (write.install === undefined) return;
    this.content = must(this.installing, "what is installed was received");
    this.appliedIndex = write.install.index;
  }

  /** Who decides alone writes term, vote and first entries at once: nobody hears of them before they are stable. */
  private isSaidAfter({ hardState }: Write): boolean {
    const { voters, outgoing } = this.machine.config;
    const alone = outgoing.length === 0 && voters.length === 1 && voters[0] === this.id;
    return alone && hardState !== undefined;
  }

  private apply(entry: Entry): void {
    assert(entry.index === this.appliedIndex + 1, "entries are applied in order, once");
    this.appliedIndex = entry.index;
    if (entry.kind === "data") this.content = `${this.content}${fromArray(entry.data)};` as Bytes;
    const byLeader = this.machine.role === "leader" && this.machine.term === entry.term;
    this.observer.applied(this.machine, entry, byLeader);
  }

  /** Chunks whose writes are under way end. */
  keepChunks(): void {
    if (!this.isUp || this.chunks.length === 0) return;
    for (const chunk of this.chunks.splice(0)) this.keep(chunk);
    this.pump();
  }

  private keep({ snapshot, offset, data, last }: ChunkWrite): void {
    this.incoming = `${this.incoming.slice(0, offset)}${fromArray(data)}` as Bytes;
    if (last) this.installing = this.incoming;
    const next = offset + data.length;
    this.machine.step({ kind: "chunkWritten", index: snapshot.index, next, valid: true });
  }

  /** The write under way reaches the disk. */
  flush(): void {
    const { pending } = this;
    if (pending === undefined) return;
    this.pending = undefined;
    this.store(pending, pending.entries.length);
    this.step({ kind: "written", ticket: pending.ticket });
  }

  /** Flushes until nothing is under way. */
  flushAll(): void {
    while (this.pending !== undefined) this.flush();
  }

  private store(write: Write, count: number): void {
    if (this.isSaidAfter(write)) this.observer.wrote(this.id, write.entries.slice(0, count));
    const hardState = write.hardState ?? this.disk.hardState;
    let { snapshot, entries } = this.disk;
    if (write.install !== undefined) {
      snapshot = write.install;
      entries = [];
      this.image = must(this.installing, "what is installed was received");
    }
    const first = write.entries[0]?.index;
    if (count > 0 && first !== undefined) {
      let keep = entries.length;
      while ((entries[keep - 1]?.index ?? 0) >= first) keep--;
      entries = [...entries.slice(0, keep), ...write.entries.slice(0, count)];
    }
    this.disk = { hardState, snapshot, entries };
  }

  /** Loses what is in memory and what was in the air, but for `kept` parts of the write under way. */
  crash(kept: number): void {
    const { pending } = this;
    if (pending !== undefined && kept > 0)
      this.store(pending, Math.min(kept - 1, pending.entries.length));
    this.pending = undefined;
    this.isUp = false;
    this.out = [];
    this.reads = [];
    this.refusedReads = [];
  }

  restart(): void {
    this.machine = startRaft(this.options, this.disk, this.options.rules ?? RULES);
    this.content = this.image;
    this.appliedIndex = this.disk.snapshot.index;
    this.incoming = "" as Bytes;
    this.installing = undefined;
    this.chunks = [];
    this.isUp = true;
    this.pump();
  }

  /** Takes a snapshot of what is applied, and lets go of entries but for the last `kept` before it. */
  snapshot(kept: number): void {
    const index = this.appliedIndex;
    const { log } = this.machine;
    // A newer one may be about to be installed.
    if (index <= Math.max(this.disk.snapshot.index, log.snapshot.index)) return;
    const config = log.configAt(index);
    const term = must(log.term(index), "what is newer than the snapshot is kept");
    const meta: SnapshotMeta = { index, term, source: this.id, config };
    this.image = this.content;
    const entries = this.disk.entries.filter((entry) => entry.index > index);
    this.disk = { hardState: this.disk.hardState, snapshot: meta, entries };
    this.step({ kind: "snapshotTaken", index, dropTo: Math.max(0, index - kept) });
  }

  copy(observer: Observer): SimMember {
    const copied = Object.assign(Object.create(SimMember.prototype) as SimMember, this);
    copied.machine = this.machine.copy();
    copied.out = this.out.slice();
    copied.chunks = this.chunks.slice();
    copied.reads = this.reads.slice();
    copied.refusedReads = this.refusedReads.slice();
    copied.observer = observer;
    return copied;
  }

  /** Equal for members in the same state, on their disks too. */
  fingerprint(): string {
    const { disk, pending } = this;
    const stored = disk.entries.map(entryText).join("");
    const air = pending === undefined ? "" : pending.entries.map(entryText).join("");
    const volatile = this.isUp ? this.machine.fingerprint() : "down";
    const { term, vote } = disk.hardState;
    const chunks = this.chunks.map(({ snapshot, offset }) => `${snapshot.index}@${offset}`).join();
    return [volatile, term, vote, disk.snapshot.index, stored, air, chunks, this.content].join("|");
  }
}
