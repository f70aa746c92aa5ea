/**
 * A resource outside of Quorate that owners write to, over a network of its own: what a lock is there to protect. It says
 * what it took and from whom, and whether that was right.
 *
 * Rules: SIM-RES-1 a write of an owner that has been replaced must not take effect. SIM-RES-2 whoever has been told that
 * it no longer owns writes no more. SIM-RES-3 as long as one writer certainly owns, nobody else does: there is one owner
 * at a time. With `guard` the resource checks tokens itself, as GRD-1 to GRD-3 say, and
 * SIM-RES-1 holds whatever the owners do; without, it takes everything.
 */
import type { Guarded } from "../../mechanisms/selection/guard/guard.ts";
import { accepts } from "../../mechanisms/selection/guard/guard.ts";
import type { Agenda } from "./agenda.ts";
import type { Machine, MachineLife } from "./machine.ts";
import type { KeptHistory } from "./kept-history.ts";
import type { SimNetwork } from "./network.ts";

/** Who writes: what a lock or an election gave. */
export interface Writer {
  readonly token: number;
  /** The contender's key; of two holders of one token only the first is let in. */
  readonly key?: string | undefined;
  /** Aborted when it is no longer owned. */
  readonly signal?: AbortSignal | undefined;
  /** For how long it is certainly still owned, ms; 0 once it was released or lost. */
  remainingMs?(): number;
}

/** What the resource says to a write. */
export type Written =
  | { readonly ok: true }
  /** An owner with a higher token has written already. */
  | { readonly ok: false; readonly reason: "stale"; readonly why: string };

export interface ResourceParts {
  readonly name: string;
  readonly agenda: Agenda;
  readonly guard: boolean;
  /** How long a writer takes between the call and the network: for a connection from its pool, say; ms. */
  readonly delayMs: () => number;
  readonly network: SimNetwork;
  /** Told when a write has been asked for and has not left. */
  readonly writes: (machine: Machine) => void;
  /** Where it is. */
  readonly place: MachineLife;
  /** Who writes now. */
  readonly writer: () => MachineLife;
  readonly say: (text: string) => void;
  readonly found: (rule: string, text: string) => void;
  readonly history?: KeptHistory | undefined;
}

/** One write that took effect. */
export interface Effect {
  readonly atMs: number;
  readonly by: string;
  readonly token: number;
  readonly value: unknown;
}

export class Resource {
  readonly name: string;
  readonly #parts: ResourceParts;
  readonly #effects: Effect[] = [];
  #highest: (Guarded & { readonly by: string }) | undefined;
  /** Whose write was the last that was in order. */
  #latest: Comer | undefined;
  /** Writes that were refused. */
  refused = 0;

  constructor(parts: ResourceParts) {
    this.name = parts.name;
    this.#parts = parts;
  }

  /** All that took effect, in order. */
  get effects(): readonly Effect[] {
    return this.#effects;
  }
  /** The value that was written last. */
  get value(): unknown {
    return this.#effects.at(-1)?.value;
  }

  /**
   * Writes `value` as `writer`. It takes a while to leave, to arrive and to be answered: by then the writer may have lost
   * what it held. Resolves with what the resource said; never, if the machine of the caller is turned off.
   */
  write(writer: Writer, value: unknown): Promise<Written> {
    const { place, network, writes, found, delayMs, history, guard } = this.#parts;
    const life = this.#parts.writer();
    const { machine } = life;
    const { token, key = machine.name } = writer;
    if (writer.signal?.aborted === true && !life.isOver) {
      found(
        "SIM-RES-2",
        `${machine.name} writes to ${this.name} with token ${token}, though it has been told that it no longer owns`,
      );
    }
    // What a resource takes that compares no tokens is in no order that could be checked.
    const call = { kind: "guarded", resource: this.name, token, holder: key } as const;
    const op = guard && !life.isOver ? history?.begin(machine.name, call) : undefined;
    return new Promise((resolve) => {
      const told = (written: Written): void => {
        if (op !== undefined) history?.answer(op, { accepted: written.ok });
        resolve(written);
      };
      const arrive = (): void => {
        const written = this.#take({ writer, by: machine.name, token, key }, value);
        network.carry(place, life, () => told(written));
      };
      life.in(delayMs(), () => network.carry(life, place, arrive));
      if (!life.isOver) writes(machine);
    });
  }

  /** If both this one and the last one certainly own, two do. */
  #checkAlone(comer: Comer): void {
    const last = this.#latest;
    if (last === undefined || last.writer === comer.writer || last.key === comer.key) return;
    const [before, now] = [last, comer].map(({ writer }) => writer.remainingMs?.() ?? 0);
    if ((before ?? 0) <= 0 || (now ?? 0) <= 0) return;
    this.#parts.found(
      "SIM-RES-3",
      `${this.name} has two owners: ${last.by} with token ${last.token} certainly for ${Math.round(before ?? 0)} ms, and ${comer.by} with token ${comer.token} for ${Math.round(now ?? 0)} ms`,
    );
  }

  #take(comer: Comer, value: unknown): Written {
    const { by, token, key } = comer;
    this.#checkAlone(comer);
    const last = this.#highest;
    const isFresh = accepts(last, token, key);
    const isRefused = !isFresh && this.#parts.guard;
    const said = isRefused ? "refused" : "took";
    this.#parts.say(`${said} ${textOf(value)} of ${by}, token ${token}`);
    if (isRefused) {
      this.refused++;
      const why = `token ${token} is refused, ${last?.token ?? 0} has written`;
      return { ok: false, reason: "stale", why };
    }
    if (!isFresh) {
      this.#parts.found(
        "SIM-RES-1",
        `${this.name} took a write of ${by} with token ${token}, after ${last?.by ?? ""} had written with token ${last?.token ?? 0}`,
      );
    } else {
      this.#highest = { token, holder: key, by };
      this.#latest = comer;
    }
    this.#effects.push({ atMs: this.#parts.agenda.nowMs, by, token, value });
    return { ok: true };
  }
}

/** Whose write arrives. */
interface Comer {
  readonly writer: Writer;
  readonly by: string;
  readonly token: number;
  readonly key: string;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? String(value));
}
