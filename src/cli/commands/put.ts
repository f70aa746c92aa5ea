/** `quorate put`: writes one key. One command; acknowledged at the durability of the engine. */
import { EXIT, type ExitCode } from "../exit-codes.ts";
import type { Flags } from "../flags.ts";
import { argumentBytes, jsonKeyValue, shown, standardInput } from "../output.ts";
import { callOptions, type Context, operand, withKeyspace } from "../context.ts";

export async function run(
  context: Context,
  operands: readonly string[],
  flags: Flags,
): Promise<ExitCode> {
  const escapes = flags.on("escapes");
  const key = argumentBytes(operand(operands, 0, "key"), escapes);
  const given = operand(operands, 1, "value (or - for standard input)");
  const value = given === "-" ? await standardInput() : argumentBytes(given, escapes);
  const lease = flags.id("lease");
  return await withKeyspace(context, async (keyspace) => {
    const answer = await keyspace.call(
      { kind: "put", key, value, lease, prevKv: flags.on("prev-kv") },
      callOptions(context),
    );
    if (context.terminal.format === "json") {
      const prevKv = answer.prevKv === undefined ? {} : { prevKv: jsonKeyValue(answer.prevKv) };
      context.terminal.json({ revision: answer.revision, ...prevKv });
    } else {
      context.terminal.line(`put at revision ${answer.revision}`);
      if (answer.prevKv !== undefined)
        context.terminal.line(`before: ${shown(answer.prevKv.value)}`);
    }
    return EXIT.ok;
  });
}
