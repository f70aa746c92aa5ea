/**
 * A client of a simulated cluster that takes locks by the procedures of `selection`: under a lease that it keeps, or for a
 * time that the store ends by itself; it waits, owns, acts on a resource, gives back, and at times dies with all of it.
 *
 * What must hold besides what the history tells: whoever is sure to own, by its own clock, is the only one. It is sure for
 * less than the time that was granted: clocks may differ by a tenth either way, and keyspace time by as much again.
 */
import { assert } from "../../base/assert.ts";
import { dataOf } from "../../contract/json-data.ts";
import { argsText } from "../../contract/json-data.ts";
import type { Procedure } from "../../contract/procedure.ts";
import type { Bytes } from "../../base/bytes.ts";
import { enter, leave, look } from "../../mechanisms/selection/contention/procedures.ts";
import type { Standing } from "../../mechanisms/selection/contention/queue.ts";
import { accepts } from "../../mechanisms/selection/guard/guard.ts";
import type { Guarded } from "../../mechanisms/selection/guard/guard.ts";
import type { Asker } from "./asker.ts";

const LOCKS = 2;
const TTL_MS = 700;
/** How much of a granted time its owner counts on. */
const SURE = 0.65;
const RULE = { kind: "first" } as const;

/** What a lock protects: it may be reached late. */
export class Resource {
  #last: Guarded | undefined;

  /** Whether the write is taken. */
  takes(token: number, holder: string, checks: boolean): boolean {
    if (!accepts(this.#last, token, holder)) return !checks;
    this.#last = { token, holder };
    return true;
  }
}

export async function own(asker: Asker, resources: Map<string, Resource>): Promise<void> {
  for (let round = 1; !asker.isStopped; round++) {
    const lock = `lock-${asker.random.below(LOCKS)}`;
    let resource = resources.get(lock);
    if (resource === undefined) resources.set(lock, (resource = new Resource()));
    await new Ownership(asker, lock, resource, round).run();
    await asker.sleep(asker.random.below(60));
  }
}

/** One attempt to own, from the lease to the release. */
class Ownership {
  readonly #asker: Asker;
  readonly #lock: string;
  readonly #resource: Resource;
  readonly #round: number;
  readonly #byDeadline: boolean;
  #lease = 0n;
  /** Until when it is sure to be there, ms. */
  #sureUntil = 0;

  constructor(asker: Asker, lock: string, resource: Resource, round: number) {
    this.#asker = asker;
    this.#lock = lock;
    this.#resource = resource;
    this.#round = round;
    this.#byDeadline = asker.random.chance(1, 4);
  }

  get #prefix(): string {
    return `q/${this.#lock}/`;
  }
  get #key(): string {
    return `${this.#prefix}${this.#asker.id}-${this.#round}`;
  }
  get #isSure(): boolean {
    return this.#asker.nowMs < this.#sureUntil;
  }

  async run(): Promise<void> {
    const { recording } = this.#asker.world;
    if (!this.#byDeadline && !(await this.#grant())) return;
    const op = recording.invoked(`c${this.#asker.id}`, { kind: "acquire", name: this.#lock });
    const entered = await this.#enter();
    const standing = entered?.state === "waits" ? await this.#wait(entered) : entered;
    if (standing === undefined || (standing.state === "owns" && !this.#isSure))
      return recording.tell({ type: "indefinite", op });
    if (standing.state !== "owns") return recording.tell({ type: "definite", op });
    const place = Number(standing.created);
    const token = standing.tokenBase + place;
    recording.answered(op, { token, place });
    await this.#hold(token);
    await this.#release(token, place);
  }

  /** The time from which on what was granted counts. */
  #counted(askedAt: number): number {
    return this.#asker.world.rules.countsFromAsking ? askedAt : this.#asker.nowMs;
  }

  async #grant(): Promise<boolean> {
    this.#lease = BigInt(this.#asker.id) * 1_000_000n + BigInt(this.#round);
    const askedAt = this.#asker.nowMs;
    const granted = { kind: "leaseGrant", id: this.#lease, ttlMs: TTL_MS } as const;
    if ((await this.#asker.done(granted)) === undefined) return false;
    this.#sureUntil = this.#counted(askedAt) + TTL_MS * SURE;
    return true;
  }

  async #keep(): Promise<void> {
    if (this.#byDeadline) return;
    const askedAt = this.#asker.nowMs;
    const reply = await this.#asker.ask({ kind: "leaseKeepAlive", id: this.#lease });
    const left = reply?.ok === true && "ttlMs" in reply.response ? reply.response.ttlMs : 0;
    if (left <= 0) this.#sureUntil = 0;
    else this.#sureUntil = Math.max(this.#sureUntil, this.#counted(askedAt) + TTL_MS * SURE);
  }

  async #run<A, R>(procedure: Procedure<A, R>, args: A): Promise<R | undefined> {
    const given = argsText(args, procedure.name);
    const response = await this.#asker.done({
      kind: "run",
      procedure: procedure.name,
      args: given,
    });
    return response !== undefined && "result" in response
      ? (dataOf(response.result as Bytes) as R)
      : undefined;
  }

  async #enter(): Promise<Standing | undefined> {
    const askedAt = this.#asker.nowMs;
    const entered = await this.#run(enter, {
      prefix: this.#prefix,
      key: this.#key,
      lease: String(this.#lease),
      record: { layout: 1, service: "swarm", host: "", pid: this.#asker.id },
      rule: RULE,
      // Who waits for longer than it has time for would own what has ended.
      queue: !this.#byDeadline,
      ttlMs: this.#byDeadline ? TTL_MS : undefined,
    });
    if (this.#byDeadline) this.#sureUntil = this.#counted(askedAt) + TTL_MS * SURE;
    return entered;
  }

  /** Waits until it owns, is gone, or has had enough. */
  async #wait({ created }: Standing): Promise<Standing | undefined> {
    const { random, world } = this.#asker;
    for (let left = 2 + random.below(30); left > 0 && !this.#asker.isStopped; left--) {
      await this.#asker.sleep(10 + random.below(60));
      if (random.chance(2, 3)) await this.#keep();
      const args = { prefix: this.#prefix, key: this.#key, created: Number(created), rule: RULE };
      const found = await this.#run(look, args);
      if (found === undefined || found.state === "owns") return found;
      if (found.state !== "absent") continue;
      if (world.rules.looksAgain || found.waiting > 0) return found;
      // The mistake: nobody is in front, so it must be its turn.
      this.#sureUntil = this.#asker.nowMs + TTL_MS * SURE;
      return { ...found, state: "owns", created };
    }
    await this.#run(leave, { key: this.#key, created: Number(created) });
    return { state: "refused", created: 0, tokenBase: 0, waiting: 0 };
  }

  /** Acts while it is sure to own, and for once when it no longer is. */
  async #hold(token: number): Promise<void> {
    const { random } = this.#asker;
    for (let left = 1 + random.below(8); left > 0 && this.#isSure; left--) {
      this.#act(token);
      await this.#asker.sleep(random.below(120));
      if (random.chance(1, 2)) await this.#keep();
      if (this.#isSure) this.#act(token);
    }
    // A write that was under way while its owner stood still.
    if (random.chance(1, 4)) {
      await this.#asker.sleep(random.below(1_500));
      await this.#write(token);
    }
  }

  #act(token: number): void {
    const { acted } = this.#asker.world.facts;
    const last = acted.get(this.#lock) ?? 0;
    assert(
      token >= last,
      `${this.#lock}: c${this.#asker.id} is sure to own it with token ${token}, after token ${last} has acted`,
    );
    acted.set(this.#lock, token);
    this.#write(token).catch(() => {});
  }

  async #write(token: number): Promise<void> {
    const { world, random } = this.#asker;
    const holder = this.#key;
    const call = { kind: "guarded", resource: this.#lock, token, holder } as const;
    const op = world.recording.invoked(`c${this.#asker.id}`, call);
    await this.#asker.sleep(random.below(40));
    const accepted = this.#resource.takes(token, holder, world.rules.resourceChecks);
    world.recording.answered(op, { accepted });
  }

  async #release(token: number, created: number): Promise<void> {
    const { recording } = this.#asker.world;
    // It is gone, and its lease with it in its time.
    if (this.#asker.random.chance(1, 4)) return;
    const call = { kind: "release", name: this.#lock, token } as const;
    const op = recording.invoked(`c${this.#asker.id}`, call);
    const released = await this.#run(leave, { key: this.#key, created });
    if (released === undefined) recording.tell({ type: "indefinite", op });
    else recording.answered(op, { held: released.left });
  }
}
