/**
 * What a leader knows of one follower, and how much it may send it.
 *
 * `probe`: where the logs meet is not known; one message at a time. `replicate`: messages follow each other, each
 * assumed to arrive, up to a number and a sum of bytes. `snapshot`: the log that it needs is gone; it gets a snapshot in chunks.
 * Invariant: match < next. Source: Ongaro's dissertation §10.2.1 (pipelining), and etcd's raft for the three states.
 */
import { assert } from "../../../base/assert.ts";
import type { SnapshotMeta } from "./messages.ts";

interface Sent {
  readonly last: number;
  readonly bytes: number;
}

/** A snapshot on its way. */
export interface Transmission {
  readonly snapshot: SnapshotMeta;
  readonly offset: number;
  /** `asked`: the host is to read the chunk; `sent`: the follower has not answered. */
  readonly state: "due" | "asked" | "sent";
  /** When it came into this state, in ticks. */
  readonly since: number;
}

export class Progress {
  state: "probe" | "replicate" | "snapshot" = "probe";
  /** The follower has this much on stable storage, as the leader has it. */
  match = 0;
  /** The next entry to send. */
  next: number;
  /** Highest commit index that it was told. */
  commitTold = 0;
  /** Was heard from since the leader last counted. */
  active = false;
  /** A probe is on its way. */
  waiting = false;
  /** Something is to be sent even if there are no entries for it. */
  nudged = true;
  transmission: Transmission | undefined;
  /** What the probe on its way carries. */
  #probed: Sent | undefined;
  #sent: Sent[] = [];
  #sentBytes = 0;
  /** The round of catching up: when it began, and up to where it goes (dissertation §4.2.1). */
  #roundStart: number;
  #roundEnd: number;
  #caughtUp = false;

  constructor(next: number, ticks: number) {
    this.next = next;
    this.#roundStart = ticks;
    this.#roundEnd = next - 1;
  }

  get sentMessages(): number {
    return this.#sent.length;
  }
  get sentBytes(): number {
    return this.#sentBytes;
  }

  isPaused(messagesMax: number, bytesMax: number): boolean {
    if (this.state === "probe") return this.waiting;
    if (this.state === "snapshot") return true;
    return this.#sent.length >= messagesMax || this.#sentBytes >= bytesMax;
  }

  /** Entries up to `last` have been sent. */
  sent(last: number, bytes: number): void {
    assert(last >= this.next, "sent: entries from next on");
    if (this.state === "probe") {
      this.waiting = true;
      this.#probed = { last, bytes };
      return;
    }
    this.next = last + 1;
    this.#sent.push({ last, bytes });
    this.#sentBytes += bytes;
  }

  /** The follower has everything up to `index`. */
  acknowledged(index: number): void {
    this.match = Math.max(this.match, index);
    this.next = Math.max(this.next, this.match + 1);
    const through =
      this.transmission === undefined || this.match >= this.transmission.snapshot.index;
    if (this.state === "probe" || (this.state === "snapshot" && through)) this.replicate();
    this.#freeTo(index);
  }

  #freeTo(index: number): void {
    let count = 0;
    for (const { last, bytes } of this.#sent) {
      if (last > index) break;
      this.#sentBytes -= bytes;
      count++;
    }
    if (count > 0) this.#sent.splice(0, count);
  }

  /** Makes room for one message: the answers to what is on its way may be lost, and so may be what is on its way. */
  freeOne(): void {
    const first = this.#sent.shift();
    if (first !== undefined) this.#sentBytes -= first.bytes;
  }

  /** What has been sent may be lost: find out anew where the logs meet. */
  probe(next: number): void {
    this.#enter("probe");
    this.next = Math.max(next, this.match + 1);
  }

  /** The follower has less than it had: find out anew where the logs meet, from `next` backwards. */
  rewind(next: number): void {
    this.match = 0;
    this.probe(next);
    this.nudged = true;
  }

  /** The logs meet: what the probe carried is on its way already. */
  replicate(): void {
    const probed = this.#probed;
    this.#enter("replicate");
    this.next = this.match + 1;
    if (probed !== undefined && probed.last > this.match) this.sent(probed.last, probed.bytes);
  }

  transmit(snapshot: SnapshotMeta, offset: number, ticks: number): void {
    if (this.state !== "snapshot") this.#enter("snapshot");
    this.transmission = { snapshot, offset, state: "due", since: ticks };
  }

  #enter(state: Progress["state"]): void {
    this.state = state;
    this.waiting = false;
    this.#probed = undefined;
    this.transmission = undefined;
    this.#sent = [];
    this.#sentBytes = 0;
  }

  /** Looks whether the round of catching up is over; `last` is the leader's last entry. */
  measure(last: number, ticks: number, roundTicksMax: number): void {
    if (this.match < this.#roundEnd) return;
    this.#caughtUp = ticks - this.#roundStart <= roundTicksMax && this.match > 0;
    this.#roundStart = ticks;
    this.#roundEnd = last;
  }

  /** Whether it had in the last round what the leader had at its beginning, within an election time-out. */
  isCaughtUp(ticks: number, roundTicksMax: number): boolean {
    return this.#caughtUp && ticks - this.#roundStart <= roundTicksMax;
  }

  copy(): Progress {
    const copied = new Progress(this.next, this.#roundStart);
    copied.state = this.state;
    copied.match = this.match;
    copied.commitTold = this.commitTold;
    copied.active = this.active;
    copied.waiting = this.waiting;
    copied.nudged = this.nudged;
    copied.transmission = this.transmission;
    copied.#probed = this.#probed;
    copied.#sent = this.#sent.slice();
    copied.#sentBytes = this.#sentBytes;
    copied.#roundEnd = this.#roundEnd;
    copied.#caughtUp = this.#caughtUp;
    return copied;
  }

  fingerprint(): string {
    const flags = `${Number(this.active)}${Number(this.waiting)}${Number(this.nudged)}`;
    const sending = this.transmission;
    const sent = sending === undefined ? "" : `${sending.state}${sending.offset}`;
    const window = this.#sent.map(({ last }) => last).join(" ");
    const probed = this.#probed?.last;
    return [this.state, this.match, this.next, this.commitTold, flags, sent, probed, window].join(
      ":",
    );
  }
}
