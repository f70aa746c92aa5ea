/** `quorate snapshot save|inspect|restore`: backups, of a running server or of a directory that nobody has open. */
import { shownUrl } from "../../sdk/address.ts";
import { type Context, operand } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import type { Flags } from "../flags.ts";
import { table } from "../output.ts";
import {
  downloadSnapshot,
  inspectSnapshot,
  restoreSnapshot,
  saveSnapshot,
  type SnapshotFacts,
} from "../snapshot-store.ts";

export async function save(
  context: Context,
  operands: readonly string[],
  flags: Flags,
): Promise<ExitCode> {
  const file = operand(operands, 0, "file");
  // Never from the environment: without a flag it is the server that is asked.
  const directory = flags.text("data-dir");
  const { url, interrupt: signal, timeoutMs, tls, credentials } = context;
  const facts =
    directory === undefined
      ? await downloadSnapshot(url, file, { signal, timeoutMs, tls, credentials })
      : await saveSnapshot(directory, file);
  return await say(context, `saved ${directory ?? shownUrl(url)} to ${file}`, facts);
}

export async function inspect(context: Context, operands: readonly string[]): Promise<ExitCode> {
  const file = operand(operands, 0, "file");
  return await say(context, `${file} is whole`, await inspectSnapshot(file));
}

export async function restore(
  context: Context,
  operands: readonly string[],
  flags: Flags,
): Promise<ExitCode> {
  const file = operand(operands, 0, "file");
  // Never from the environment: what makes a directory should name it.
  const directory = flags.text("data-dir") ?? "";
  return await say(
    context,
    `restored ${file} to ${directory}`,
    await restoreSnapshot(file, directory),
  );
}

async function say(context: Context, headline: string, facts: SnapshotFacts): Promise<ExitCode> {
  if (context.terminal.format === "json") {
    context.terminal.json(facts);
    return EXIT.ok;
  }
  const rows = [
    ["revision", `${facts.revision}, compacted to ${facts.compactRevision}`],
    ["log", `index ${facts.index}, term ${facts.term}`],
    ["time", new Date(facts.time).toISOString()],
    ["keys", String(facts.keys)],
    ["leases", String(facts.leases)],
    ["bytes", String(facts.bytes)],
  ];
  context.terminal.line(headline);
  context.terminal.line(await table(["", ""], rows));
  return EXIT.ok;
}
