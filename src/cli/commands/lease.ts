/**
 * `quorate lease grant|revoke|show|list`: leases by hand, for `put --lease` and for looking at what
 * exists.
 */
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { type Flags, idOf, integerOf } from "../flags.ts";
import { hex, jsonBytes, shown } from "../output.ts";
import { callOptions, type Context, operand, withKeyspace } from "../context.ts";

export async function grant(
  context: Context,
  operands: readonly string[],
  flags: Flags,
): Promise<ExitCode> {
  const ttlMs = integerOf("ttl", operand(operands, 0, "ttl"), 1) * 1000;
  const id = flags.id("id") ?? 0n;
  return await withKeyspace(context, async (keyspace) => {
    const answer = await keyspace.call({ kind: "leaseGrant", id, ttlMs }, callOptions(context));
    const said = `lease ${hex(answer.id)} granted for ${answer.ttlMs / 1000} s`;
    say(context, said, { lease: hex(answer.id), ttlMs: answer.ttlMs });
    return EXIT.ok;
  });
}

export async function revoke(context: Context, operands: readonly string[]): Promise<ExitCode> {
  const id = idOf("lease", operand(operands, 0, "lease"));
  return await withKeyspace(context, async (keyspace) => {
    const { revision } = await keyspace.call({ kind: "leaseRevoke", id }, callOptions(context));
    say(context, `lease ${hex(id)} revoked`, { lease: hex(id), revision });
    return EXIT.ok;
  });
}

export async function show(context: Context, operands: readonly string[]): Promise<ExitCode> {
  const id = idOf("lease", operand(operands, 0, "lease"));
  return await withKeyspace(context, async (keyspace) => {
    const request = { kind: "leaseTimeToLive", id, keys: true } as const;
    const answer = await keyspace.call(request, callOptions(context));
    if (answer.ttlMs < 0) {
      say(context, `lease ${hex(id)} does not exist`, { lease: hex(id), ttlMs: -1 });
      return EXIT.no;
    }
    const { ttlMs, grantedTtlMs, keys } = answer;
    const left = `${(ttlMs / 1000).toFixed(1)} s left of ${grantedTtlMs / 1000} s`;
    const held = keys.length === 0 ? "no keys" : `keys ${keys.map(shown).join(", ")}`;
    const document = { lease: hex(id), ttlMs, grantedTtlMs, keys: keys.map(jsonBytes) };
    say(context, `lease ${hex(id)}: ${left}, ${held}`, document);
    return EXIT.ok;
  });
}

export async function list(context: Context): Promise<ExitCode> {
  return await withKeyspace(context, async (keyspace) => {
    const { ids } = await keyspace.call({ kind: "leases" }, callOptions(context));
    if (context.terminal.format === "json") context.terminal.json({ leases: ids.map(hex) });
    else for (const id of ids) context.terminal.line(hex(id));
    return EXIT.ok;
  });
}

function say(context: Context, line: string, document: unknown): void {
  if (context.terminal.format === "json") context.terminal.json(document);
  else context.terminal.line(line);
}
