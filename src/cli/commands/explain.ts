/**
 * `quorate explain [KIND/]NAME`: who holds it, who waits, and why. Reads only; changes and holds
 * nothing.
 */
import { utf8 } from "../../base/bytes.ts";
import { connected, type Context, operand } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { shown } from "../output.ts";
import type { Flags } from "../flags.ts";
import type { Explanation } from "../../mechanisms/selection/contention/explain.ts";
import type { Quorate } from "../../sdk/index.ts";

const KINDS = ["lock", "rwlock", "semaphore", "election"] as const;
type Kind = (typeof KINDS)[number];

/** What there is to say of one kind. */
type Found =
  | ({ readonly kind: Kind } & Pick<Explanation, "holders" | "waiters">)
  | { readonly kind: Kind; readonly contenders: readonly object[]; readonly note: string };

export async function run(
  context: Context,
  operands: readonly string[],
  flags: Flags,
): Promise<ExitCode> {
  const { kinds, name } = wanted(operand(operands, 0, "name"));
  const permits = flags.integer("permits", 1);
  return await connected(context, async (q) => {
    const found: Found[] = [];
    for (const kind of kinds) {
      const explained = await explainAs(q, kind, name, permits);
      if (explained !== undefined) found.push(explained);
    }
    if (context.terminal.format === "json") {
      context.terminal.json({ name, found });
    } else {
      for (const { kind, ...rest } of found) print(context, `${kind} ${name}`, rest);
      if (found.length === 0) context.terminal.note(`${name}: nobody holds it, nobody waits`);
    }
    return found.length === 0 ? EXIT.no : EXIT.ok;
  });
}

/** `orders/42` is every kind of that name; `lock/orders/42` the lock alone. */
export function wanted(topic: string): { readonly kinds: readonly Kind[]; readonly name: string } {
  const cut = topic.indexOf("/");
  const kind = KINDS.find((each) => each === topic.slice(0, Math.max(0, cut)));
  return kind === undefined
    ? { kinds: KINDS, name: topic }
    : { kinds: [kind], name: topic.slice(cut + 1) };
}

async function explainAs(
  q: Quorate,
  kind: Kind,
  name: string,
  permits: number | undefined,
): Promise<Found | undefined> {
  const { holders, waiters } = await explanationOf(q, kind, name, permits ?? 1);
  if (holders.length + waiters.length === 0) return undefined;
  if (kind !== "semaphore" || permits !== undefined) return { kind, holders, waiters };
  // How many permits there are is known to its users alone: without it nobody can say who owns.
  const contenders = [...holders, ...waiters].map(({ who, token, weight }) => ({
    who,
    token,
    weight,
  }));
  return { kind, contenders, note: "give --permits to tell holders from waiters" };
}

async function explanationOf(
  q: Quorate,
  kind: Kind,
  name: string,
  permits: number,
): Promise<Explanation> {
  switch (kind) {
    case "lock":
      return await q.lock(name).explain();
    case "rwlock":
      return await q.rwlock(name).explain();
    case "semaphore":
      return await q.semaphore(name, { permits }).explain();
    case "election":
      return await q.election(name).explain();
  }
}

function print(context: Context, title: string, explanation: object): void {
  context.terminal.line(title);
  for (const line of outline(explanation, "  ")) context.terminal.line(line);
}

/** Nested data as indented lines: `name: value`, lists numbered from 1. */
export function outline(value: object, indent: string): readonly string[] {
  return Object.entries(value).flatMap(([name, part]: [string, unknown]) => {
    const label = Array.isArray(value) ? String(Number(name) + 1) : name;
    if (part === undefined || part === null) return [];
    if (typeof part !== "object") return [`${indent}${label}: ${scalar(part)}`];
    const lines = outline(part, `${indent}  `);
    return lines.length === 0 ? [] : [`${indent}${label}:`, ...lines];
  });
}

function scalar(value: unknown): string {
  return typeof value === "string" ? shown(utf8(value)) : String(value);
}
