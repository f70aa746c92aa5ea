/**
 * A process that contends for one lock and shows each ownership to the checking resource, which is its parent:
 * `contender.js URL CONTENDERS TTL_MS MODE`.
 */
import { once } from "node:events";
import { connect } from "../../src/sdk/index.ts";
import type { FromContender, ToContender } from "./messages.ts";

const [url = "", contenders = "1", ttlMs = "10000", mode = "loop"] = process.argv.slice(2);
const q = await connect(url, { service: `contender-${process.pid}`, sessionTtlMs: Number(ttlMs) });
const waiting = new Map<number, (answer: ToContender) => void>();
let nextId = 0;
process.on("message", (answer: ToContender) => {
  waiting.get(answer.id)?.(answer);
  waiting.delete(answer.id);
});

function ask(message: Omit<FromContender, "id">): Promise<ToContender> {
  const id = nextId++;
  process.send?.({ ...message, id });
  return new Promise((resolve) => waiting.set(id, resolve));
}

async function contend(number: number): Promise<void> {
  const holder = `${process.pid}/${number}`;
  for (;;) {
    const held = await q.lock("contended").acquire();
    const { more } = await ask({ kind: "enter", token: held.token, holder });
    await ask({ kind: "leave", token: held.token, holder });
    await held.release();
    if (!more) return;
  }
}

/** Holds, is stopped by the parent, and tells what it finds when it goes on. */
async function hold(): Promise<void> {
  const told = once(process, "SIGUSR2");
  const held = await q.lock("contended").acquire();
  const holder = `${process.pid}/0`;
  await ask({ kind: "enter", token: held.token, holder });
  await told;
  const aborted = held.signal.aborted;
  const code = aborted ? (held.signal.reason as { code: string }).code : "";
  await ask({ kind: "late", token: held.token, holder, aborted, code });
}

if (mode === "hold") await hold();
else await Promise.all(Array.from({ length: Number(contenders) }, (_, number) => contend(number)));
await q.close();
process.disconnect();
