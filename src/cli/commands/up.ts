/**
 * `quorate up`: a cluster of processes on this machine, shown live until it is told to end.
 *
 * Invariants: I1 every process that was started has ended when this one ends by itself. I2 what the terminal was before
 * is given back.
 */
import { resolve } from "node:path";
import { fail } from "../../base/errors.ts";
import type { Context, Verb } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { CrewMember } from "../up/crew.ts";
import type { Told } from "../up/looks.ts";
import { line, looksOf, screen } from "../up/looks.ts";
import type { Planned } from "../up/plan.ts";
import { planOf, urlOf } from "../up/plan.ts";

const EVERY_MS = 500;
/** How long one member may take to say how it is. */
const ANSWER_MS = 400;
/** A cluster that does not elect in this time says why. */
const READY_MS = 20_000;

export const run: Verb = async (context, _operands, flags) => {
  const everyMs = flags.delayMs("every-ms", 10) ?? EVERY_MS;
  const looks = flags.integer("looks", 1) ?? Infinity;
  const directory = resolve(flags.text("data-dir") ?? ".quorate/up");
  const plan = await planOf(directory, flags.integer("nodes", 1));
  const crew = plan.map((each) => new CrewMember(each, plan));
  const keys = new Keys(crew);
  try {
    for (const member of crew) member.start();
    await show(context, crew, keys, { everyMs, looks });
  } finally {
    keys.close();
    await Promise.all(crew.map((member) => member.end()));
  }
  return EXIT.ok;
};

interface Showing {
  readonly everyMs: number;
  readonly looks: number;
}

async function show(
  context: Context,
  crew: readonly CrewMember[],
  keys: Keys,
  { everyMs, looks }: Showing,
): Promise<void> {
  const { terminal, interrupt } = context;
  const isScreen =
    terminal.format === "table" && process.stdout.isTTY === true && looks === Infinity;
  const stop = AbortSignal.any([interrupt, keys.quit]);
  const began = performance.now();
  let before: ReadonlyMap<string, Told> = new Map();
  let isReady = false;
  let shown = 0;
  let last = "";
  if (isScreen) keys.listen();
  while (!stop.aborted && shown < looks) {
    const told = await look(crew);
    const found = looksOf(crew, told, before);
    before = told;
    const isLed = found.some(({ role }) => role === "leader");
    if (!isReady && isLed && !isScreen)
      terminal.note(`a cluster of ${crew.length} serves ${all(crew)}; ^C stops`);
    if (!isReady && !isLed && performance.now() - began > READY_MS) throw notReady(crew);
    isReady ||= isLed;
    if (isReady || isScreen) {
      shown++;
      if (terminal.format === "json") terminal.json({ members: found });
      else if (isScreen) process.stdout.write(`\x1b[H\x1b[2J${screen(found, keys.chosen)}`);
      else {
        const now = line(found);
        // Who watches for ever reads what changes.
        if (now !== last || looks !== Infinity) terminal.line(now);
        last = now;
      }
    }
    if (shown < looks) await pause(everyMs, stop, keys);
  }
}

function all(crew: readonly CrewMember[]): string {
  return `quorate://${crew.map(({ plan }) => urlOf(plan).replace("quorate://", "")).join(",")}`;
}

function notReady(crew: readonly CrewMember[]): Error {
  const said = crew.map(({ plan, condition, said: last }) => `${plan.name} ${condition} ${last}`);
  return fail("UNAVAILABLE", {
    object: "cluster",
    what: `has elected nobody within ${READY_MS} ms: ${said.join("; ")}`,
    remedy: "See what its members say; another --data-dir begins anew.",
    outcome: "definite",
  });
}

function pause(ms: number, stop: AbortSignal, keys: Keys): Promise<void> {
  return new Promise((done) => {
    const over = (): void => {
      clearTimeout(timer);
      stop.removeEventListener("abort", over);
      keys.onKey = (): void => {};
      done();
    };
    const timer = setTimeout(over, ms);
    stop.addEventListener("abort", over, { once: true });
    keys.onKey = over;
    if (stop.aborted) over();
  });
}

/** How the members are, by their pages: nothing of a look outlives it, so that one that is gone is not another's. */
async function look(crew: readonly CrewMember[]): Promise<ReadonlyMap<string, Told>> {
  const found = new Map<string, Told>();
  const asked = crew.map(async ({ plan, condition }) => {
    if (condition === "ended" || condition === "stopped") return;
    const told = await ask(plan).catch(() => undefined);
    if (told !== undefined) found.set(plan.name, told);
  });
  await Promise.all(asked);
  return found;
}

/** By the page that is for everybody: users may be enabled. */
async function ask(plan: Planned): Promise<Told> {
  const signal = AbortSignal.timeout(ANSWER_MS);
  const page = await fetch(`${urlOf(plan).replace("quorate", "http")}/metrics`, { signal });
  const metrics = await page.text();
  return {
    isLeader: sumOf(metrics, "etcd_server_is_leader") === 1,
    term: sumOf(metrics, "quorate_term"),
    applied: sumOf(metrics, "etcd_server_proposals_applied_total"),
    requests: sumOf(metrics, "quorate_requests_total|grpc_server_handled_total"),
    atMs: performance.now(),
  };
}

/** Of a metric under all its labels. */
function sumOf(metrics: string, name: string): number {
  const values = metrics.matchAll(new RegExp(`^(?:${name})(?:\\{.*\\})? (\\d+)$`, "gm"));
  return [...values].reduce((sum, [, value]) => sum + Number(value), 0);
}

/** What a person types. */
class Keys {
  readonly #crew: readonly CrewMember[];
  readonly #quit = new AbortController();
  #isListening = false;
  chosen = 0;
  onKey: () => void = () => {};

  constructor(crew: readonly CrewMember[]) {
    this.#crew = crew;
  }

  get quit(): AbortSignal {
    return this.#quit.signal;
  }

  listen(): void {
    if (process.stdin.isTTY !== true) return;
    this.#isListening = true;
    process.stdout.write("\x1b[?1049h\x1b[?25l");
    process.stdin.setRawMode(true).resume().on("data", this.#typed);
  }

  close(): void {
    if (!this.#isListening) return;
    this.#isListening = false;
    process.stdin.off("data", this.#typed).setRawMode(false).pause();
    process.stdout.write("\x1b[?25h\x1b[?1049l");
  }

  readonly #typed = (bytes: Buffer): void => {
    for (const key of bytes.toString()) this.#heed(key);
    this.onKey();
  };

  #heed(key: string): void {
    const member = this.#crew[this.chosen];
    const digit = Number(key);
    if (key === "q" || key === "\x03") this.#quit.abort();
    else if (digit >= 1 && digit <= this.#crew.length) this.chosen = digit - 1;
    else if (key === "k" && member?.condition === "ended") member.start();
    else if (key === "k") member?.kill();
    else if (key === "s") member?.pause();
  }
}
