/**
 * Raft as it is, as a model to explore: every order in which messages arrive, members stand for election, crash and
 * flush, within bounds.
 *
 * Time is left out: a member may stand at any moment, so who hears from a leader does not refuse, and unless
 * `preVotes` says so nobody asks first (both only make elections rarer). A message that never arrives is one that is not delivered yet, so loss needs
 * no action of its own. What is checked is `Safety`, and the machine's own assertions.
 */
import type { Bytes } from "../../base/bytes.ts";
import { toArray } from "../../base/bytes.ts";
import type { Change } from "../../protocols/agreement/raft/configuration.ts";
import type { Durable } from "../../protocols/agreement/raft/core.ts";
import type { Message } from "../../protocols/agreement/raft/messages.ts";
import type { Rules } from "../../protocols/agreement/raft/rules.ts";
import { RULES } from "../../protocols/agreement/raft/rules.ts";
import type { Model } from "../explorer.ts";
import { messageText } from "./message-text.ts";
import { Safety } from "./safety.ts";
import { SimMember } from "./sim-member.ts";

/** What may happen in a model, each so many times. */
export interface Bounds {
  /** What each member has on its disk at the beginning, by id from 1 on. */
  readonly disks: readonly Durable[];
  /** These happen first, in this order and to rest, before anything is explored. */
  readonly prepare?: readonly Action[] | undefined;
  /** Members that stand, in this order. */
  readonly campaigns?: readonly number[] | undefined;
  /** Proposals, one at a time, at whoever leads. */
  readonly proposals?: number | undefined;
  readonly reads?: number | undefined;
  /** Changes, in this order, each by a given leader. */
  readonly changes?:
    | readonly { readonly id: number; readonly changes: readonly Change[] }[]
    | undefined;
  /** Crashes of these members, in this order, each followed by a restart. */
  readonly crashes?: readonly number[] | undefined;
  /** Messages that arrive twice. */
  readonly repeats?: number | undefined;
  /** Links that work, as `from>to`; absent: all. */
  readonly links?: readonly string[] | undefined;
  /** Kinds of message that are lost: what a model does not look at. */
  readonly lost?: readonly Message["kind"][] | undefined;
  /** Members ask before they stand. */
  readonly preVotes?: boolean | undefined;
  /** Keeping a snapshot's chunk is a step of its own. */
  readonly slowChunks?: boolean | undefined;
  /** Flushes are steps of their own; else a write is stable at once. */
  readonly slowDisks?: boolean | undefined;
  readonly appendBytesMax?: number | undefined;
}

export type Action =
  | { readonly kind: "campaign"; readonly id: number }
  | { readonly kind: "deliver"; readonly message: Message; readonly repeated: boolean }
  | { readonly kind: "propose"; readonly id: number }
  | { readonly kind: "read"; readonly id: number }
  | { readonly kind: "change"; readonly id: number; readonly changes: readonly Change[] }
  | { readonly kind: "crash"; readonly id: number }
  | { readonly kind: "flush"; readonly id: number }
  | { readonly kind: "keep"; readonly id: number };

/** How much of the bounds is used up. */
interface Used {
  readonly campaigns: number;
  readonly proposals: number;
  readonly reads: number;
  readonly changes: number;
  readonly crashes: number;
  readonly repeats: number;
}

export interface RaftState {
  readonly members: readonly SimMember[];
  readonly wire: readonly Message[];
  readonly safety: Safety;
  readonly used: Used;
}

const UNUSED: Used = { campaigns: 0, proposals: 0, reads: 0, changes: 0, crashes: 0, repeats: 0 };

export class RaftModel implements Model<RaftState, Action> {
  readonly sometimes: Readonly<Record<string, (state: RaftState) => boolean>>;
  readonly #bounds: Bounds;
  readonly #rules: Rules;
  readonly #texts = new WeakMap<Message, string>();
  readonly #keys = new WeakMap<SimMember, string>();
  /** Before the exploration, everything arrives. */
  #isPreparing = false;

  constructor(
    bounds: Bounds,
    rules: Partial<Rules>,
    sometimes: Readonly<Record<string, (state: RaftState) => boolean>>,
  ) {
    this.#bounds = bounds;
    const asksFirst = bounds.preVotes === true;
    this.#rules = { ...RULES, ...rules, staysWithLeader: false, asksFirst };
    this.sometimes = sometimes;
  }

  start(): RaftState {
    const safety = new Safety();
    const { appendBytesMax, disks } = this.#bounds;
    const members = disks.map((disk, at) => {
      const options = {
        id: at + 1,
        random: (): number => 0,
        appendBytesMax,
        slowChunks: this.#bounds.slowChunks,
        rules: this.#rules,
      };
      const member = new SimMember(options, disk);
      member.observer = safety;
      return member;
    });
    let state: RaftState = { members, wire: [], safety, used: UNUSED };
    this.#isPreparing = true;
    for (const action of this.#bounds.prepare ?? []) state = this.#rest(this.next(state, action));
    this.#isPreparing = false;
    return { ...state, used: UNUSED };
  }

  /** Delivers and flushes until nothing is under way. */
  #rest(from: RaftState): RaftState {
    let state = from;
    for (;;) {
      const pending = state.members.find((member) => member.pending !== undefined);
      const message = state.wire[0];
      if (pending !== undefined) state = this.next(state, { kind: "flush", id: pending.id });
      else if (message !== undefined)
        state = this.next(state, { kind: "deliver", message, repeated: false });
      else return state;
    }
  }

  actions(state: RaftState): readonly Action[] {
    const { used, members, wire } = state;
    const bounds = this.#bounds;
    const found: Action[] = [];
    const stands = bounds.campaigns?.[used.campaigns];
    if (stands !== undefined && this.#at(members, stands).raft.role !== "leader")
      found.push({ kind: "campaign", id: stands });
    const crashes = bounds.crashes?.[used.crashes];
    if (crashes !== undefined) found.push({ kind: "crash", id: crashes });
    const change = bounds.changes?.[used.changes];
    if (change !== undefined && this.#at(members, change.id).raft.role === "leader")
      found.push({ kind: "change", ...change });
    for (const { id, raft, pending, isKeeping } of members) {
      if (isKeeping) found.push({ kind: "keep", id });
      if (bounds.slowDisks === true && pending !== undefined) found.push({ kind: "flush", id });
      if (raft.role !== "leader") continue;
      if (used.proposals < (bounds.proposals ?? 0)) found.push({ kind: "propose", id });
      if (used.reads < (bounds.reads ?? 0)) found.push({ kind: "read", id });
    }
    for (const message of wire) {
      found.push({ kind: "deliver", message, repeated: false });
      if (used.repeats < (bounds.repeats ?? 0))
        found.push({ kind: "deliver", message, repeated: true });
    }
    return found;
  }

  next(state: RaftState, action: Action): RaftState {
    const safety = state.safety.copy();
    const id = action.kind === "deliver" ? action.message.to : action.id;
    const member = this.#at(state.members, id).copy(safety);
    const used = { ...state.used };
    let { wire } = state;
    switch (action.kind) {
      case "campaign":
        used.campaigns++;
        member.step({ kind: "campaign" });
        break;
      case "deliver":
        if (action.repeated) used.repeats++;
        else wire = wire.filter((message) => message !== action.message);
        member.step({ kind: "message", message: action.message });
        break;
      case "propose":
        used.proposals++;
        member.step({ kind: "propose", data: toArray(`v${used.proposals}` as Bytes) });
        break;
      case "read":
        used.reads++;
        safety.readBegan(used.reads);
        member.step({ kind: "read", id: used.reads });
        break;
      case "change":
        used.changes++;
        member.step({ kind: "change", changes: action.changes });
        break;
      case "crash":
        used.crashes++;
        member.crash(0);
        member.restart();
        break;
      case "flush":
        member.flush();
        break;
      case "keep":
        member.keepChunks();
        break;
    }
    if (this.#bounds.slowDisks !== true) member.flushAll();
    const sent = member.out;
    member.out = [];
    member.reads = [];
    member.refusedReads = [];
    const members = state.members.map((each) => (each.id === id ? member : each));
    return { members, wire: this.#travelling([...wire, ...sent], members), safety, used };
  }

  /** What can still change something: an answer of a term that its receiver has left cannot. */
  #travelling(wire: readonly Message[], members: readonly SimMember[]): readonly Message[] {
    if (this.#isPreparing) return wire;
    const { links, lost } = this.#bounds;
    return wire.filter(({ from, to, term, kind }) => {
      if (links !== undefined && !links.includes(`${from}>${to}`)) return false;
      if (lost?.includes(kind) === true || kind === "outdated") return false;
      return !kind.endsWith("Reply") || term >= this.#at(members, to).raft.term;
    });
  }

  key(state: RaftState): string {
    const members = state.members.map((member) => this.#keyOf(member));
    const wire = state.wire.map((message) => this.#textOf(message)).sort();
    return [...members, ...wire, state.safety.fingerprint(), Object.values(state.used)].join("\n");
  }

  #at(members: readonly SimMember[], id: number): SimMember {
    const member = members[id - 1];
    if (member === undefined) throw new Error(`the model has no member ${id}`);
    return member;
  }

  #keyOf(member: SimMember): string {
    const known = this.#keys.get(member);
    if (known !== undefined) return known;
    const key = member.fingerprint();
    this.#keys.set(member, key);
    return key;
  }

  #textOf(message: Message): string {
    const known = this.#texts.get(message);
    if (known !== undefined) return known;
    const text = messageText(message);
    this.#texts.set(message, text);
    return text;
  }
}

/** An action on one line. */
export function actionText(action: Action): string {
  if (action.kind === "deliver")
    return `${action.repeated ? "repeat" : "deliver"} ${messageText(action.message)}`;
  if (action.kind !== "change") return `${action.kind} ${action.id}`;
  const changes = action.changes.map(({ kind, member }) => `${kind} ${member}`);
  return `change ${action.id} ${changes.join(", ")}`;
}
