/**
 * `quorate compact`, `quorate defrag` and `quorate alarm list|clear`: what a person does with a store that is full, on a running server.
 */
import type { AlarmKind } from "../../contract/requests.ts";
import { ALARM_KINDS } from "../../contract/requests.ts";
import { fail, QuorateError } from "../../base/errors.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { integerOf } from "../flags.ts";
import { callOptions, type Context, operand, withKeyspace } from "../context.ts";

export async function compact(context: Context, operands: readonly string[]): Promise<ExitCode> {
  const given = operands[0] === undefined ? undefined : integerOf("revision", operands[0], 1);
  return await withKeyspace(context, async (keyspace) => {
    const options = callOptions(context);
    const revision = given ?? (await keyspace.call({ kind: "status" }, options)).revision;
    try {
      await keyspace.call({ kind: "compact", revision, physical: true }, options);
    } catch (error) {
      // Nothing has been written since the last time: what was asked for is so.
      if (given !== undefined || !QuorateError.is(error, "COMPACTED")) throw error;
    }
    if (context.terminal.format === "json") context.terminal.json({ compactRevision: revision });
    else context.terminal.line(`compacted to revision ${revision}`);
    return EXIT.ok;
  });
}

/** What etcd needs after a compaction and this store does not: it says how much is used and that nothing is lost to holes. */
export async function defrag(context: Context): Promise<ExitCode> {
  return await withKeyspace(context, async (keyspace) => {
    const { bytes, quotaBytes } = await keyspace.call({ kind: "status" }, callOptions(context));
    if (context.terminal.format === "json") context.terminal.json({ bytes, quotaBytes, freed: 0 });
    else
      context.terminal.line(`nothing to do: ${bytes} bytes are in use, compaction leaves no holes`);
    return EXIT.ok;
  });
}

export async function list(context: Context): Promise<ExitCode> {
  return await alarm(context, "get", undefined);
}

export async function clear(context: Context, operands: readonly string[]): Promise<ExitCode> {
  const given = operand(operands, 0, "kind").toUpperCase();
  const kind = ALARM_KINDS.find((each) => each === given);
  if (kind === undefined) {
    const what = `${JSON.stringify(operands[0])} is no alarm`;
    throw fail("INVALID", {
      object: "kind",
      what,
      remedy: `Give one of ${ALARM_KINDS.join(", ")}.`,
    });
  }
  return await alarm(context, "deactivate", kind);
}

async function alarm(
  context: Context,
  action: "get" | "deactivate",
  kind: AlarmKind | undefined,
): Promise<ExitCode> {
  return await withKeyspace(context, async (keyspace) => {
    const request = { kind: "alarm", action, alarm: kind } as const;
    const { alarms } = await keyspace.call(request, callOptions(context));
    if (context.terminal.format === "json") context.terminal.json({ alarms });
    else context.terminal.line(alarms.length === 0 ? "no alarms" : alarms.join("\n"));
    return EXIT.ok;
  });
}
