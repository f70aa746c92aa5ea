/**
 * One of several processes on one data directory: `member.js DIRECTORY NAME TTL_MS`. It holds a lock of its own, takes a
 * shared one in turn, and sends commands that must happen once: each creates a key of its own number.
 */
import { writeSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { text, utf8 } from "../../src/base/bytes.ts";
import { connect, QuorateError } from "../../src/sdk/index.ts";
import { END, listKey } from "./layout.ts";
import type { FromMember, ToMember } from "./messages.ts";

const IN_FLIGHT = 4;
/** Shorter than the time between two kills: a take-over gives every lease its time again. */
const SHARED_TTL_MS = 1_000;
/** Keeps the store of a long run small: it is read at every take-over. */
const PACE_MS = 40;
/** A command may take as long as it takes to find whoever serves. */
const PATIENT = { timeoutMs: 60_000 };
const [directory = "", name = "", ttlMs = "10000"] = process.argv.slice(2);

let ending = false;
const waiting = new Map<number, () => void>();
process.on("message", (message: ToMember) => {
  if (message.kind === "go") waiting.get(message.id)?.();
  else ending = true;
});
process.on("uncaughtException", (error) => {
  writeSync(2, `${name}: ${error.stack ?? error.message}\n`);
  process.exit(1);
});

function say(message: FromMember): void {
  if (process.connected) process.send?.(message);
}

type Held = { readonly token: number; readonly signal: AbortSignal };
let asked = 0;
function ask(kind: "enter" | "leave", { token, signal }: Held): Promise<void> {
  const id = ++asked;
  say({ kind, id, token, lost: signal.aborted });
  return new Promise((resolve) => waiting.set(id, resolve));
}

const q = await connect(`file:${directory}`, { service: name, sessionTtlMs: Number(ttlMs) });
const { keyspace } = q.commitment;
const own = await q.lock(`own/${name}`).acquire(PATIENT);
say({ kind: "held", token: own.token });

let sent = 0;
async function command(): Promise<void> {
  const number = ++sent;
  const from = performance.now();
  await keyspace.call({ kind: "put", key: listKey(name, number), value: utf8(name) }, PATIENT);
  say({ kind: "done", number, tookMs: performance.now() - from });
}

async function work(): Promise<void> {
  while (!ending) {
    await command();
    await setTimeout(PACE_MS);
  }
}

/** By a session of its own that a killed owner does not keep for long; it may end while nobody serves. */
async function take(): Promise<void> {
  const quick = await connect(`file:${directory}`, { service: name, sessionTtlMs: SHARED_TTL_MS });
  while (!ending) {
    try {
      const held = await quick.lock("shared").tryAcquire({ waitMs: 500, ...PATIENT });
      if (!held.ok) continue;
      await ask("enter", held);
      await ask("leave", held);
      await held.release();
    } catch (error) {
      if (!QuorateError.is(error, "LOST") && !QuorateError.is(error, "EXPIRED")) throw error;
    }
    await setTimeout(PACE_MS);
  }
  await quick.close();
}

const seen: number[] = [];
let last = Infinity;
async function see(): Promise<void> {
  const range = { key: listKey(name, ""), end: listKey(name, END) };
  for await (const { events } of keyspace.watch({ ...range, startRevision: 1 }))
    for (const { kv } of events) {
      seen.push(Number(text(kv.key).split("/").at(-1)));
      if (seen.at(-1) === last) return;
    }
}

const seeing = see();
await Promise.all([take(), ...Array.from({ length: IN_FLIGHT }, work)]);
last = sent + 1;
await command();
await seeing;
say({ kind: "ended", sent, seen, lost: own.signal.aborted });
await q.close();
process.disconnect();
