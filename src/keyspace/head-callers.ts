/**
 * Callers at the head: whether a stamped command is new, and the reply that it had if it is not.
 *
 * Invariants: I1 a sequence that was answered is not evaluated again: it gets that answer, or an error that says why not.
 * I2 an unknown caller is refused, never created by being used. I3 a caller's answers are for the user alone who opened it.
 * Source: Lee et al., RIFL (SOSP 2015) §3–4.
 */
import type { Failure } from "../base/errors.ts";
import { fail, failure } from "../base/errors.ts";
import type { Identity } from "../contract/auth.ts";
import type { CallerStamp, Reply } from "../contract/requests.ts";
import { Answered } from "./answered.ts";
import type { Authority } from "./auth/authority.ts";
import { ownerOf } from "./auth/authority.ts";
import type { Base } from "./base.ts";
import type { MetaChange } from "./effects.ts";
import type { Overlay } from "./overlay.ts";

/** Commands of one caller whose replies are kept. */
const CALLER_WINDOW_MAX = 4_096;
/** Keyspace time after which an answer is logged though nothing was changed. */
const SIGN_OF_LIFE_MS = 30_000;

export class HeadCallers {
  readonly #base: Base;
  readonly #overlay: Overlay;
  readonly #authority: Authority;
  readonly #answered = new Answered();

  constructor(base: Base, overlay: Overlay, authority: Authority) {
    this.#base = base;
    this.#overlay = overlay;
    this.#authority = authority;
  }

  /** What a command with this stamp is answered without being evaluated; undefined: it is new. */
  recall(stamp: CallerStamp, identity: Identity): Reply | undefined {
    if (!this.#owned(stamp.id, identity)) return { ok: false, failure: callerUnknown(stamp) };
    const lowest = this.#answered.acknowledge(stamp, this.#base.callers.get(stamp.id));
    if (this.#answered.isNew(stamp)) return beyondWindow(stamp);
    const known = this.#overlay.reply(stamp.id, stamp.sequence) ?? this.#answered.get(stamp);
    if (known !== undefined) return known;
    if (stamp.sequence < lowest) return { ok: false, failure: forgotten(stamp) };
    return beyondWindow(stamp);
  }

  /** Keeps an answer of which the log has no record. */
  keep(stamp: CallerStamp, reply: Reply): void {
    this.#answered.keep(stamp, reply);
  }

  /** Whether the log must hear of the caller, lest one that only asks and never changes anything pass for idle. */
  isSignDue(stamp: CallerStamp, time: number): boolean {
    const known = this.#base.callers.get(stamp.id);
    return known !== undefined && time - known.lastTime > SIGN_OF_LIFE_MS;
  }

  /** Opening again must not forget the replies: an opening can be sent twice like anything else. */
  open(id: bigint, identity: Identity): readonly MetaChange[] {
    if (this.#overlay.caller(id) === undefined) {
      const owner = ownerOf(identity);
      return [owner === "" ? { kind: "callerOpened", id } : { kind: "callerOwned", id, owner }];
    }
    this.#demandOwned(id, identity);
    return [];
  }

  close(id: bigint, identity: Identity): readonly MetaChange[] {
    if (this.#overlay.caller(id) !== undefined) this.#demandOwned(id, identity);
    this.forget(id);
    return [{ kind: "callerClosed", id }];
  }

  /** The caller is being closed. */
  forget(id: bigint): void {
    this.#answered.forget(id);
  }

  #owned(id: bigint, identity: Identity): boolean {
    const owner = this.#overlay.caller(id);
    return owner !== undefined && this.#authority.owns(identity, owner);
  }

  #demandOwned(id: bigint, identity: Identity): void {
    if (this.#owned(id, identity)) return;
    throw fail("PERMISSION_DENIED", {
      object: `caller ${id.toString(16)}`,
      what: "was opened by another user",
      remedy: "Open a caller under another id.",
    });
  }
}

function beyondWindow(stamp: CallerStamp): Reply | undefined {
  if (stamp.sequence - stamp.firstUnacked < CALLER_WINDOW_MAX) return undefined;
  return { ok: false, failure: windowFull(stamp) };
}

function callerUnknown(stamp: CallerStamp): Failure {
  return failure("CALLER_UNKNOWN", {
    object: `caller ${stamp.id.toString(16)}`,
    what: `is not known, so whether command ${stamp.sequence} has happened cannot be told`,
    remedy: "Read the state, then decide; connect again to get a new caller.",
  });
}

function forgotten(stamp: CallerStamp): Failure {
  return failure("PROTOCOL", {
    object: `caller ${stamp.id.toString(16)}`,
    what: `command ${stamp.sequence} was acknowledged before and is sent again`,
    remedy: "Give each command a new sequence number.",
  });
}

function windowFull(stamp: CallerStamp): Failure {
  return failure("OVERLOADED", {
    object: `caller ${stamp.id.toString(16)}`,
    what: `has ${CALLER_WINDOW_MAX} commands without an acknowledged answer`,
    remedy: "Await answers before sending more.",
  });
}
