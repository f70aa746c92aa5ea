/**
 * Progress of a stream of watches: what the client asked for as a whole, and what single watches are told when idle.
 *
 * Invariants: I1 the answer to a request for progress names a revision up to which every watch of the stream has been
 * given everything. I2 a watch that was sent something since the last interval is not told.
 */

/** A watch as progress sees it. */
export interface Progressing {
  /** Asks for an empty batch once everything has been delivered. */
  ask(): void;
  /** Wants to be told when idle. */
  readonly notify: boolean;
  /** First revision wanted; what lies in the future has nothing outstanding. */
  readonly from: number;
  /** Has been given everything that deliveries have looked at. */
  complete(): boolean;
}

export class Progress<W extends Progressing> {
  readonly #watches: () => Iterable<W>;
  readonly #answer: (revision: number) => void;
  /** Watches that have not yet confirmed the request. */
  readonly #awaited = new Set<W>();
  readonly #notifying = new Set<W>();
  readonly #busy = new WeakSet<W>();
  #asked = 0;
  #revision = 0;
  /** Only one watch has been asked so far. */
  #sounding = false;

  /** `answer` gets the revision for the stream as a whole, once for each request. */
  constructor(watches: () => Iterable<W>, answer: (revision: number) => void) {
    this.#watches = watches;
    this.#answer = answer;
  }

  /** The client asks how far all its watches are; the store is at `revision`. */
  request(revision: number): void {
    this.#asked++;
    this.#revision = revision;
    this.#sound();
  }

  /** The interval is over: whoever was idle and wants to hear of it is asked. */
  interval(): void {
    for (const watch of this.#watches()) {
      if (!watch.notify) continue;
      if (this.#busy.delete(watch)) continue;
      this.#notifying.add(watch);
      watch.ask();
    }
  }

  /** `watch` has been sent events. */
  delivered(watch: W): void {
    this.#busy.add(watch);
    this.#notifying.delete(watch);
  }

  /** `watch` has been given everything up to `revision`; true if it is to be told itself. */
  confirmed(watch: W, revision: number): boolean {
    if (this.#awaited.delete(watch)) {
      this.#revision = Math.min(this.#revision, revision);
      this.#settle();
    }
    return this.#notifying.delete(watch);
  }

  gone(watch: W): void {
    this.#notifying.delete(watch);
    if (!this.#awaited.delete(watch)) return;
    if (this.#sounding) this.#sound();
    else this.#settle();
  }

  /**
   * Asks one watch: when it confirms, deliveries have looked at everything, and whoever is not complete then is known.
   * To ask each of very many would cost each a turn.
   */
  #sound(): void {
    this.#sounding = true;
    for (const watch of this.#watches()) {
      if (watch.from > this.#revision) continue;
      this.#awaited.add(watch);
      watch.ask();
      return;
    }
    this.#settle();
  }

  #askIncomplete(): void {
    this.#sounding = false;
    for (const watch of this.#watches()) {
      if (watch.from > this.#revision || watch.complete()) continue;
      this.#awaited.add(watch);
      watch.ask();
    }
  }

  #settle(): void {
    if (this.#awaited.size === 0 && this.#sounding) this.#askIncomplete();
    if (this.#awaited.size > 0) return;
    for (; this.#asked > 0; this.#asked--) this.#answer(this.#revision);
  }
}
