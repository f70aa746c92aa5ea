/**
 * `quorate get` and `quorate range`: read keys. One linearizable range request; nothing found is the answer "no" (exit
 * 1).
 */
import { EXIT, type ExitCode } from "../exit-codes.ts";
import type { Flags } from "../flags.ts";
import { type KeyRange, keyRange } from "../key-range.ts";
import type { Bytes } from "../../base/bytes.ts";
import { fail } from "../../base/errors.ts";
import type { RangeRequest, RangeResponse, SortTarget } from "../../contract/requests.ts";
import { OPEN_END } from "../../contract/requests.ts";
import { argumentBytes, hex, jsonBytes, jsonKeyValue, shown, table } from "../output.ts";
import { callOptions, type Context, operand, withKeyspace } from "../context.ts";

export async function run(
  context: Context,
  operands: readonly string[],
  flags: Flags,
): Promise<ExitCode> {
  return await read(context, keyRange(operand(operands, 0, "key"), flags), flags, undefined);
}

/** From a key up to, not including, another, or to the end; in any order. */
export async function range(
  context: Context,
  operands: readonly string[],
  flags: Flags,
): Promise<ExitCode> {
  const bytes = (at: number): Bytes => argumentBytes(operands[at] ?? "", flags.on("escapes"));
  // No key is empty: the least one is a single zero byte.
  const key = operands[0] === undefined || operands[0] === "" ? OPEN_END : bytes(0);
  const end = operands[1] === undefined ? OPEN_END : bytes(1);
  return await read(context, { key, end }, flags, sortOf(flags));
}

const TARGETS: readonly SortTarget[] = ["key", "version", "create", "mod", "value"];

function sortOf(flags: Flags): RangeRequest["sort"] {
  const target = TARGETS.find((each) => each === (flags.text("sort-by") ?? "key"));
  if (target === undefined) {
    const what = `${JSON.stringify(flags.text("sort-by"))} is nothing to sort by`;
    throw fail("INVALID", { object: "--sort-by", what, remedy: `Give ${TARGETS.join(", ")}.` });
  }
  return { target, order: flags.on("descend") ? "descend" : "ascend" };
}

async function read(
  context: Context,
  range: KeyRange,
  flags: Flags,
  sort: RangeRequest["sort"],
): Promise<ExitCode> {
  const revision = flags.integer("rev", 1);
  const limit = flags.integer("limit", 1);
  return await withKeyspace(context, async (keyspace) => {
    const answer = await keyspace.call(
      {
        kind: "range",
        ...range,
        revision,
        limit,
        sort,
        minModRevision: flags.integer("min-mod-rev"),
        maxModRevision: flags.integer("max-mod-rev"),
        minCreateRevision: flags.integer("min-create-rev"),
        maxCreateRevision: flags.integer("max-create-rev"),
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
