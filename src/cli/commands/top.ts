/**
 * `quorate top`: the server live. One status request a look, and its metrics where it serves pages.
 *
 * Invariants: I1 at a terminal one screen is redrawn and what was there before is given back at the end; elsewhere each
 * look is one line. I2 a server that goes away is shown as such and looked for again.
 */
import type { Keyspace } from "../../contract/keyspace.ts";
import type { StatusResponse } from "../../contract/requests.ts";
import { QuorateError } from "../../base/errors.ts";
import { shownUrl } from "../../sdk/address.ts";
import { callOptions, type Context, withKeyspace } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import type { Flags } from "../flags.ts";
import { size } from "./status.ts";

const SCREEN = {
  enter: "\x1b[?1049h\x1b[?25l",
  leave: "\x1b[?25h\x1b[?1049l",
  redraw: "\x1b[H\x1b[J",
};
const BAR = 30;

interface Look {
  readonly atMs: number;
  readonly status: StatusResponse;
  readonly roundTripMs: number;
  readonly metrics: ReadonlyMap<string, number>;
}

/** What is shown, and printed as JSON. */
interface Figures {
  readonly revision: number;
  readonly writesPerS: number;
  readonly flushesPerS: number | undefined;
  readonly flushMs: number | undefined;
  readonly keys: number;
  readonly bytes: number;
  readonly quotaBytes: number;
  readonly leases: number;
  readonly watchers: number;
  readonly connections: number | undefined;
  readonly loopLagP99Ms: number | undefined;
  readonly residentBytes: number | undefined;
  readonly roundTripMs: number;
  readonly alarms: readonly string[];
}

export async function run(
  context: Context,
  _operands: readonly string[],
  flags: Flags,
): Promise<ExitCode> {
  const everyMs = flags.delayMs("every-ms", 50) ?? 1_000;
  const looks = flags.integer("looks", 1) ?? Infinity;
  const live = process.stdout.isTTY && context.terminal.format === "table";
  return await withKeyspace(context, async (keyspace) => {
    if (live) process.stdout.write(SCREEN.enter);
    try {
      let before: Look | undefined;
      for (let at = 0; at < looks && !context.interrupt.aborted; at++) {
        if (at > 0) await pause(everyMs, context.interrupt);
        if (context.interrupt.aborted) break;
        before = await show(context, keyspace, before, live);
      }
    } finally {
      if (live) process.stdout.write(SCREEN.leave);
    }
    return EXIT.ok;
  });
}

async function show(
  context: Context,
  keyspace: Keyspace,
  before: Look | undefined,
  live: boolean,
): Promise<Look | undefined> {
  try {
    const now = await look(context, keyspace);
    const figures = figuresOf(before, now);
    if (live)
      process.stdout.write(SCREEN.redraw + screen(shownUrl(context.url), now.status, figures));
    else if (context.terminal.format === "json") context.terminal.json(figures);
    else context.terminal.line(line(figures));
    return now;
  } catch (error) {
    if (!QuorateError.is(error) || context.interrupt.aborted) throw error;
    if (!live) throw error;
    process.stdout.write(`${SCREEN.redraw}${error.message}\n`);
    return undefined;
  }
}

async function look(context: Context, keyspace: Keyspace): Promise<Look> {
  const asked = performance.now();
  const status = await keyspace.call({ kind: "status" }, callOptions(context));
  const atMs = performance.now();
  return { atMs, status, roundTripMs: atMs - asked, metrics: await metricsOf(context) };
}

/** Empty where there are none to read. */
async function metricsOf({ url, timeoutMs }: Context): Promise<ReadonlyMap<string, number>> {
  if (!url.startsWith("quorate://")) return new Map();
  try {
    const page = `http://${url.slice("quorate://".length).split("/")[0] ?? ""}/metrics`;
    const answer = await fetch(page, { signal: AbortSignal.timeout(timeoutMs) });
    const lines = (await answer.text()).split("\n").filter((each) => /^\w/.test(each));
    return new Map(lines.map((each) => [each.split(" ")[0] ?? "", Number(each.split(" ")[1])]));
  } catch {
    return new Map();
  }
}

function figuresOf(before: Look | undefined, now: Look): Figures {
  const { status, metrics, roundTripMs } = now;
  const passedS = before === undefined ? 0 : (now.atMs - before.atMs) / 1_000;
  const grown = (name: string): number | undefined => {
    const value = metrics.get(name);
    return value === undefined ? undefined : value - (before?.metrics.get(name) ?? value);
  };
  const flushes = grown("quorate_log_flush_ms_count");
  const flushMs = grown("quorate_log_flush_ms_sum");
  const native = metrics.get("quorate_connections");
  return {
    revision: status.revision,
    writesPerS: rate(status.revision - (before?.status.revision ?? status.revision), passedS) ?? 0,
    flushesPerS: rate(flushes, passedS),
    flushMs:
      flushes === undefined || flushMs === undefined || flushes === 0
        ? undefined
        : rounded(flushMs / flushes),
    keys: status.keys,
    bytes: status.bytes,
    quotaBytes: status.quotaBytes,
    leases: status.leases,
    watchers: status.watchers,
    connections:
      native === undefined ? undefined : native + (metrics.get("quorate_grpc_connections") ?? 0),
    loopLagP99Ms: defined(metrics.get("quorate_event_loop_lag_p99_ms"), rounded),
    residentBytes: metrics.get("process_resident_memory_bytes"),
    roundTripMs: rounded(roundTripMs),
    alarms: status.alarms,
  };
}

function rate(grown: number | undefined, passedS: number): number | undefined {
  return defined(grown, (count) => (passedS === 0 ? 0 : Math.round(count / passedS)));
}

function defined<T>(value: number | undefined, of: (value: number) => T): T | undefined {
  return value === undefined ? undefined : of(value);
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}

function screen(url: string, { version, term, time }: StatusResponse, figures: Figures): string {
  const rows: readonly (readonly [string, string | undefined])[] = [
    ["writes", `${figures.writesPerS}/s, at revision ${figures.revision}`],
    ["flushes", defined(figures.flushesPerS, (count) => `${count}/s${flush(figures.flushMs)}`)],
    ["round trip", `${figures.roundTripMs} ms`],
    ["loop lag", defined(figures.loopLagP99Ms, (ms) => `${ms} ms (p99)`)],
    ["keys", String(figures.keys)],
    ["store", bar(figures.bytes, figures.quotaBytes)],
    ["memory", defined(figures.residentBytes, size)],
    ["leases", String(figures.leases)],
    ["watchers", String(figures.watchers)],
    ["connections", defined(figures.connections, String)],
    ["alarms", figures.alarms.length === 0 ? "none" : figures.alarms.join(", ")],
  ];
  const shown = rows.flatMap(([name, text]) =>
    text === undefined ? [] : [`  ${name.padEnd(12)}${text}`],
  );
  const head = `${url}   version ${version}   term ${term}   ${new Date(time).toISOString()}`;
  return `${head}\n\n${shown.join("\n")}\n\n  ^C ends\n`;
}

function flush(ms: number | undefined): string {
  return ms === undefined ? "" : `, ${ms} ms each`;
}

function bar(bytes: number, quota: number): string {
  if (quota === 0) return size(bytes);
  const filled = Math.min(BAR, Math.round((BAR * bytes) / quota));
  return `[${"#".repeat(filled)}${".".repeat(BAR - filled)}] ${size(bytes)} of ${size(quota)}`;
}

function line(figures: Figures): string {
  return Object.entries(figures)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(" ");
}

function pause(ms: number, interrupt: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const over = (): void => {
      clearTimeout(timer);
      interrupt.removeEventListener("abort", over);
      resolve();
    };
    const timer = setTimeout(over, ms);
    interrupt.addEventListener("abort", over, { once: true });
  });
}
