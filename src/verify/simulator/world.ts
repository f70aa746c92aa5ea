/**
 * The simulated world: machines, the network between them, servers, processes, and what goes wrong.
 *
 * Invariants: I1 everything that happens is on the agenda and determined by the plan: the same plan gives the same
 * trace. I2 after the time of faults nothing goes wrong any more. I3 the first violation stands.
 * It leaves out what needs an SDK or a host: what programs are made of is given by whoever makes the world.
 */
import { must } from "../../base/assert.ts";
import { fail } from "../../base/errors.ts";
import type { Prng } from "../../base/prng.ts";
import type { Header } from "../history/history.ts";
import { SimDisk } from "../sim-disk.ts";
import { Agenda } from "./agenda.ts";
import { inflict, pause } from "./faults.ts";
import { KeptHistory } from "./kept-history.ts";
import type { MachineLife } from "./machine.ts";
import { Machine } from "./machine.ts";
import type { Latency } from "./network.ts";
import { SimNetwork } from "./network.ts";
import type { FaultKind, Plan } from "./plan.ts";
import { stream } from "./plan.ts";
import { Resource } from "./resource.ts";
import type { Stage } from "./runner.ts";
import { Runner } from "./runner.ts";
import type { ClusterShape } from "./membership.ts";
import { drawShape, membersNamed } from "./membership.ts";
import { Reigns } from "./reigns.ts";
import { SimServer } from "./server.ts";
import { SimProcess } from "./supervised.ts";
import { DiskSpeed } from "./slow-disk.ts";
import { Timeline } from "./timeline.ts";
import { Trace } from "./trace.ts";
import type { Violation } from "./violation.ts";

/** Most of the time between a write's call and the network, ms. */
const PREPARING_MS = 60;
const LATENCY: Latency = { minMs: 0.2, maxMs: 4 };

export interface SimWorldOptions {
  readonly plan: Plan;
  readonly stage: Stage;
  /** False: the server's disk says that it has written what it has not. */
  readonly honestDisk: boolean;
  readonly latency?: Latency | undefined;
  /** Keeps a history of the run under this header. */
  readonly history?: Header | undefined;
}

export class SimWorld {
  readonly plan: Plan;
  readonly agenda: Agenda = new Agenda();
  readonly trace: Trace = new Trace();
  readonly timeline: Timeline = new Timeline(this.agenda, this.trace);
  readonly network: SimNetwork;
  readonly servers: readonly SimServer[];
  /** How the servers are set, if there are several. */
  readonly shape: ClusterShape;
  readonly reigns: Reigns;
  /** Absent: none is kept. */
  readonly history: KeptHistory | undefined;
  readonly runner: Runner;
  /** Where the supervisor, the scenario and the resources are: nothing happens to it. */
  readonly fate: Machine;
  /** Aborts when nothing goes wrong any more. */
  readonly calm: AbortController = new AbortController();
  readonly #honestDisks: boolean;
  readonly #processes: SimProcess[] = [];
  readonly #whenCalm: (() => void)[] = [];
  readonly #pausedInWrite = new Map<Machine, number>();
  #machines = 0;
  #invocations = 0;
  violation: Violation | undefined;
  /** Faults that hit something. */
  faultCount = 0;
  /** How many of each kind of the plan's did. */
  readonly hits: Map<FaultKind, number> = new Map();

  constructor(options: SimWorldOptions) {
    const { plan, stage } = options;
    this.plan = plan;
    this.network = new SimNetwork(
      this.agenda,
      this.trace,
      this.random("network"),
      options.latency ?? LATENCY,
    );
    this.fate = this.machine("world");
    const { history } = options;
    if (history !== undefined) this.history = new KeptHistory(history, () => this.agenda.nowMs);
    this.reigns = new Reigns((rule, text) => this.found(rule, text));
    this.shape = drawShape(this.random("shape"));
    this.#honestDisks = options.honestDisk;
    this.servers = this.#makeServers();
    const thrown = (machine: Machine, error: unknown): void =>
      this.found("error", `${machine.name} threw: ${describe(error)}`, error);
    this.runner = new Runner({ agenda: this.agenda, trace: this.trace, stage, thrown });
  }

  /** An empty one. */
  disk(name: string): SimDisk {
    return new SimDisk({ random: this.random(`disk ${name}`), honest: this.#honestDisks });
  }

  #makeServers(): readonly SimServer[] {
    const count = this.plan.servers;
    const names = Array.from({ length: count }, (_, at) =>
      count === 1 ? "server" : `server-${at + 1}`,
    );
    const members = membersNamed(names);
    return names.map(
      (name, at) =>
        new SimServer({
          machine: this.machine(name),
          supervisor: this.fate,
          network: this.network,
          disk: this.disk(name),
          speed: new DiskSpeed(this.agenda),
          membership: count === 1 ? undefined : { id: at + 1, members, ...this.shape },
          stands: (standing) => this.reigns.stands(name, standing),
          say: (text) => this.timeline.add(name, text),
          found: (rule, text) => this.found(rule, `${name} ${text}`),
        }),
    );
  }

  /** Who leads the latest term, as far as it knows. */
  get leader(): SimServer | undefined {
    const term = ({ driver }: SimServer): number => driver?.standing().term ?? 0;
    return this.servers
      .filter(({ driver }) => driver?.standing().role === "leader")
      .sort((a, b) => term(b) - term(a))[0];
  }

  /** The one life of the machine to which nothing happens. */
  get here(): MachineLife {
    return must(this.fate.life, "the world is on");
  }
  random(use: string): Prng {
    return stream(this.plan.seed, use);
  }
  machine(name: string): Machine {
    return new Machine(name, this.#machines++, this.agenda, this.random(`machine ${name}`));
  }
  nextInvocation(): number {
    return ++this.#invocations;
  }
  /** Operations that processes have begun. */
  get operations(): number {
    return this.#invocations;
  }

  /** Turns everything on; what the plan says goes wrong is to come. */
  begin(): void {
    for (const server of this.servers) server.begin();
    for (const fault of this.plan.faults) {
      if (fault.atMs < this.plan.faultsMs)
        this.fate.in(fault.atMs, () => {
          if (this.calm.signal.aborted) return;
          const before = this.faultCount;
          inflict(this, fault);
          if (this.faultCount > before) this.hits.set(fault.kind, this.hitsOf(fault.kind) + 1);
        });
    }
    this.fate.in(this.plan.faultsMs, () => this.pacify());
  }

  hitsOf(kind: FaultKind): number {
    return this.hits.get(kind) ?? 0;
  }

  /** From now on nothing goes wrong. */
  pacify(): void {
    if (this.calm.signal.aborted) return;
    this.timeline.add("world", "from now on nothing goes wrong");
    this.calm.abort();
    for (const act of this.#whenCalm.splice(0)) act();
  }
  /** Does `act` when nothing goes wrong any more. */
  whenCalm(act: () => void): void {
    if (this.calm.signal.aborted) act();
    else this.#whenCalm.push(act);
  }
  /** How long things may still go wrong, ms. */
  get faultsLeftMs(): number {
    return this.calm.signal.aborted ? 0 : Math.max(0, this.plan.faultsMs - this.agenda.nowMs);
  }

  /** A process that runs `program` on a machine of its own. Throws INVALID if the name is taken. */
  process(name: string, program: (process: SimProcess) => Promise<unknown>): SimProcess {
    if (
      [...this.#processes, ...this.servers, { machine: this.fate }].some(
        (each) => each.machine.name === name,
      )
    ) {
      throw fail("INVALID", {
        object: `process ${name}`,
        what: "has the name of another one",
        remedy: "Give each process of a world a name of its own.",
      });
    }
    const made: SimProcess = new SimProcess({
      machine: this.machine(name),
      network: this.network,
      supervisor: this.fate,
      program: () => program(made),
      say: (text) => this.timeline.add(name, text),
      broken: (error) => this.found("error", `${name} failed: ${describe(error)}`, error),
    });
    this.#processes.push(made);
    made.start();
    return made;
  }
  get processes(): readonly SimProcess[] {
    return this.#processes;
  }
  get runningProcesses(): readonly SimProcess[] {
    return this.#processes.filter(({ isDone, machine }) => !isDone && machine.isOn);
  }

  /** A resource that processes write to. `writer` says on whose behalf it is asked. */
  resource(name: string, guard: boolean, writer: () => MachineLife): Resource {
    const random = this.random(`resource ${name}`);
    return new Resource({
      name,
      guard,
      writer,
      agenda: this.agenda,
      place: this.here,
      network: this.network,
      writes: (machine) => this.#writes(machine),
      delayMs: () => random.below(PREPARING_MS),
      say: (text) => this.timeline.add(name, text),
      found: (rule, text) => this.found(rule, text),
      history: this.history,
    });
  }

  /** Lets `machine` stand still the next time that it is about to write to a resource: the worst moment. */
  pauseInWrite(machine: Machine, forMs: number): void {
    this.#pausedInWrite.set(machine, forMs);
  }
  #writes(machine: Machine): void {
    const forMs = Math.min(this.#pausedInWrite.get(machine) ?? 0, this.faultsLeftMs);
    this.#pausedInWrite.delete(machine);
    if (forMs > 0) pause(this, machine, forMs);
  }

  /** Something hits a machine. */
  strike(machine: Machine, text: string): void {
    this.faultCount++;
    this.timeline.add(machine.name, `* ${text}`);
    this.history?.tell({ type: "fault", fault: machine.name, what: text, phase: "once" });
  }

  /** Something is wrong. The first one ends the run. */
  found(rule: string, text: string, cause?: unknown): void {
    if (this.violation !== undefined) return;
    this.timeline.add("world", `VIOLATION ${rule}: ${text}`);
    this.violation = { rule, atMs: this.agenda.nowMs, text, cause };
  }

  /** Lets the world go on until `untilMs`, a violation, or `over`. */
  run(untilMs: number, over: () => boolean): Promise<void> {
    return this.runner.run(untilMs, () => this.violation !== undefined || over());
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
