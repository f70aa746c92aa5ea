/**
 * What must hold of a Raft cluster whatever happens: figure 3 of the Raft paper, and reads.
 *
 * Election safety: a term has one leader. Log matching: an entry of one index and term has one content and one
 * predecessor. Leader completeness: a leader has every entry that was committed in an earlier term. State machine safety: what is
 * applied at an index is the same everywhere. Reads: the index of a read is at least every index whose write was
 * acknowledged before the read began.
 */
import { fromArray } from "../../base/bytes.ts";
import type { ReadConfirmed } from "../../protocols/agreement/raft/inputs.ts";
import type { Entry } from "../../protocols/agreement/raft/messages.ts";
import type { Raft } from "../../protocols/agreement/raft/raft.ts";
import type { Observer } from "./sim-member.ts";

/** A property does not hold. */
export class Violation extends Error {
  override readonly name = "Violation";
}

interface Asked {
  readonly id: number;
  /** Highest acknowledged index when it began. */
  readonly least: number;
}

export class Safety implements Observer {
  private leaders = new Map<number, number>();
  /** Content and predecessor's term of each entry that was written anywhere. */
  private contents = new Map<string, string>();
  /** Committed entries by index, as the first that applied them saw them. */
  private committed = new Map<number, string>();
  private terms = new Map<number, number>();
  /** The term in which each was seen to be committed first. */
  private since = new Map<number, number>();
  private asked: readonly Asked[] = [];
  /** Highest index whose write was acknowledged by the leader to which it was proposed. */
  acknowledged = 0;
  /** Highest committed index. */
  last = 0;
  elections = 0;

  stood(raft: Raft): void {
    if (raft.role !== "leader") return;
    const other = this.leaders.get(raft.term);
    if (other !== undefined && other !== raft.id)
      throw new Violation(`election safety: ${other} and ${raft.id} lead term ${raft.term}`);
    if (other === raft.id) return;
    this.elections++;
    this.leaders.set(raft.term, raft.id);
    const { log } = raft;
    for (const [index, term] of this.terms) {
      if (index < log.first || (this.since.get(index) ?? 0) >= raft.term) continue;
      if (log.term(index) !== term)
        throw new Violation(
          `leader completeness: ${raft.id} leads term ${raft.term} without ${index}/${term}`,
        );
    }
  }

  wrote(member: number, entries: readonly Entry[]): void {
    for (const [at, { index, term, kind, data }] of entries.entries()) {
      const previous = at === 0 ? undefined : entries[at - 1]?.term;
      const place = `${index}/${term}`;
      const content = `${kind} ${fromArray(data)}`;
      const known = this.contents.get(place);
      if (known !== undefined && known !== content)
        throw new Violation(`log matching: ${place} at ${member} is another entry elsewhere`);
      this.contents.set(place, content);
      if (previous === undefined) continue;
      const before = this.contents.get(`<${place}`);
      if (before !== undefined && before !== String(previous))
        throw new Violation(`log matching: ${place} at ${member} follows another entry elsewhere`);
      this.contents.set(`<${place}`, String(previous));
    }
  }

  applied(raft: Raft, entry: Entry, byLeader: boolean): void {
    const { index, term } = entry;
    const what = `${term} ${entry.kind} ${fromArray(entry.data)}`;
    const known = this.committed.get(index);
    if (known !== undefined && known !== what)
      throw new Violation(
        `state machine safety: ${raft.id} applies ${what} at ${index}, not ${known}`,
      );
    this.committed.set(index, what);
    this.terms.set(index, term);
    if (known === undefined) this.since.set(index, raft.term);
    this.last = Math.max(this.last, index);
    if (byLeader) this.acknowledged = Math.max(this.acknowledged, index);
  }

  /** A read begins. Ids are of the whole cluster. */
  readBegan(id: number): void {
    this.asked = [...this.asked, { id, least: this.acknowledged }];
  }

  readConfirmed(member: number, read: ReadConfirmed): void {
    const asked = this.asked.find(({ id }) => id === read.id);
    this.asked = this.asked.filter(({ id }) => id !== read.id);
    if (asked !== undefined && read.index < asked.least)
      throw new Violation(
        `reads: ${member} confirms ${read.index} where ${asked.least} was acknowledged before`,
      );
  }

  /** Entries that are committed, by index: what every state machine must come to. */
  history(): readonly string[] {
    return [...this.committed].sort(([a], [b]) => a - b).map(([, what]) => what);
  }

  copy(): Safety {
    const copied = Object.assign(new Safety(), this);
    copied.leaders = new Map(this.leaders);
    copied.contents = new Map(this.contents);
    copied.committed = new Map(this.committed);
    copied.terms = new Map(this.terms);
    copied.since = new Map(this.since);
    return copied;
  }

  fingerprint(): string {
    const leaders = [...this.leaders].sort(([a], [b]) => a - b).join(" ");
    const reads = this.asked.map(({ id, least }) => `${id}>${least}`).join(" ");
    const terms = [...this.terms]
      .map(([index, term]) => `${index}/${term}<${this.since.get(index)}`)
      .join(" ");
    return [leaders, terms, this.acknowledged, reads].join("|");
  }
}
