/** The commitment plane of one connection: its keyspace, its session, and what keeps the process alive. */
import { setMaxListeners } from "node:events";
import { fail } from "../base/errors.ts";
import type { Bytes } from "../base/bytes.ts";
import type { Guarantee } from "../contract/guarantee.ts";
import type { Keyspace } from "../contract/keyspace.ts";
import type { CommitmentPlane, Identity, Session } from "../contract/plane.ts";
import { requireTimeout } from "../engines/pending.ts";
import { hostClock } from "../host/clock.ts";
import { hostEntropy } from "../host/entropy.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { OwnedSession } from "../mechanisms/membership/session/session.ts";
import { openSession } from "../mechanisms/membership/session/session.ts";

export interface PlaneOptions {
  readonly identity: Identity;
  readonly sessionTtlMs: number;
  /** The time and the randomness of this process; default the host's. */
  readonly clock?: Clock | undefined;
  readonly entropy?: Entropy | undefined;
  /** A consistency that is accepted for mechanisms that need more. */
  readonly accept?: Guarantee["consistency"] | undefined;
  /** Told of each session that is opened. */
  readonly onSession?: ((plane: CommitmentPlane, session: Session) => void) | undefined;
}

/** A plane that its connection can close. */
export interface OwnedPlane extends CommitmentPlane {
  /** Calls `listener` when a session is lost, not when it is closed. Returns how to stop. */
  onLost(listener: (reason: unknown) => void): () => void;
  /** `because`: why or where, for whoever calls later. */
  close(because: string | undefined): Promise<void>;
}

/** A timer that fires so rarely that its only effect is to keep the process alive. */
const ALIVE_MS = 0x7fff_ffff;

export function commitmentPlane(keyspace: Keyspace, options: PlaneOptions): OwnedPlane {
  const { clock = hostClock, entropy = hostEntropy } = options;
  const closing = new AbortController();
  let opening: Promise<OwnedSession> | undefined;
  let current: OwnedSession | undefined;
  let busyCount = 0;
  const alive = keeper(clock);
  const lostListeners = new Set<(reason: unknown) => void>();
  const attend = (opened: OwnedSession): OwnedSession => {
    const { signal } = opened;
    const onLost = (): void => {
      if (!closing.signal.aborted) for (const listener of lostListeners) listener(signal.reason);
    };
    signal.addEventListener("abort", onLost, { once: true });
    current = opened;
    options.onSession?.(plane, opened);
    return opened;
  };

  const session = async (signal?: AbortSignal, timeoutMs?: number): Promise<Session> => {
    if (closing.signal.aborted) throw closing.signal.reason;
    requireTimeout(`session at ${keyspace.label}`, timeoutMs);
    if (current !== undefined && !current.signal.aborted) return current;
    opening ??= openSession(keyspace, clock, { ttlMs: options.sessionTtlMs })
      .then(attend)
      .finally(() => {
        opening = undefined;
      });
    // Whoever waited may have given up by the time it fails.
    opening.catch(() => {});
    current = await within(opening, clock, signal, timeoutMs);
    return current;
  };
  const plane: OwnedPlane = {
    keyspace,
    clock,
    entropy,
    identity: options.identity,
    accept: options.accept,
    prefix: "" as Bytes,
    session,
    onLost: (listener) => {
      lostListeners.add(listener);
      return () => lostListeners.delete(listener);
    },
    closing: closing.signal,
    busy: () => {
      busyCount++;
      alive.hold(true);
      let counted = true;
      return () => {
        if (!counted) return;
        counted = false;
        if (--busyCount > 0) return;
        alive.hold(false);
      };
    },
    follow,
    close: async (because) => {
      closing.abort(closed(keyspace.label, because));
      const session = current ?? (await opening?.catch(() => undefined));
      await session?.end();
      alive.letGo();
    },
  };
  return plane;
}

function closed(object: string, because: string | undefined): Error {
  const what = `this connection has been closed${because === undefined ? "" : `, ${because}`}`;
  return fail("CLOSED", { object, what, remedy: "Connect again, or close it later." });
}

/** What keeps the process alive while it holds: a timer, again and again. Once let go for good it never holds again. */
function keeper(clock: Clock): { hold(hold: boolean): void; letGo(): void } {
  let cancel: Cancel | undefined;
  let isOver = false;
  const arm = (): void => {
    cancel = clock.after(ALIVE_MS, arm);
  };
  const hold = (hold: boolean): void => {
    if (isOver || hold === (cancel !== undefined)) return;
    if (hold) return arm();
    cancel?.();
    cancel = undefined;
  };
  const letGo = (): void => {
    hold(false);
    isOver = true;
  };
  return { hold, letGo };
}

/** Waits for a shared attempt; aborting, or the end of the time, stops this wait, not the attempt, which others need. */
function within<T>(
  attempt: Promise<T>,
  clock: Clock,
  signal: AbortSignal | undefined,
  timeoutMs: number | undefined,
): Promise<T> {
  if (signal === undefined && timeoutMs === undefined) return attempt;
  return new Promise((resolve, reject) => {
    const giveUp = (code: "ABORTED" | "TIMEOUT", what: string): void => {
      const remedy = "Nothing is held; try again.";
      const said = { object: "session", what, remedy, outcome: "definite" } as const;
      reject(fail(code, said, signal?.reason));
    };
    const onAbort = (): void => giveUp("ABORTED", "was aborted while its session was being opened");
    if (signal?.aborted === true) return onAbort();
    const cancel =
      timeoutMs === undefined
        ? undefined
        : clock.after(timeoutMs, () =>
            giveUp("TIMEOUT", `no session was opened within ${timeoutMs} ms`),
          );
    signal?.addEventListener("abort", onAbort, { once: true });
    attempt.then(resolve, reject).finally(() => {
      cancel?.();
      signal?.removeEventListener("abort", onAbort);
    });
  });
}

function follow(signals: readonly (AbortSignal | undefined)[]): {
  readonly signal: AbortSignal;
  readonly stop: () => void;
} {
  const controller = new AbortController();
  const stops: (() => void)[] = [];
  const stop = (): void => {
    for (const each of stops.splice(0)) each();
  };
  for (const signal of signals) {
    if (signal === undefined) continue;
    // One session's signal is followed by everything that it holds: many listeners are no leak here.
    setMaxListeners(0, signal as unknown as EventTarget);
    const onAbort = (): void => {
      controller.abort(signal.reason);
      stop();
    };
    if (signal.aborted) {
      onAbort();
      break;
    }
    signal.addEventListener("abort", onAbort, { once: true });
    stops.push(() => signal.removeEventListener("abort", onAbort));
  }
  return { signal: controller.signal, stop };
}
