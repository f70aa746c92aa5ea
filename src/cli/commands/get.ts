/**
 * `quorate get`: reads keys. One linearizable range request; nothing found is the answer "no" (exit
 * 1).
 */
import { EXIT, type ExitCode } from "../exit-codes.ts";
import type { Flags } from "../flags.ts";
import { keyRange } from "../key-range.ts";
import type { RangeResponse } from "../../contract/requests.ts";
import { hex, jsonBytes, jsonKeyValue, shown, table } from "../output.ts";
import { callOptions, type Context, operand, withKeyspace } from "../context.ts";

export async function run(
  context: Context,
  operands: readonly string[],
  flags: Flags,
): Promise<ExitCode> {
  const range = keyRange(operand(operands, 0, "key"), flags);
  const revision = flags.integer("rev", 1);
  const limit = flags.integer("limit", 1);
  return await withKeyspace(context, async (keyspace) => {
    const answer = await keyspace.call(
      {
        kind: "range",
        ...range,
        revision,
        limit,
        keysOnly: flags.on("keys-only"),
        countOnly: flags.on("count-only"),
        consistency: flags.on("serializable") ? "serializable" : "linearizable",
      },
      callOptions(context),
    );
    await print(context, answer, flags);
    return answer.count === 0 ? EXIT.no : EXIT.ok;
  });
}

async function print(context: Context, answer: RangeResponse, flags: Flags): Promise<void> {
  const { terminal } = context;
  if (flags.on("raw")) {
    for (const kv of answer.kvs) terminal.raw(kv.value);
    return;
  }
  if (terminal.format === "json") {
    const { revision, count, more } = answer;
    const keysOnly = flags.on("keys-only");
    const kvs = answer.kvs.map((kv) => (keysOnly ? { key: jsonBytes(kv.key) } : jsonKeyValue(kv)));
    terminal.json({ revision, count, more, kvs });
    return;
  }
  if (flags.on("count-only")) return terminal.line(String(answer.count));
  if (flags.on("keys-only")) {
    for (const kv of answer.kvs) terminal.line(shown(kv.key));
  } else if (answer.kvs.length > 0) {
    const rows = answer.kvs.map((kv) => [
      shown(kv.key),
      shown(kv.value),
      String(kv.modRevision),
      String(kv.version),
      kv.lease === 0n ? "-" : hex(kv.lease),
    ]);
    terminal.line(await table(["KEY", "VALUE", "REVISION", "VERSION", "LEASE"], rows));
  } else {
    terminal.note(`not found (revision ${answer.revision})`);
  }
  if (answer.more) terminal.note(`${answer.count} keys in all; raise --limit to see more`);
}
