/**
 * What a peer may make us do for nothing.
 *
 * Invariants: I1 streams that come to nothing (reset by the client, or by us for its mistakes, or refused) and frames without
 * use are rare or end the connection. I2 what waits unsent or unread by the peer is bounded.
 * Sources: CVE-2023-44487 (rapid reset), CVE-2025-8671 (made you reset), CVE-2019-9512 to 9518 (floods), CVE-2024-27316
 * (CONTINUATION; see `header-blocks.ts`).
 */
import { Allowance } from "../../base/allowance.ts";
import { CODE, demand } from "./errors.ts";
import { STREAMS_MAX } from "./settings.ts";

/** A client that gives up all its calls at once is honest. */
const RESETS_AT_ONCE: number = STREAMS_MAX;
const RESETS_PER_SECOND = 1_000;
/** SETTINGS, PRIORITY, DATA without content, frames of unknown types. */
const IDLE_AT_ONCE = 1_000;
const IDLE_PER_SECOND = 100;
/** Frames that the peer does not take. */
const OUTPUT_BYTES_MAX: number = 4 << 20;
/** Content of answers that waits: beyond the first, new calls are refused; beyond the second, all end. */
const QUEUED_BYTES_FULL: number = 64 << 20;
const QUEUED_BYTES_MAX: number = 256 << 20;

export class Guard {
  readonly #resets = new Allowance(RESETS_AT_ONCE, RESETS_PER_SECOND);
  readonly #idle = new Allowance(IDLE_AT_ONCE, IDLE_PER_SECOND);
  readonly #isTooMuch: () => boolean;
  /** Of what is being read. */
  nowMs = 0;

  /** `isTooMuch` is asked whenever a stream came to nothing: whether that was one too many of whoever this is. */
  constructor(isTooMuch: () => boolean = () => false) {
    this.#isTooMuch = isTooMuch;
  }

  /** A stream came to nothing. Throws `ConnectionError`. */
  wasted(): void {
    const allowed = this.#resets.spend(this.nowMs) && !this.#isTooMuch();
    demand(allowed, CODE.enhanceYourCalm, "too many streams for nothing");
  }

  /** A frame had no use. Throws `ConnectionError`. */
  idled(): void {
    demand(this.#idle.spend(this.nowMs), CODE.enhanceYourCalm, "too many frames for nothing");
  }

  /** Throws `ConnectionError`. */
  unread(bytes: number): void {
    demand(bytes <= OUTPUT_BYTES_MAX, CODE.enhanceYourCalm, "too much that is not read");
  }

  /** Whether so much waits that new calls are refused. */
  full(queuedBytes: number): boolean {
    return queuedBytes > QUEUED_BYTES_FULL;
  }

  /** Whether so much waits for all other streams that one more cannot wait. */
  overfull(queuedBytes: number): boolean {
    return queuedBytes > QUEUED_BYTES_MAX;
  }
}
