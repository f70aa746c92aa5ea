/**
 * Replicas over the real Raft machine as a model to explore: every order in which requests are asked, entries sealed,
 * writes flushed and messages delivered, within bounds.
 *
 * A state is the way to it, replayed from the start: a keyspace is not copied. Time stands still; a member may stand at any
 * moment, and nobody asks first. A message that never arrives is one that is not delivered yet.
 * What is checked (docs/spec/replica.md): REP-1 what an answer says is on the disks of a majority when it leaves; whoever
 * asks after an acknowledgement sees what was acknowledged; what was answered as not done never happens; members that have
 * applied as much are in the same state.
 */
import { assert } from "../../base/assert.ts";
import { utf8 } from "../../base/bytes.ts";
import { procedureSet } from "../../contract/procedure.ts";
import type { Reply, Request, Response } from "../../contract/requests.ts";
import { Base } from "../../keyspace/base.ts";
import { KeyspaceTime } from "../../keyspace/keyspace-time.ts";
import type { Entry, Message } from "../../protocols/agreement/raft/messages.ts";
import { startRaft } from "../../protocols/agreement/raft/raft.ts";
import type { Rules } from "../../protocols/agreement/raft/rules.ts";
import { RULES } from "../../protocols/agreement/raft/rules.ts";
import type { ReplicaInput, ReplicaOutput } from "../../replica/inputs.ts";
import type { LogRecord } from "../../replica/log-record.ts";
import { Replica } from "../../replica/replica.ts";
import type { ReplicaRules } from "../../replica/rules.ts";
import { REPLICA_RULES } from "../../replica/rules.ts";
import { answer } from "../../replica/queries.ts";
import type { Model } from "../explorer.ts";
import { messageText } from "../raft/message-text.ts";

const KEY = utf8("k");
const NOW = { monotonicMs: 0, wallMs: 1_700_000_000_000 };
const FOREVER = {
  historyMs: Infinity,
  historyBytes: Infinity,
  historyRevisions: Infinity,
  callerIdleMs: Infinity,
};

/** What is asked: a put of a value of its own, a compare that fails exactly if something was put, a range. */
export type Asked = "put" | "compare" | "range";

export type Action =
  | { readonly kind: "ask"; readonly id: number; readonly asked: Asked }
  | { readonly kind: "seal"; readonly id: number }
  | { readonly kind: "flush"; readonly id: number }
  | { readonly kind: "stand"; readonly id: number }
  /** A member hears that its connection to another broke. */
  | { readonly kind: "break"; readonly id: number; readonly member: number }
  /** A learner is taken in. */
  | { readonly kind: "add"; readonly id: number }
  | { readonly kind: "deliver"; readonly text: string };

export interface Bounds {
  readonly voters: readonly number[];
  /** Requests, each once, in this order at each member. */
  readonly asks: Readonly<Record<number, readonly Asked[]>>;
  /** Members that stand, in this order, after the first one leads. */
  readonly stands: readonly number[];
  readonly adds?: number | undefined;
  /** Connections that break, in this order, as who hears of it and to whom. */
  readonly breaks?: readonly (readonly [id: number, member: number])[] | undefined;
  /** Members whose writes take their time. */
  readonly slow: readonly number[];
  /** Links that work, as `from>to`; absent: all. */
  readonly links?: readonly string[] | undefined;
  readonly replicaRules?: Partial<ReplicaRules> | undefined;
  readonly raftRules?: Partial<Rules> | undefined;
}

interface Told {
  readonly asked: Asked;
  readonly id: number;
  /** Puts acknowledged when it was asked. */
  readonly after: readonly string[];
  reply: Reply | undefined;
  readonly value: string;
}

interface Seat {
  readonly replica: Replica;
  pending: { readonly ticket: number; readonly record: LogRecord } | undefined;
  /** What is on the disk. */
  stable: Entry[];
  asks: number;
}

export class ReplicaWorld {
  readonly #bounds: Bounds;
  readonly seats: ReadonlyMap<number, Seat>;
  readonly told: Told[] = [];
  wire: Message[] = [];
  #stands = 0;
  #adds = 0;
  #breaks = 0;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
    this.seats = new Map(bounds.voters.map((id) => [id, this.#seat(id)]));
    const first = bounds.voters[0] as number;
    this.#step(first, { kind: "start" });
    this.#rest();
    assert(this.#at(first).replica.leading, "the first member leads");
  }

  #seat(id: number): Seat {
    const { voters, replicaRules, raftRules } = this.#bounds;
    const base = new Base();
    const config = { voters, outgoing: [], learners: [] };
    base.members.configure(config);
    const raft = startRaft(
      { id, random: () => 0 },
      {
        hardState: { term: 0, vote: 0 },
        snapshot: { index: 0, term: 0, source: id, config },
        entries: [],
      },
      { ...RULES, staysWithLeader: false, asksFirst: false, ...raftRules },
    );
    const head = {
      procedures: procedureSet([]),
      quotaBytes: 1 << 20,
      minLeaseTtlMs: 1_000,
      leaseId: () => 1n,
    };
    const time = KeyspaceTime.resume(0, NOW.monotonicMs, NOW.wallMs);
    const parts = { raft, base, head, time, retention: FOREVER, logged: true, tailBytes: 1 << 20 };
    const replica = new Replica(parts, { ...REPLICA_RULES, ...replicaRules });
    return { replica, pending: undefined, stable: [], asks: 0 };
  }

  #at(id: number): Seat {
    const seat = this.seats.get(id);
    assert(seat !== undefined, `the model has no member ${id}`);
    return seat;
  }

  /** Delivers and flushes until nothing is under way. */
  #rest(): void {
    for (;;) {
      const pending = [...this.seats].find(([, seat]) => seat.pending !== undefined);
      const message = this.wire.shift();
      if (pending !== undefined) this.#flush(pending[0]);
      if (message !== undefined) this.#step(message.to, { kind: "message", message });
      if (pending === undefined && message === undefined) return;
    }
  }

  actions(): readonly Action[] {
    const { asks, stands, slow, adds = 0, breaks = [] } = this.#bounds;
    const found: Action[] = [];
    for (const [id, seat] of this.seats) {
      const asked = asks[id]?.[seat.asks];
      if (asked !== undefined) found.push({ kind: "ask", id, asked });
      if (seat.replica.open && seat.pending === undefined) found.push({ kind: "seal", id });
      if (slow.includes(id) && seat.pending !== undefined) found.push({ kind: "flush", id });
      if (this.#adds < adds && seat.replica.leading) found.push({ kind: "add", id });
    }
    const stand = stands[this.#stands];
    if (stand !== undefined) found.push({ kind: "stand", id: stand });
    const broken = breaks[this.#breaks];
    if (broken !== undefined) found.push({ kind: "break", id: broken[0], member: broken[1] });
    for (const text of new Set(this.wire.map(messageText))) found.push({ kind: "deliver", text });
    return found;
  }

  act(action: Action): void {
    switch (action.kind) {
      case "ask":
        this.#ask(action.id, action.asked);
        break;
      case "seal":
        this.#step(action.id, { kind: "seal" });
        break;
      case "flush":
        this.#flush(action.id);
        break;
      case "stand":
        this.#stands++;
        this.#step(action.id, { kind: "start" });
        break;
      case "break":
        this.#breaks++;
        this.#step(action.id, { kind: "connectionLost", member: action.member });
        break;
      case "add": {
        this.#adds++;
        const id = this.told.length;
        this.told.push({ asked: "range", id: action.id, after: [], reply: undefined, value: "" });
        const member = { id: 9, name: "", peerUrls: [], clientUrls: [], identity: "" };
        this.#step(action.id, { kind: "order", id, order: { kind: "add", member } });
        break;
      }
      case "deliver": {
        const at = this.wire.findIndex((message) => messageText(message) === action.text);
        const message = this.wire[at];
        assert(message !== undefined, `${action.text} is not on its way`);
        this.wire.splice(at, 1);
        this.#step(message.to, { kind: "message", message });
        break;
      }
    }
    this.#settle();
  }

  /** What takes no time happens, and what can change nothing any more is lost. */
  #settle(): void {
    const { slow, links } = this.#bounds;
    for (let goesOn = true; goesOn;) {
      goesOn = false;
      for (const [id, { pending }] of this.seats) {
        if (pending === undefined || slow.includes(id)) continue;
        this.#flush(id);
        goesOn = true;
      }
    }
    this.wire = this.wire.filter(({ from, to, term, kind }) => {
      if (links !== undefined && !links.includes(`${from}>${to}`)) return false;
      if (!this.seats.has(to)) return false;
      const isAnswer = kind.endsWith("Reply") || kind === "outdated";
      return !isAnswer || term >= this.#at(to).replica.raft.term;
    });
    this.#check();
  }

  #ask(id: number, asked: Asked): void {
    const seat = this.#at(id);
    seat.asks++;
    const value = `v${this.told.length}`;
    const after = this.told.flatMap((told) =>
      told.asked === "put" && told.reply?.ok === true ? [told.value] : [],
    );
    this.told.push({ asked, id, after, reply: undefined, value });
    const request = requestOf(asked, value);
    this.#step(id, { kind: "request", id: this.told.length - 1, request, caller: undefined });
  }

  #flush(id: number): void {
    const seat = this.#at(id);
    const { pending } = seat;
    assert(pending !== undefined, "a write is under way");
    seat.pending = undefined;
    const first = pending.record.entries[0]?.index ?? Infinity;
    seat.stable = [...seat.stable.filter(({ index }) => index < first), ...pending.record.entries];
    this.#step(id, { kind: "written", ticket: pending.ticket });
  }

  #step(id: number, input: ReplicaInput): void {
    const { replica } = this.#at(id);
    this.#carryOut(id, replica.step(input, NOW));
    while (replica.behind) this.#carryOut(id, replica.step({ kind: "apply" }, NOW));
  }

  #carryOut(id: number, outputs: readonly ReplicaOutput[]): void {
    const seat = this.#at(id);
    for (const output of outputs) {
      if (output.kind === "write") seat.pending = output;
      else if (output.kind === "send") this.wire.push(...output.messages);
      else if (output.kind === "reply") this.#reply(output.id, output.reply);
      else if (output.kind === "query") this.#query(output.id, seat.replica.base, output.request);
    }
  }

  #query(id: number, base: Base, request: Request): void {
    assert(request.kind === "range", "only ranges are asked for");
    const found = answer(base, request, 0);
    assert("work" in found, "a range is readable");
    const first = found.work.next();
    assert(first.done === true, "a range of one key takes one step");
    this.#reply(id, { ok: true, response: first.value });
  }

  #reply(id: number, reply: Reply): void {
    const told = this.told[id];
    assert(told !== undefined && told.reply === undefined, "each is answered once");
    told.reply = reply;
    if (!reply.ok || told.value === "") return;
    const seen = told.asked === "put" ? told.value : seenIn(reply.response);
    if (seen !== undefined && seen !== "")
      assert(
        this.#isSafe(seen),
        `REP-1 ${told.asked} at ${told.id} tells of ${seen}, which may be lost`,
      );
    const expected = told.after.length > 0;
    if (told.asked !== "put" && expected)
      assert(seen !== "", `REP-1 ${told.asked} at ${told.id} misses what was acknowledged`);
  }

  /** Whether the entry that brings `value` is on the disks of a majority. */
  #isSafe(value: string): boolean {
    let count = 0;
    for (const { stable } of this.seats.values()) if (holds(stable, value)) count++;
    return count * 2 > this.seats.size;
  }

  #check(): void {
    for (const { asked, value, reply } of this.told) {
      if (asked !== "put" || reply === undefined || reply.ok) continue;
      if (reply.failure.outcome !== "definite") continue;
      for (const { replica } of this.seats.values()) {
        const { stable } = this.#at(replica.raft.id);
        assert(!holds(stable, value), `REP-3 ${value} was answered as not done and is in a log`);
      }
    }
    const states = new Map<number, string>();
    for (const { replica } of this.seats.values()) {
      const { base } = replica;
      const text = JSON.stringify(
        [base.revision, base.term, base.get(KEY)?.value],
        (_, each: unknown) => (typeof each === "bigint" ? String(each) : each),
      );
      const known = states.get(base.appliedIndex) ?? text;
      assert(known === text, `REP-6 two states at ${base.appliedIndex}: ${known} and ${text}`);
      states.set(base.appliedIndex, text);
      replica.raft.invariants();
    }
  }

  key(): string {
    const parts: string[] = [];
    for (const [id, { replica, pending, stable, asks }] of this.seats) {
      const { base } = replica;
      const open = `${replica.open ? 1 : 0}${replica.leading ? 1 : 0}`;
      const disk = stable.map(({ index, term }) => `${index}/${term}`).join(" ");
      parts.push(
        `${id} ${replica.raft.fingerprint()} ${base.appliedIndex} ${base.revision} ${open} ${pending?.ticket ?? 0} ${disk} ${asks}`,
      );
    }
    const told = this.told.map(
      ({ asked, id, after, reply }) =>
        `${asked}${id}${after.length}${reply === undefined ? "?" : reply.ok ? "+" : reply.failure.code}`,
    );
    const wire = this.wire.map(messageText).sort();
    return [...parts, ...told, ...wire, this.#stands, this.#adds, this.#breaks].join("\n");
  }
}

function requestOf(asked: Asked, value: string): Request {
  if (asked === "put") return { kind: "put", key: KEY, value: utf8(value) };
  if (asked === "range") return { kind: "range", key: KEY };
  return {
    kind: "txn",
    compare: [{ key: KEY, result: "equal", target: { kind: "version", value: 0 } }],
    success: [],
    failure: [{ kind: "range", key: KEY }],
  };
}

/** The value that an answer tells of; empty: that there is none. */
function seenIn(response: Response): string | undefined {
  if ("kvs" in response) return response.kvs[0]?.value ?? "";
  if (!("succeeded" in response)) return undefined;
  if (response.succeeded) return "";
  const [first] = response.responses;
  return first?.kind === "range" ? (first.kvs[0]?.value ?? "") : undefined;
}

function holds(entries: readonly Entry[], value: string): boolean {
  return entries.some(({ data }) => String.fromCharCode(...data).includes(value));
}

interface Path {
  readonly actions: readonly Action[];
  readonly world: ReplicaWorld;
}

/** The model: a state is a way, replayed. */
export class ReplicaModel implements Model<Path, Action> {
  readonly #bounds: Bounds;
  readonly sometimes: Readonly<Record<string, (state: Path) => boolean>>;

  constructor(
    bounds: Bounds,
    sometimes: Readonly<Record<string, (world: ReplicaWorld) => boolean>>,
  ) {
    this.#bounds = bounds;
    this.sometimes = Object.fromEntries(
      Object.entries(sometimes).map(([name, holdsOf]) => [
        name,
        ({ world }: Path) => holdsOf(world),
      ]),
    );
  }

  start(): Path {
    return { actions: [], world: new ReplicaWorld(this.#bounds) };
  }
  actions({ world }: Path): readonly Action[] {
    return world.actions();
  }
  next({ actions }: Path, action: Action): Path {
    const world = new ReplicaWorld(this.#bounds);
    for (const each of actions) world.act(each);
    world.act(action);
    return { actions: [...actions, action], world };
  }
  key({ world }: Path): string {
    return world.key();
  }
}
