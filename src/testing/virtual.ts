/**
 * `virtual()`: an embedded Quorate under virtual time, for a user's own tests, in any runner. A lease of an hour ends when
 * the test says so.
 *
 * Other processes can be had too: each is a client of the same data over a network that takes no time, with a session
 * of its own that can be stopped or killed. What they do is as real as time allows: the same code as in production.
 */
import { prng } from "../base/prng.ts";
import { Agenda } from "../verify/simulator/agenda.ts";
import { Machine } from "../verify/simulator/machine.ts";
import { SimNetwork } from "../verify/simulator/network.ts";
import { Runner } from "../verify/simulator/runner.ts";
import { Trace } from "../verify/simulator/trace.ts";
import { openReplica } from "../sdk/embedded.ts";
import { Quorate } from "../sdk/quorate.ts";
import { silentMeter } from "../ports/meter.ts";
import { Acceptor } from "../service/acceptor.ts";
import { connectTo, evaluateHere, SESSION_TTL_MS } from "./client.ts";
import { plainStage } from "./stage.ts";
import { VirtualClock } from "./virtual-time.ts";

/** How a virtual Quorate is made. */
export interface VirtualOptions {
  /** Who `q` says it is; default `test`. */
  readonly service?: string | undefined;
  /** How long what is held outlives a silent process, ms; default 10,000. */
  readonly sessionTtlMs?: number | undefined;
  /** Determines ids and jitter; default 1. */
  readonly seed?: number | undefined;
  /** Re-executes procedures at random, to find those that break the rules. */
  readonly strict?: boolean | undefined;
}

/** Another process on the same data. */
export interface VirtualProcess {
  readonly q: Quorate;
  /** Its timers and its network stand still for `forMs` of virtual time, as under SIGSTOP or a long collection. */
  standStill(forMs: number): void;
  /** Ends it at once: nothing is released, nothing more is sent. */
  kill(): void;
}

/** A Quorate under virtual time. */
export interface Virtual extends AsyncDisposable {
  readonly q: Quorate;
  readonly clock: VirtualClock;
  /** Another process, connected to the same data with a session of its own. */
  another(service: string): Promise<VirtualProcess>;
  /** Closes everything. */
  close(): Promise<void>;
}

const LABEL = "virtual:";

/**
 * An embedded Quorate, empty, in memory, under a clock of its own. What needs no time happens by itself; timers (leases,
 * sessions, deadlines, retries, timeouts) go by `clock` alone.
 * Guarantee: those of `memory:`. Cost: a few milliseconds.
 */
export async function virtual(options: VirtualOptions = {}): Promise<Virtual> {
  const { service = "test", sessionTtlMs = SESSION_TTL_MS, seed = 1, strict = false } = options;
  const agenda = new Agenda();
  const trace = new Trace();
  const machine = new Machine(LABEL, 0, agenda, prng(seed));
  const thrown = (_machine: Machine, error: unknown): void => {
    throw error;
  };
  const runner = new Runner({ agenda, trace, stage: plainStage, thrown });
  const clock = new VirtualClock(agenda, runner, machine);
  const { driver, keyspace } = await openReplica(undefined, {
    label: LABEL,
    program: service,
    acceptClockJump: undefined,
    strict,
    evaluate: evaluateHere(machine),
    clock: machine.clock,
    entropy: machine.random,
  });
  const identity = { service, host: "virtual", pid: 1 };
  const time = { clock: machine.clock, entropy: machine.random };
  const q = new Quorate(keyspace, { identity, sessionTtlMs, ...time });
  const network = new SimNetwork(agenda, trace, prng(seed), { minMs: 0, maxMs: 0 });
  const acceptor = new Acceptor({ driver, clock: machine.clock, meter: silentMeter }, LABEL);
  network.listen(machine, (stream) => acceptor.accept(stream));
  const others: { readonly machine: Machine; readonly q: Quorate }[] = [];
  const close = async (): Promise<void> => {
    for (const other of others) if (other.machine.isOn) await other.q.close();
    acceptor.end();
    await q.close();
  };
  let closed: Promise<void> | undefined;
  const another = async (name: string): Promise<VirtualProcess> => {
    const number = others.length + 1;
    const own = new Machine(`${name} ${number}`, number, agenda, prng(seed + number));
    const identity = { service: name, host: "virtual", pid: number + 1 };
    const other = await connectTo({
      machine: own,
      network,
      servers: [LABEL],
      identity,
      sessionTtlMs,
    });
    others.push({ machine: own, q: other });
    return {
      q: other,
      standStill: (forMs) => own.standStill(forMs),
      kill: () => {
        own.turnOff();
        network.gone(own, false);
      },
    };
  };
  return {
    q,
    clock,
    another,
    close: () => (closed ??= close()),
    [Symbol.asyncDispose]: () => (closed ??= close()),
  };
}
