/**
 * `quorate serve`: runs a durable server until it is told to end.
 *
 * Invariants: I1 the first signal drains, the second ends the process at once (the entry point sees
 * to it). I2 nothing is printed on standard output before the server answers. I3 a replica that
 * stops by itself ends the process with its failure.
 */
import { readFile } from "node:fs/promises";
import { QuorateError, fail } from "../../base/errors.ts";
import { startServer } from "../../server/index.ts";
import { type Context, report } from "../context.ts";
import { EXIT, type ExitCode, exitCodeOf } from "../exit-codes.ts";
import type { Flags } from "../flags.ts";
import { tellManager } from "../service-manager.ts";
import { prepareProcess } from "../serving-process.ts";
import { misspelt, resolveServeSettings, type ServeSettings, SETTINGS } from "../settings.ts";

/** A recovery that takes longer than this says that it goes on. */
const PROGRESS_MS = 2000;

export async function run(
  context: Context,
  _operands: readonly string[],
  flags: Flags,
): Promise<ExitCode> {
  const { environment, interrupt, terminal } = context;
  for (const { name, meant } of misspelt(environment)) {
    terminal.note(`warning: the environment variable ${name} is not known; did you mean ${meant}?`);
  }
  const settings = await settle(flags, environment);
  prepareProcess();
  const server = await starting(context, settings);
  const stopped = new Promise<"stopped">((resolve) => {
    server.onStopped((failure) => {
      void report(context, new QuorateError(failure)).then(() => resolve("stopped"));
      process.exitCode = exitCodeOf(failure);
    });
  });
  say(context, settings, server.url);
  const warn = (message: string): void => terminal.note(`warning: ${message}`);
  const told = tellManager("READY=1", environment, warn);
  const asked = new Promise<"asked">((resolve) => {
    if (environment["QUORATE_UNTIL_STDIN_ENDS"] === "1") whenStdinEnds(() => resolve("asked"));
    if (interrupt.aborted) resolve("asked");
    interrupt.addEventListener("abort", () => resolve("asked"), { once: true });
  });
  const why = await Promise.race([stopped, asked]);
  if (why === "asked") terminal.note("draining; a second signal ends at once");
  // A replica that stops while it closes says so once, as any that stops.
  const stopping = told.then(() => tellManager("STOPPING=1", environment, warn));
  const ended = await server.close().then(
    () => why,
    (error: unknown) => {
      if (process.exitCode === undefined) throw error;
      return "stopped" as const;
    },
  );
  await stopping;
  if (ended === "asked") return EXIT.ok;
  await stopped;
  return Number(process.exitCode ?? EXIT.indefinite);
}

/** Whoever has started this process is gone, however it ended. Waiting for that does not keep the process alive. */
function whenStdinEnds(ended: () => void): void {
  process.stdin.resume().once("end", ended).once("error", ended);
  if ("unref" in process.stdin) process.stdin.unref();
}

async function settle(flags: Flags, environment: Context["environment"]): Promise<ServeSettings> {
  const path = flags.text("config") ?? environment["QUORATE_CONFIG"];
  const file = path === undefined || path === "" ? undefined : { path, text: await fileText(path) };
  return resolveServeSettings({
    flags: flags.only(SETTINGS.map((each) => each.key)),
    environment,
    file,
  });
}

async function fileText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const what = `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    throw fail(
      "CONFIG",
      { object: `configuration file ${path}`, what, remedy: "Give a file that exists." },
      error,
    );
  }
}

async function starting(
  context: Context,
  settings: ServeSettings,
): Promise<Awaited<ReturnType<typeof startServer>>> {
  const began = performance.now();
  const progress = setInterval(() => {
    const passed = Math.round((performance.now() - began) / 1000);
    context.terminal.note(`reading ${settings.dataDir} (${passed} s)`);
  }, PROGRESS_MS);
  try {
    const warn = (message: string): void => context.terminal.note(`warning: ${message}`);
    const joinTls = context.tls;
    return await startServer({ ...settings, memberName: settings.name, joinTls, warn });
  } finally {
    clearInterval(progress);
  }
}

function say(context: Context, settings: ServeSettings, url: string): void {
  const { terminal } = context;
  if (terminal.format === "json")
    return terminal.json({ url, dataDir: settings.dataDir, pid: process.pid });
  // From a checkout the program is not on the path.
  const program =
    context.environment["npm_lifecycle_event"] === "start" ? "npx quorate" : "quorate";
  const at = url === "quorate://127.0.0.1:2379" ? "" : ` --url ${url}`;
  terminal.line(`quorate serves ${url}, data in ${settings.dataDir}`);
  terminal.line("");
  terminal.line("Try next, in another terminal:");
  terminal.line(`  ${program} put greeting hello${at}`);
  terminal.line(`  ${program} watch greeting${at}`);
  terminal.line(`  ${program} lock deploy${at} -- echo deploying`);
  terminal.line(`  ${program} status${at}`);
}
