/**
 * The clients of a storm: each does one kind of work on the keys of one window, over and over, and everything that it
 * asks and is told is recorded.
 */
import { text, utf8 } from "../../src/base/bytes.ts";
import type { Prng } from "../../src/base/prng.ts";
import type { Quorate } from "../../src/sdk/index.ts";
import type { Scope } from "../../src/verify/history/history.ts";
import type { Recording } from "../cluster/recording.ts";
import { drawnCall } from "../cluster/recording.ts";
import type { Pace } from "./pace.ts";

const KEYS = 6;
const LOCKS = 2;
/** How long who wants a lock waits for it, ms: some are answered that it is not theirs. */
const LOCK_WAIT_MS = 500;
/** How long a watch is open that is opened again and again, ms. */
const PART_MS = 2_000;

/** What the clients of one window share. */
export interface Field {
  readonly recording: Recording;
  /** Names of the window's keys, locks and counter begin with it. */
  readonly prefix: string;
  readonly scope: Scope;
  readonly pace: Pace;
  /** Whether the window is to end. */
  readonly isOver: () => boolean;
}

export interface Client {
  readonly name: string;
  readonly q: Quorate;
  readonly random: Prng;
}

/** Reads and writes single keys and the whole range, at random. */
export async function editor(field: Field, { name, q, random }: Client): Promise<void> {
  for (let count = 0; !field.isOver(); count++) {
    await field.pace.turn();
    await field.recording.call(
      name,
      q.commitment.keyspace,
      drawnCall(random, field, KEYS, `${name}-${count}`),
    );
  }
}

/** How often a counter was certainly, and perhaps once more, counted up. */
export interface Counted {
  certainly: number;
  perhaps: number;
}

export function counterKey(prefix: string): ReturnType<typeof utf8> {
  return utf8(`${prefix}counter`);
}

/** Counts up: reads, and writes one more unless somebody else has. */
export async function counter(
  { recording, prefix, pace, isOver }: Field,
  { name, q }: Client,
  counted: Counted,
): Promise<void> {
  const key = counterKey(prefix);
  const { keyspace } = q.commitment;
  while (!isOver()) {
    await pace.turn();
    const read = await recording.call(name, keyspace, { kind: "range", key });
    if (read === undefined) continue;
    const [kv] = read.kvs;
    const target = { kind: "mod", value: kv?.modRevision ?? 0 } as const;
    const value = utf8(String(Number(kv === undefined ? 0 : text(kv.value)) + 1));
    await pace.turn();
    const answer = await recording.call(name, keyspace, {
      kind: "txn",
      compare: [{ key, result: "equal", target }],
      success: [{ kind: "put", key, value }],
      failure: [],
    });
    if (answer === undefined) counted.perhaps++;
    else if (answer.succeeded) counted.certainly++;
  }
}

/** Takes a lock, holds it over a write, and gives it back. */
export async function locker(
  { recording, prefix, pace, isOver }: Field,
  { name, q, random }: Client,
): Promise<void> {
  while (!isOver()) {
    await pace.turn();
    const lock = `${prefix}${random.below(LOCKS)}`;
    const acquired = await recording.operation(
      name,
      { kind: "acquire", name: lock },
      () => q.lock(lock).tryAcquire({ waitMs: LOCK_WAIT_MS }),
      (held) => ({ token: held.ok ? held.token : null }),
    );
    if (acquired?.ok !== true) continue;
    const { token } = acquired;
    await pace.turn();
    // What it certainly owned until now, by its own account.
    const held = acquired.remainingMs() > 0;
    if (!held) recording.record({ type: "lost", process: name, name: lock, token });
    await recording.operation(
      name,
      { kind: "release", name: lock, token },
      () => acquired.release(),
      () => ({ held }),
    );
  }
}

/** Watches the window's keys without an end, and again and again for a while, going on where it was. */
export async function watchers(
  { recording, scope, isOver }: Field,
  { name, q }: Client,
  from: number,
  done: { readonly signal: AbortSignal; readonly seen: (revision: number) => void },
): Promise<void> {
  const { keyspace } = q.commitment;
  const whole = recording.watch(
    { process: name, watch: `${name}-whole` },
    keyspace,
    scope,
    from,
    done.signal,
    done.seen,
  );
  let next = from;
  for (let turn = 0; !isOver(); turn++) {
    const part = new AbortController();
    setTimeout(() => part.abort(), PART_MS);
    await recording.watch(
      {
        process: name,
        watch: `${name}-${turn}`,
        resumes: turn === 0 ? undefined : `${name}-${turn - 1}`,
      },
      keyspace,
      scope,
      next,
      part.signal,
      (revision) => (next = revision + 1),
    );
  }
  await whole;
}
