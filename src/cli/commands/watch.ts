/**
 * `quorate watch`: prints each change of a range until it is interrupted (exit 0).
 *
 * Invariants: I1 no gap: the watch resumes over a reconnect, or the command fails with the revision
 * to go on from. I2 with JSON, one document per event and line.
 */
import type { WatchEvent } from "../../contract/keyspace.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import type { Flags } from "../flags.ts";
import { keyRange } from "../key-range.ts";
import { jsonBytes, jsonKeyValue, shown } from "../output.ts";
import { type Context, operand, withKeyspace } from "../context.ts";

export async function run(
  context: Context,
  operands: readonly string[],
  flags: Flags,
): Promise<ExitCode> {
  const range = keyRange(operand(operands, 0, "key"), flags);
  const startRevision = flags.integer("rev", 1);
  const events = flags.integer("events", 1) ?? Infinity;
  return await withKeyspace(context, async (keyspace) => {
    const watch = keyspace.watch(
      { ...range, startRevision, prevKv: flags.on("prev-kv") },
      { signal: context.interrupt },
    );
    const alive = setInterval(() => {}, 60_000);
    try {
      const since = await watch.ready.catch((error: unknown) => unlessInterrupted(context, error));
      if (since === undefined) return EXIT.ok;
      context.terminal.note(`watching from revision ${startRevision ?? since + 1}; ^C ends`);
      let seen = 0;
      for await (const batch of watch) {
        for (const event of batch.events) {
          print(context, event);
          if (++seen >= events) return EXIT.ok;
        }
      }
      return EXIT.ok;
    } finally {
      // An idle connection does not keep the process alive; the person who watches does.
      clearInterval(alive);
    }
  });
}

function unlessInterrupted(context: Context, error: unknown): undefined {
  if (!context.interrupt.aborted) throw error;
  return undefined;
}

function print(context: Context, event: WatchEvent): void {
  const { kind, kv, prevKv } = event;
  const { terminal } = context;
  if (terminal.format === "json") {
    const before = prevKv === undefined ? {} : { prevKv: jsonKeyValue(prevKv) };
    const after =
      kind === "put" ? jsonKeyValue(kv) : { key: jsonBytes(kv.key), modRevision: kv.modRevision };
    terminal.json({ kind, ...after, ...before });
    return;
  }
  const before = prevKv === undefined ? "" : `  (was ${shown(prevKv.value)})`;
  const value = kind === "put" ? ` = ${shown(kv.value)}` : "";
  terminal.line(`${kv.modRevision} ${kind} ${shown(kv.key)}${value}${before}`);
}
