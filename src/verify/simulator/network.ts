/**
 * The simulated network: who listens, who dials, what passes between two machines and how long it takes.
 *
 * Model: each direction between two machines can be shut by itself, or slow. A machine that was turned off either resets
 * its connections, as a process that is killed, or leaves the others waiting, as a power cut. Reordering happens
 * between connections, not within one.
 */
import type { Prng } from "../../base/prng.ts";
import type { ByteStream, Network, StreamHandler } from "../../ports/network.ts";
import type { Agenda } from "./agenda.ts";
import type { Way } from "./connection.ts";
import { Connection } from "./connection.ts";
import type { Machine, MachineLife } from "./machine.ts";
import type { Trace } from "./trace.ts";

/** How long a message takes when nothing is wrong. */
export interface Latency {
  /** Least and most, ms. */
  readonly minMs: number;
  readonly maxMs: number;
}

/** Where clients are served. */
export const CLIENT_PORT = 2379;

interface Place {
  readonly host: string;
  readonly port: number;
}
type Accept = (stream: ByteStream) => StreamHandler;
interface Listener {
  readonly machine: Machine;
  readonly accept: Accept;
}
type Attach = (stream: ByteStream) => StreamHandler;

export class SimNetwork implements Way {
  readonly #agenda: Agenda;
  readonly #trace: Trace;
  readonly #random: Prng;
  readonly #latency: Latency;
  /** By host and port. */
  readonly #listeners = new Map<string, Listener>();
  #connections: Connection[] = [];
  /** Directions in which nothing passes, as `from>to`. */
  readonly #shut = new Set<string>();
  /** Added to each message between a machine and any other, ms. */
  readonly #slow = new Map<Machine, number>();
  /** Names of machines that do not answer at all. */
  readonly #dark = new Set<string>();
  /** Dials and messages that wait until something passes. */
  readonly #waiting: (() => void)[] = [];

  constructor(agenda: Agenda, trace: Trace, random: Prng, latency: Latency) {
    this.#agenda = agenda;
    this.#trace = trace;
    this.#random = random;
    this.#latency = latency;
  }

  /** Takes connections to `machine`, by its name, at `port`, until it is turned off or `hush`. */
  listen(machine: Machine, accept: Accept, port: number = CLIENT_PORT): void {
    this.#listeners.set(`${machine.name}:${port}`, { machine, accept });
  }
  hush(machine: Machine): void {
    for (const [place, listener] of this.#listeners)
      if (listener.machine === machine) this.#listeners.delete(place);
  }

  /** The network as programs on `machine` see it in its present life. A host is the name of a machine. */
  of(machine: Machine): Network {
    const { life } = machine;
    return {
      dial: (address, attach, signal) =>
        new Promise((resolve, reject) => {
          const place: Place =
            address.kind === "tcp" ? address : { host: address.path, port: CLIENT_PORT };
          if (signal?.aborted === true) return reject(new Error("aborted"));
          signal?.addEventListener("abort", () => reject(new Error("aborted")), { once: true });
          if (life !== undefined) this.#dial(life, place, attach, resolve, reject, signal);
        }),
    };
  }

  get nowMs(): number {
    return this.#agenda.nowMs;
  }

  delayMs(from: Machine, to: Machine): number | undefined {
    if (this.#shut.has(direction(from, to))) return undefined;
    const { minMs, maxMs } = this.#latency;
    const slowMs = (this.#slow.get(from) ?? 0) + (this.#slow.get(to) ?? 0);
    if (maxMs + slowMs === 0) return 0;
    const share = this.#random.u32() / 0x1_0000_0000;
    return minMs + (maxMs - minMs + slowMs) * share;
  }

  passed(bytes: Uint8Array): void {
    this.#trace.bytes(bytes);
  }

  /** Carries a message that is sent until it arrives or the sender's life is over, to what is not Quorate. */
  carry(from: MachineLife, to: MachineLife, arrive: () => void): void {
    if (from.isOver) return;
    const delayMs = this.delayMs(from.machine, to.machine);
    if (delayMs === undefined) this.#waiting.push(() => this.carry(from, to, arrive));
    else to.in(delayMs, arrive);
  }

  /** From now on nothing passes from one machine to the other. */
  shut(from: Machine, to: Machine): void {
    this.#shut.add(direction(from, to));
  }
  open(from: Machine, to: Machine): void {
    this.#shut.delete(direction(from, to));
    this.#goOn();
  }
  /** Messages from and to `machine` take up to `byMs` longer. */
  slow(machine: Machine, byMs: number): void {
    if (byMs === 0) this.#slow.delete(machine);
    else this.#slow.set(machine, byMs);
  }

  /** Breaks every connection of `machine`: both sides find out. Returns how many there were. */
  cut(machine: Machine): number {
    const cut = this.#of(machine);
    for (const each of cut) each.reset();
    return cut.length;
  }

  /** `machine` was turned off. `silent`: nobody is told, as when the power goes; else its system resets what is open. */
  gone(machine: Machine, silent: boolean): void {
    this.hush(machine);
    if (silent) this.#dark.add(machine.name);
    for (const connection of this.#of(machine)) {
      const { client, server } = connection;
      const [mine, theirs] = client.machine === machine ? [client, server] : [server, client];
      mine.forsaken();
      const delayMs = silent ? undefined : (this.delayMs(machine, theirs.machine) ?? 0);
      if (delayMs !== undefined) theirs.machine.in(delayMs, () => theirs.broken());
    }
  }

  /** `machine` is back: whoever still speaks to what it was learns that it is gone. */
  back(machine: Machine): void {
    this.#dark.delete(machine.name);
    for (const { client, server } of this.#of(machine)) {
      const [mine, theirs] = client.machine === machine ? [client, server] : [server, client];
      if (mine.isOver)
        theirs.machine.in(this.delayMs(machine, theirs.machine) ?? 0, () => theirs.broken());
    }
    this.#goOn();
  }

  #of(machine: Machine): readonly Connection[] {
    this.#connections = this.#connections.filter((each) => !each.isDone);
    return this.#connections.filter(
      ({ client, server }) => client.machine === machine || server.machine === machine,
    );
  }

  #goOn(): void {
    for (const connection of this.#connections) connection.resume();
    for (const again of this.#waiting.splice(0)) again();
  }

  #dial(
    caller: MachineLife,
    place: Place,
    attach: Attach,
    resolve: (stream: ByteStream) => void,
    reject: (error: Error) => void,
    signal: AbortSignal | undefined,
  ): void {
    if (caller.isOver) return;
    const from = caller.machine;
    const { host } = place;
    const listening = (): Listener | undefined => this.#listeners.get(`${host}:${place.port}`);
    const again = (): void => {
      if (signal?.aborted !== true) this.#dial(caller, place, attach, resolve, reject, signal);
    };
    if (this.#dark.has(host)) return void this.#waiting.push(again);
    const target = listening()?.machine;
    const thereMs = target === undefined ? 0 : this.delayMs(from, target);
    if (thereMs === undefined) return void this.#waiting.push(again);
    from.in(thereMs, () => {
      if (signal?.aborted === true) return;
      const listener = listening();
      const backMs = listener === undefined ? 0 : this.delayMs(listener.machine, from);
      if (listener === undefined) return reject(new Error(`connect ECONNREFUSED ${host}`));
      if (backMs === undefined) return void this.#waiting.push(again);
      const connection = new Connection(this, from, listener.machine);
      this.#connections.push(connection);
      connection.client.handler = attach(connection.client);
      listener.machine.in(0, () => {
        connection.server.handler = listener.accept(connection.server);
      });
      from.in(backMs, () => {
        if (connection.client.isOver) reject(new Error(`connect ECONNRESET ${host}`));
        else resolve(connection.client);
      });
    });
  }
}

function direction(from: Machine, to: Machine): string {
  return `${from.name}>${to.name}`;
}
