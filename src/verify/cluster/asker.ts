/**
 * How a client of a simulated cluster asks: one thing at a time, of whoever leads, again under its stamp until there is an
 * answer.
 */
import { assert } from "../../base/assert.ts";
import type { Prng } from "../../base/prng.ts";
import { SYSTEM } from "../../contract/auth.ts";
import type { CallerStamp, Reply, Request, Response } from "../../contract/requests.ts";
import type { ClientRules } from "./plant.ts";
import type { Node } from "./node.ts";
import type { Recording } from "./recording.ts";
import type { Scheduler } from "./scheduler.ts";

const PAUSE_MS = 20;
/** What another member, or the same one later, may answer better. */
const AGAIN: ReadonlySet<string> = new Set([
  "NOT_LEADER",
  "LEADER_CHANGED",
  "OVERLOADED",
  "SHUTDOWN",
]);
/** Requests that may be carried out twice. */
const REPEATABLE: ReadonlySet<string> = new Set(["range", "callerOpen", "leaseKeepAlive"]);

/** What all clients together know to be true. */
export class Facts {
  /** Greatest revision that anybody was told. */
  revision = 0;
  /** Of each key, the greatest number acknowledged. */
  readonly numbers: Map<string, number> = new Map();
  readonly leases: Set<bigint> = new Set();
  /** Counts that happened, and those of which nobody knows. */
  counted = 0;
  uncertain = 0;
  acknowledged = 0;
  /** Greatest token of each lock with which somebody who was sure to own has acted. */
  readonly acted: Map<string, number> = new Map();
}

/** What clients share. */
export interface ClientWorld {
  readonly scheduler: Scheduler;
  readonly nodes: readonly Node[];
  readonly facts: Facts;
  readonly recording: Recording;
  readonly rules: ClientRules;
  /** How long a client waits for one answer, ms. */
  readonly timeoutMs: number;
  /** Longest value that is put. */
  readonly valueBytes: number;
  /** Greatest time that an answer takes on its way, ms. */
  readonly answerMs: number;
}

export class Asker {
  readonly id: number;
  readonly world: ClientWorld;
  readonly random: Prng;
  #caller: bigint;
  #sequence = 0;
  #leader: number | undefined;
  /** It asks whoever led when it asked last, as long as that one answers. */
  isFaithful = false;
  isStopped = false;

  constructor(id: number, world: ClientWorld, random: Prng) {
    this.id = id;
    this.world = world;
    this.random = random;
    this.#caller = BigInt(id) * 1_000n;
  }

  get nowMs(): number {
    return this.world.scheduler.nowMs;
  }

  sleep(ms: number): Promise<void> {
    const { scheduler } = this.world;
    return new Promise((resolve) => {
      scheduler.at(scheduler.nowMs + ms, resolve);
    });
  }

  /** Asks under a stamp until there is a last word; undefined: there will never be one. */
  async stamped(request: Request): Promise<Reply | undefined> {
    while (this.#sequence === 0) {
      const id = ++this.#caller;
      const opened = await this.ask({ kind: "callerOpen", id });
      if (opened?.ok === true) this.#sequence = 1;
      else if (this.isStopped) return undefined;
    }
    const sequence = this.#sequence;
    const stamp = { id: this.#caller, sequence, firstUnacked: sequence };
    const reply = await this.ask(request, stamp);
    // Whatever else it was, this caller's word on it will not be had.
    this.#sequence = reply?.ok === true ? sequence + 1 : 0;
    return reply;
  }

  /** The response to a stamped request, if it was carried out. */
  async done(request: Request): Promise<Response | undefined> {
    const reply = await this.stamped(request);
    return reply?.ok === true ? reply.response : undefined;
  }

  async ask(request: Request, stamp?: CallerStamp): Promise<Reply | undefined> {
    const { facts } = this.world;
    const { revision } = facts;
    const reply = await this.#attempts(request, stamp);
    if (reply?.ok !== true) return reply;
    facts.acknowledged++;
    if (request.kind === "range" && request.consistency === "serializable") return reply;
    const seen = reply.response.revision;
    assert(
      seen >= revision,
      `${request.kind} tells of revision ${seen} after ${revision} was told`,
    );
    facts.revision = Math.max(facts.revision, seen);
    return reply;
  }

  async #attempts(request: Request, stamp: CallerStamp | undefined): Promise<Reply | undefined> {
    const isRepeatable = stamp !== undefined || REPEATABLE.has(request.kind);
    const isLocal = request.kind === "range" && request.consistency === "serializable";
    for (;;) {
      const node = isLocal ? this.someNode() : this.#leading();
      const reply = node === undefined ? undefined : await this.#attempt(node, request, stamp);
      if (reply === undefined) this.#leader = undefined;
      else if (reply.ok) {
        if (!isLocal) this.#leader = node?.id;
        return reply;
      } else {
        const { code, details } = reply.failure;
        this.#leader = Number(details?.["leader"] ?? 0) || undefined;
        if (!AGAIN.has(code)) return reply;
      }
      if (!isRepeatable) return undefined;
      await this.sleep(1 + this.random.below(PAUSE_MS));
    }
  }

  /** Some member that is up. */
  someNode(): Node | undefined {
    const up = this.world.nodes.filter(({ isUp }) => isUp);
    return up.length === 0 ? undefined : this.random.pick(up);
  }

  #leading(): Node | undefined {
    const leader = this.world.nodes.find(({ isUp, id }) => isUp && id === this.#leader);
    const stays = this.isFaithful || !this.random.chance(1, 4);
    return leader !== undefined && stays ? leader : this.someNode();
  }

  /** One attempt at one member; undefined: no answer in time. */
  #attempt(
    node: Node,
    request: Request,
    stamp: CallerStamp | undefined,
  ): Promise<Reply | undefined> {
    const { scheduler, timeoutMs, answerMs } = this.world;
    return new Promise((resolve) => {
      const { driver, life } = node;
      const giveUp = scheduler.at(scheduler.nowMs + timeoutMs, () => resolve(undefined));
      const answered = (reply: Reply): void => {
        const atMs = scheduler.nowMs + this.random.below(10 * answerMs) / 10;
        scheduler.at(atMs, () => {
          giveUp();
          resolve(reply);
        });
      };
      const ask = (): void => driver?.submit(request, stamp, answered, SYSTEM);
      scheduler.at(scheduler.nowMs + 0.2, ask, life);
    });
  }
}
