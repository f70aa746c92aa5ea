/** `quorate del`: deletes keys. One command; nothing deleted is the answer "no" (exit 1). */
import { EXIT, type ExitCode } from "../exit-codes.ts";
import type { Flags } from "../flags.ts";
import { keyRange } from "../key-range.ts";
import { jsonKeyValue, shown } from "../output.ts";
import { callOptions, type Context, operand, withKeyspace } from "../context.ts";

export async function run(
  context: Context,
  operands: readonly string[],
  flags: Flags,
): Promise<ExitCode> {
  const range = keyRange(operand(operands, 0, "key"), flags);
  const prevKv = flags.on("prev-kv");
  return await withKeyspace(context, async (keyspace) => {
    const request = { kind: "deleteRange", ...range, prevKv } as const;
    const { revision, deleted, prevKvs } = await keyspace.call(request, callOptions(context));
    if (context.terminal.format === "json") {
      const before = prevKv ? { prevKvs: prevKvs.map(jsonKeyValue) } : {};
      context.terminal.json({ revision, deleted, ...before });
    } else {
      context.terminal.line(`deleted ${deleted} at revision ${revision}`);
      for (const kv of prevKvs)
        context.terminal.line(`before: ${shown(kv.key)} = ${shown(kv.value)}`);
    }
    return deleted === 0 ? EXIT.no : EXIT.ok;
  });
}
