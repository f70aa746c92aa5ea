/**
 * `npm run failover`: takes the leader of three members under load away, again and again, ours and etcd's in turn, and says how
 * long no write succeeded and whether an acknowledged one was lost. It is killed, or stopped, or reaches neither of the others,
 * nor they it, while clients reach it.
 *
 * A write counts as the next success if it began after that. Every write has a key of its own; after each time all
 * that were acknowledged are looked for. Ours is driven by the SDK with its defaults; etcd's by grpc-js with a deadline of
 * 250 ms a call and the next endpoint after a failure, which finds a new leader sooner than waiting does.
 */
import { writeFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { commandLine, refuse, wholeNumber } from "../tools/script.ts";
import type { ClusterProgram } from "./cluster-servers.ts";
import { ClusterServers } from "./cluster-servers.ts";
import { etcdWriter, sdkWriter } from "./cluster-writers.ts";
import type { Writer } from "./cluster-writers.ts";
import { median, quantile } from "./drivers.ts";

const PREFIX = "failover/";
const WRITERS = 16;
const FAULTS = ["kill", "stop", "partition"] as const;
const PROGRAMS = ["quorate", "etcd"] as const;
type FaultKind = (typeof FAULTS)[number];
const SETTLE_MS = 1_000;
/** Times after which a cluster is made anew: what a member reads back when it is started grows with what was written. */
const TIMES_MAX = 20;
const LIMIT_MS = 60_000;

interface Figures {
  readonly medianMs: number;
  readonly p95Ms: number;
  readonly maxMs: number;
  readonly lost: number;
}

interface Success {
  readonly began: number;
  readonly ended: number;
}

/** Writers in closed loops; each write has a key of its own. */
class Load {
  readonly #writer: Writer;
  readonly #loops: Promise<void>[];
  #acknowledged = new Set<string>();
  #last: Success = { began: 0, ended: 0 };
  #count = 0;
  #inFlight = 0;
  #paused: Promise<void> | undefined;
  #stopped = false;

  constructor(writer: Writer) {
    this.#writer = writer;
    this.#loops = Array.from({ length: WRITERS }, () => this.#loop());
  }

  async #loop(): Promise<void> {
    while (!this.#stopped) {
      await this.#paused;
      const key = `${PREFIX}${String(++this.#count).padStart(9, "0")}`;
      const began = performance.now();
      this.#inFlight++;
      const succeeded = await this.#writer.put(key).then(
        () => true,
        () => false,
      );
      this.#inFlight--;
      // A refusal that comes at once must not keep this process from everything else.
      if (!succeeded) await pause(1);
      else {
        this.#acknowledged.add(key);
        if (began > this.#last.began) this.#last = { began, ended: performance.now() };
      }
    }
  }

  /** When the first write that began after `since` succeeded. */
  async successAfter(since: number): Promise<number> {
    while (this.#last.began <= since) {
      if (performance.now() - since > LIMIT_MS)
        throw new Error(`no write succeeded for ${LIMIT_MS} ms`);
      await pause(1);
    }
    return this.#last.ended;
  }

  /** Stops writing while `look` is given what was acknowledged since the last look. */
  async still<T>(look: (acknowledged: ReadonlySet<string>) => Promise<T>): Promise<T> {
    let goOn = (): void => {};
    this.#paused = new Promise((resolve) => (goOn = resolve));
    while (this.#inFlight > 0) await pause(1);
    try {
      return await look(this.#acknowledged);
    } finally {
      this.#acknowledged = new Set();
      this.#paused = undefined;
      goOn();
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#loops);
    await this.#writer.close();
  }
}

interface Loaded {
  readonly cluster: ClusterServers;
  readonly load: Load;
}

async function loaded(program: ClusterProgram, fault: FaultKind): Promise<Loaded> {
  const cluster = await ClusterServers.start(program, 3, fault === "partition");
  const ports = cluster.endpoints.map(({ port }) => port);
  const writer = program === "etcd" ? etcdWriter(ports) : await sdkWriter(ports);
  return { cluster, load: new Load(writer) };
}

class Run {
  readonly program: ClusterProgram;
  readonly took: number[] = [];
  lost = 0;
  readonly #fault: FaultKind;
  #cluster: ClusterServers;
  #load: Load;

  private constructor(program: ClusterProgram, fault: FaultKind, { cluster, load }: Loaded) {
    this.program = program;
    this.#fault = fault;
    this.#cluster = cluster;
    this.#load = load;
  }

  static async start(program: ClusterProgram, fault: FaultKind): Promise<Run> {
    return new Run(program, fault, await loaded(program, fault));
  }

  /** Goes on with another cluster. */
  async renew(): Promise<void> {
    await this.end();
    const { cluster, load } = await loaded(this.program, this.#fault);
    this.#cluster = cluster;
    this.#load = load;
  }

  async lose(): Promise<void> {
    const leader = await this.#cluster.leader();
    const at = performance.now();
    await this.#take(leader);
    const tookMs = (await this.#load.successAfter(at)) - at;
    this.took.push(tookMs);
    await this.#giveBack(leader);
    this.lost += await this.#load.still((acknowledged) => this.#missing(acknowledged));
    await this.#cluster.healthy(leader);
    await pause(SETTLE_MS);
    console.log(
      `${this.program} ${this.took.length}: ${this.#fault} of ${leader}, ${tookMs.toFixed(0)} ms`,
    );
  }

  async #take(leader: string): Promise<void> {
    if (this.#fault === "partition") await this.#cluster.part(leader, true);
    else await this.#cluster.signal(leader, this.#fault === "kill" ? "SIGKILL" : "SIGSTOP");
  }

  async #giveBack(leader: string): Promise<void> {
    if (this.#fault === "partition") await this.#cluster.part(leader, false);
    else if (this.#fault === "stop") await this.#cluster.signal(leader, "SIGCONT");
    else this.#cluster.launch(leader);
  }

  /** How many of the acknowledged writes are not there; then it removes them all. */
  async #missing(acknowledged: ReadonlySet<string>): Promise<number> {
    const found = await this.#cluster.takeKeys(PREFIX);
    const lost = [...acknowledged].filter((key) => !found.has(key));
    for (const key of lost) console.error(`${this.program} lost ${key}`);
    return lost.length;
  }

  figures(): Figures {
    const ascending = this.took.toSorted((a, b) => a - b);
    const whole = (ms: number): number => Math.round(ms);
    return {
      medianMs: whole(median(ascending)),
      p95Ms: whole(quantile(ascending, 0.95)),
      maxMs: whole(ascending.at(-1) ?? Number.NaN),
      lost: this.lost,
    };
  }

  async end(): Promise<void> {
    await this.#load.stop();
    await this.#cluster.remove();
  }
}

const USAGE = `npm run failover -- [options]

  --kills N       how often the leader is taken away, default 100
  --fault FAULT   ${FAULTS.join(", ")}; default kill
  --only NAME     ${PROGRAMS.join(" or ")} alone
  --json FILE     writes {"ours":{"medianMs","p95Ms","maxMs","lost"},"etcd":{…}}`;

async function main(): Promise<void> {
  const { values } = commandLine(USAGE, {
    kills: { type: "string", default: "100" },
    fault: { type: "string", default: "kill" },
    only: { type: "string" },
    json: { type: "string" },
  });
  const kills = wholeNumber("kills", values.kills);
  const fault = FAULTS.find((each) => each === values.fault);
  const programs = PROGRAMS.filter((each) => each === (values.only ?? each));
  if (fault === undefined) return refuse(`--fault takes ${FAULTS.join(", ")}, not ${values.fault}`);
  if (programs.length === 0)
    refuse(`--only takes ${PROGRAMS.join(" or ")}, not ${values.only ?? ""}`);
  const runs: Run[] = [];
  try {
    for (const program of programs) runs.push(await Run.start(program, fault));
    // In turn, so that both meet the same machine; whoever waits is under its load all the same.
    for (let count = 0; count < kills; count++) {
      if (count > 0 && count % TIMES_MAX === 0) for (const run of runs) await run.renew();
      for (const run of runs) await run.lose();
    }
    const result = Object.fromEntries(
      runs.map((run) => [run.program === "quorate" ? "ours" : "etcd", run.figures()]),
    );
    console.log(JSON.stringify(result));
    if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(result)}\n`);
    if (runs.some(({ lost }) => lost > 0)) process.exitCode = 1;
  } finally {
    for (const run of runs) await run.end();
  }
}

await main();
