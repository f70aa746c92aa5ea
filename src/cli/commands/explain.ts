/**
 * `quorate explain [KIND/]NAME`: who holds it, who waits, and why. Reads only; changes and holds
 * nothing.
 */
import { utf8 } from "../../base/bytes.ts";
import { NOUNS } from "../../mechanisms/explain.ts";
import type { Noun } from "../../mechanisms/explain.ts";
import { connected, type Context, operand } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { shown } from "../output.ts";

export async function run(context: Context, operands: readonly string[]): Promise<ExitCode> {
  const { noun, name } = wanted(operand(operands, 0, "name"));
  const { terminal, interrupt: signal, timeoutMs } = context;
  return await connected(context, async (q) => {
    const explained = await q.explain(name, { noun, signal, timeoutMs });
    const found = explained.map(({ noun: kind, ...rest }) => ({
      kind,
      ...rest,
    }));
    if (terminal.format === "json") {
      terminal.json({ name, found });
    } else {
      for (const { kind, ...rest } of found) print(context, `${kind} ${name}`, rest);
      if (found.length === 0) terminal.note(`${name}: nobody holds it, nobody waits`);
    }
    return found.length === 0 ? EXIT.no : EXIT.ok;
  });
}

/** `orders/42` is every kind of that name; `lock/orders/42` the lock alone. */
export function wanted(topic: string): { readonly noun: Noun | undefined; readonly name: string } {
  const cut = topic.indexOf("/");
  const noun = NOUNS.find((each) => each === topic.slice(0, Math.max(0, cut)));
  return { noun, name: noun === undefined ? topic : topic.slice(cut + 1) };
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
