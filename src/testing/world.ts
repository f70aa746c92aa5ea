/**
 * The world as a scenario sees it: processes with a Quorate each, what goes wrong, resources, expectations.
 *
 * Invariant: whatever is asked of it is asked in virtual time and determined by the seed.
 */
import { fail, QuorateError } from "../base/errors.ts";
import { sleep } from "../ports/clock.ts";
import type { Quorate } from "../sdk/quorate.ts";
import * as faults from "../verify/simulator/faults.ts";
import type { KeptHistory } from "../verify/simulator/kept-history.ts";
import type { Machine } from "../verify/simulator/machine.ts";
import type { Recorder } from "../verify/simulator/recorded.ts";
import { recorded } from "../verify/simulator/recorded.ts";
import type { Resource } from "../verify/simulator/resource.ts";
import { replaceServer } from "../verify/simulator/replacement.ts";
import type { SimServer } from "../verify/simulator/server.ts";
import type { SimProcess } from "../verify/simulator/supervised.ts";
import type { SimWorld } from "../verify/simulator/world.ts";
import { connectTo, SESSION_TTL_MS } from "./client.ts";
import { lifeHere } from "./stage.ts";

/** Between two attempts of a program that starts to reach the server, ms. */
const RECONNECT_MS = 250;

/** One life of a process. */
export interface Life {
  readonly name: string;
  /** A connection of this life's own; closed when the program returns. */
  readonly q: Quorate;
  /** 1 for the first life, one more after each crash or failure. */
  readonly life: number;
  /** Aborts when nothing goes wrong any more: loops should end then. */
  readonly calm: AbortSignal;
  /** Writes a line into the timeline. */
  note(text: string): void;
}

export interface ProcessOptions {
  /** How long what it holds outlives its silence, ms; default 10,000. */
  readonly sessionTtlMs?: number | undefined;
}

/** A process of the world. */
export interface Process {
  readonly name: string;
  /** Resolves when the program has returned, in whichever life. */
  readonly done: Promise<void>;
}

/**
 * Makes things go wrong on purpose, beside what the seed draws. Nothing outlasts the time of faults. A name is that of a
 * process, or of a server: `server` if there is one, `server-1` and so on if there are several; `leader` is the one that
 * leads now.
 */
export interface Faults {
  /** Its timers and its network stand still, as under SIGSTOP. */
  pause(name: string, options: { readonly forMs: number }): void;
  /** Ends it at once; it is started again after `forMs`. A server loses what its disk has not promised. */
  crash(name: string, options: { readonly forMs: number }): void;
  /**
   * Nothing passes between a process and the servers, or a server and everybody else; one way only if `way` says so, as
   * seen from `name`.
   */
  partition(
    name: string,
    options: { readonly forMs: number; readonly way?: "to-server" | "from-server" | undefined },
  ): void;
  /** Breaks its connections. */
  cut(name: string): void;
  /** Moves its wall clock to `byMs` off the world's. */
  jumpClock(name: string, options: { readonly byMs: number }): void;
  /** Each operation of a server's disk takes `eachMs` longer; default that of the leader. */
  slowDisk(options: {
    readonly forMs: number;
    readonly eachMs: number;
    readonly of?: string | undefined;
  }): void;
  /** Has another server of several lead, if one leads and hears of it. */
  transfer(to: string): void;
  /**
   * A server is lost for good, with its disk; after `afterMs` the others take another one in, in its place and with its
   * name. Only if there are three or more, of which none is missing.
   */
  replace(server: string, options: { readonly afterMs: number }): void;
  /** The history of the keyspace goes, but for the last `left` revisions: a watch from before ends with COMPACTED. */
  compact(options: { readonly left: number }): void;
}

type Check = { readonly name: string; readonly holds: () => unknown };

/** What a scenario is given. */
export class World {
  readonly #world: SimWorld;
  readonly #histories: readonly Recorder[];
  readonly #checks: Check[] = [];
  readonly fault: Faults;
  /** Whether the number of clients means anything to the scenario. @internal */
  asksClients = false;

  /** @internal */
  constructor(world: SimWorld, histories: readonly Recorder[]) {
    this.#world = world;
    this.#histories = histories;
    this.fault = faultsOf(world);
  }

  get seed(): number {
    return this.#world.plan.seed;
  }
  /** How many clients this run is to have, for scenarios of which that may vary. */
  get clients(): number {
    this.asksClients = true;
    return this.#world.plan.clients;
  }
  /** Virtual time since the world began, ms. */
  get elapsedMs(): number {
    return this.#world.agenda.nowMs;
  }
  /** Aborts when nothing goes wrong any more. */
  get calm(): AbortSignal {
    return this.#world.calm.signal;
  }

  /**
   * Runs `program` as a process of its own, with its own connection, clock and randomness. A life that is killed, or ends
   * with a failure of the engine (`QuorateError`), is followed by another one; any other error is a finding.
   */
  process(name: string, program: (life: Life) => unknown, options: ProcessOptions = {}): Process {
    const process = this.#world.process(name, (own) => this.#live(own, program, options));
    return { name, done: process.done };
  }

  /** A resource that owners write to. With `guard` it refuses replaced owners; without, it takes everything and tells. */
  resource(name: string, options: { readonly guard: boolean }): Resource {
    return this.#world.resource(name, options.guard, () => lifeHere() ?? this.#world.here);
  }

  /** Looked at when everything has come to rest: `holds` returns false, or throws, if something is wrong. */
  check(name: string, holds: () => unknown): void {
    this.#checks.push({ name, holds });
  }

  /** Ends the run as failed unless `condition` holds. */
  expect(condition: unknown, message: string): void {
    if (condition) return;
    this.#world.found("expectation", message);
    throw new Error(message);
  }

  /** Writes a line into the timeline. */
  note(text: string): void {
    this.#world.timeline.add(lifeHere()?.machine.name ?? "world", text);
  }

  /** Resolves after `ms` of virtual time. */
  sleep(ms: number): Promise<void> {
    return sleep((lifeHere() ?? this.#world.here).clock, ms);
  }

  /** Kept of the run, if one is. @internal */
  get history(): KeptHistory | undefined {
    return this.#world.history;
  }
  /** Calls of clients so far. @internal */
  get operations(): number {
    return this.#world.operations;
  }

  /** @internal */
  async verify(): Promise<void> {
    for (const { name, holds } of this.#checks) {
      try {
        if ((await holds()) === false) this.#world.found(`check ${name}`, `${name} does not hold`);
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error);
        this.#world.found(`check ${name}`, `${name}: ${text}`, error);
      }
    }
  }

  /** A connection from `machine`, however long it takes. @internal */
  async connect(machine: Machine, life: number, options: ProcessOptions): Promise<Quorate> {
    const world = this.#world;
    const { sessionTtlMs = SESSION_TTL_MS } = options;
    const identity = { service: machine.name, host: machine.name, pid: life };
    for (;;) {
      try {
        return await connectTo({
          machine,
          network: world.network,
          servers: world.servers.map(({ name }) => name),
          identity,
          sessionTtlMs,
          through: (keyspace) =>
            recorded(
              keyspace,
              machine.name,
              () => world.agenda.nowMs,
              () => world.nextInvocation(),
              this.#histories,
              world.history,
            ),
        });
      } catch (error) {
        if (!QuorateError.is(error)) throw error;
        await sleep(machine.clock, RECONNECT_MS);
      }
    }
  }

  /** What tells the present life of `machine` that nothing goes wrong any more, in a moment of its own. */
  #calmOf(machine: Machine): AbortSignal {
    const own = new AbortController();
    const { life } = machine;
    this.#world.whenCalm(() => void life?.in(0, () => own.abort()));
    return own.signal;
  }

  async #live(
    own: SimProcess,
    program: (life: Life) => unknown,
    options: ProcessOptions,
  ): Promise<void> {
    const { machine, lives: life } = own;
    const { timeline } = this.#world;
    const calm = this.#calmOf(machine);
    const q = await this.connect(machine, life, options);
    timeline.add(machine.name, "is connected");
    q.onLost((reason) =>
      timeline.add(
        machine.name,
        `loses its session: ${reason instanceof Error ? (reason.message.split(". ")[0] ?? "") : ""}`,
      ),
    );
    await program({
      name: machine.name,
      q,
      life,
      calm,
      note: (text) => timeline.add(machine.name, text),
    });
    await q.close();
  }
}

function faultsOf(world: SimWorld): Faults {
  const process = (name: string): SimProcess => {
    const found = world.processes.find((each) => each.name === name);
    return found ?? nowhere(`process ${name}`, "the name of a process, ");
  };
  const first = world.servers[0] as SimServer;
  const server = (name: string): SimServer | undefined => {
    if (name === "leader") return world.leader ?? first;
    return name === "server" ? first : world.servers.find((each) => each.name === name);
  };
  const aServer = (name: string): SimServer => server(name) ?? nowhere(`server ${name}`, "");
  const machine = (name: string): Machine => (server(name) ?? process(name)).machine;
  const within = (forMs: number): number => Math.min(forMs, world.faultsLeftMs);
  /** From whom nothing passes: of a process all servers, of a server whoever is not the same. */
  const others = (name: string): readonly Machine[] => {
    const all = server(name) === undefined ? world.servers : [...world.servers, ...world.processes];
    return all.map((each) => each.machine).filter((each) => each !== machine(name));
  };
  return {
    pause: (name, { forMs }) => faults.pause(world, machine(name), within(forMs)),
    crash: (name, { forMs }) => {
      const victim = server(name);
      if (victim !== undefined) faults.crashServer(world, victim, within(forMs), false);
      else faults.crashProcess(world, process(name), within(forMs), false);
    },
    partition: (name, { forMs, way }) => {
      const shut = way === "to-server" ? 1 : way === "from-server" ? 0 : 2;
      faults.partition(world, machine(name), others(name), within(forMs), shut);
    },
    cut: (name) => faults.cut(world, machine(name)),
    jumpClock: (name, { byMs }) => faults.jump(world, machine(name), byMs),
    slowDisk: ({ forMs, eachMs, of = "leader" }) =>
      faults.slowDisk(world, aServer(of), within(forMs), eachMs),
    transfer: (to) => faults.transfer(world, aServer(to)),
    replace: (name, { afterMs }) => replaceServer(world, aServer(name), within(afterMs)),
    compact: ({ left }) => {
      if (!Number.isSafeInteger(left) || left < 0)
        throw fail("INVALID", {
          object: "fault compact",
          what: `is to leave ${left} revisions`,
          remedy: "Give a whole number from 0 on.",
        });
      faults.compact(world, left);
    },
  };
}

function nowhere(object: string, orElse: string): never {
  throw fail("INVALID", {
    object,
    what: "is not in this world",
    remedy: `Give ${orElse}leader, server, or one of several as server-2.`,
  });
}
