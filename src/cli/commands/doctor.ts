/**
 * `quorate doctor`: measures this machine and says what to change before a server runs on it.
 *
 * Invariants: I1 it leaves nothing behind and changes nothing. I2 checks that measure time run one
 * after another, so that they do not disturb each other.
 */
import type { Check } from "../doctor/check.ts";
import { port } from "../doctor/port-check.ts";
import { clock, eventLoop, heap, nodeVersion, openFiles } from "../doctor/process-checks.ts";
import { filesystem, flushLatency, measurable } from "../doctor/storage-checks.ts";
import type { Context } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import type { Flags } from "../flags.ts";
import { table } from "../output.ts";

export async function run(
  context: Context,
  _operands: readonly string[],
  flags: Flags,
): Promise<ExitCode> {
  const { environment, terminal } = context;
  const directory = flags.text("data-dir") ?? environment["QUORATE_DATA_DIR"] ?? "./.quorate";
  const listen = flags.text("listen") ?? environment["QUORATE_LISTEN"] ?? "127.0.0.1:2379";
  const place = measurable(directory);
  const checks: readonly Check[] = [
    nodeVersion(process.version),
    heap(),
    await openFiles(),
    await filesystem(place),
    await flushLatency(place),
    await clock(),
    await eventLoop(),
    await port(listen),
  ];
  if (terminal.format === "json") {
    terminal.json({ checks });
  } else {
    const rows = checks.map((check) => [check.verdict, check.name, check.found]);
    terminal.line(await table(["", "CHECK", "FOUND"], rows));
    for (const { name, remedy } of checks) if (remedy !== "") terminal.line(`\n${name}: ${remedy}`);
  }
  return checks.some((check) => check.verdict === "fail") ? EXIT.no : EXIT.ok;
}
