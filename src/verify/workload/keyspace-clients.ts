/**
 * Clients of a simulated keyspace: writes, reads, transactions, leases with their renewals and ends, watches, and members
 * that say what their state hashes to. The store is the twin, which shares no code with the checker.
 *
 * Invariants: I1 every history that comes of it is right. I2 a lease ends after its time, never before.
 */
import { type Bytes, utf8 } from "../../base/bytes.ts";
import type {
  Command,
  Compare,
  RangeRequest,
  RangeResponse,
  TxnOperation,
} from "../../contract/requests.ts";
import type { KeyspaceCall } from "../history/calls.ts";
import { KeyspaceTwin } from "../keyspace-twin.ts";
import { Watcher } from "./watcher.ts";
import type { Effect, World } from "./world.ts";

const TTL_MS = 30;
const RANGE: { readonly key: Bytes; readonly end: Bytes } = { key: utf8("k"), end: utf8("l") };

export class KeyspaceClients {
  readonly #world: World;
  readonly #twin = new KeyspaceTwin(1);
  readonly #keys: readonly Bytes[];
  readonly #deadlines = new Map<bigint, number>();
  /** Leases of which somebody knows. */
  readonly #leases: bigint[] = [];
  /** Whether most calls have to do with leases. */
  readonly #leasing: boolean;
  #values = 0;
  #ids = 0n;
  #watchers = 0;

  constructor(world: World, keys: number, leasing: boolean) {
    this.#world = world;
    this.#leasing = leasing;
    this.#keys = Array.from({ length: keys }, (_, at) => utf8(`k${at}`));
  }

  /** Starts a client that makes `calls` calls. */
  client(process: string, calls: number): void {
    const next = (left: number): void => {
      if (left === 0) return;
      const call = this.#call();
      const effect = (): Effect => this.#carryOut(call);
      this.#world.call(process, call, effect, (answer) => {
        if (call.kind === "leaseGrant" && answer !== undefined) this.#leases.push(call.id);
        this.#world.after(this.#world.delay(), () => next(left - 1));
      });
    };
    this.#world.after(this.#world.delay(), () => next(calls));
  }

  /** Starts a watch. */
  watcher(process: string, batches: number): void {
    const world = this.#world;
    const whole = this.#leasing || world.percent(60);
    const bounds = whole ? RANGE : { key: world.chance.pick(this.#keys) };
    const without = world.percent(10) ? world.chance.pick(["put", "delete"] as const) : undefined;
    new Watcher(world, this.#twin, () => `w${++this.#watchers}`, {
      process,
      ...bounds,
      prevKv: this.#leasing || world.percent(50),
      fragment: world.percent(20),
      without,
    }).start(batches);
  }

  /** Starts a member that tells its state's hash now and then. */
  member(name: string, times: number): void {
    const tell = (left: number): void => {
      if (left === 0) return;
      const revision = this.#lagging();
      const answer = this.#twin.range({ kind: "range", ...RANGE, revision });
      const { kvs } = (answer as { readonly response: RangeResponse }).response;
      const hash = String(kvs.map(({ key, value, modRevision }) => `${key}${value}${modRevision}`));
      const compactRevision = this.#twin.compactRevision;
      this.#world.record({ type: "state", member: name, revision, compactRevision, hash });
      this.#world.after(this.#world.delay() * 3, () => tell(left - 1));
    };
    this.#world.after(this.#world.delay(), () => tell(times));
  }

  #lagging(): number {
    const least = Math.max(1, this.#twin.compactRevision, this.#twin.revision - 4);
    return least + this.#world.chance.below(this.#twin.revision - least + 1);
  }

  #key(): Bytes {
    return this.#world.chance.pick(this.#keys);
  }

  #value(): Bytes {
    return utf8(`v${this.#world.percent(90) ? ++this.#values : 0}`);
  }

  #lease(): bigint {
    return this.#leases.length === 0 ? 0n : this.#world.chance.pick(this.#leases.slice(-3));
  }

  #call(): KeyspaceCall {
    const { chance } = this.#world;
    const lease = this.#lease();
    const dice = chance.below(100);
    if (this.#leasing && this.#world.percent(80)) {
      if (lease === 0n || dice < 20) return this.#grant();
      return dice < 80 ? this.#put(lease) : { kind: "leaseKeepAlive", id: lease };
    }
    if (dice < 28) return this.#put(this.#world.percent(30) ? lease : 0n);
    if (dice < 52) return this.#range();
    if (dice < 62)
      return { kind: "deleteRange", ...this.#place(), prevKv: this.#world.percent(50) };
    if (dice < 80)
      return {
        kind: "txn",
        compare: [this.#compare()],
        success: this.#branch(),
        failure: this.#world.percent(50) ? [this.#range()] : this.#branch(),
      };
    if (dice < 87 || lease === 0n) return this.#grant();
    if (dice < 95) return { kind: "leaseKeepAlive", id: lease };
    if (dice < 98) return { kind: "leaseRevoke", id: lease };
    return { kind: "compact", revision: Math.max(1, this.#twin.revision - chance.below(6)) };
  }

  #grant(): KeyspaceCall {
    return { kind: "leaseGrant", id: ++this.#ids, ttlMs: TTL_MS + this.#world.chance.below(90) };
  }

  #place(): { readonly key: Bytes; readonly end?: Bytes | undefined } {
    return this.#world.percent(20) ? RANGE : { key: this.#key() };
  }

  #put(lease: bigint): TxnOperation & { readonly kind: "put" } {
    const prevKv = this.#world.percent(30);
    return { kind: "put", key: this.#key(), value: this.#value(), lease, prevKv };
  }

  #range(): RangeRequest {
    const { chance } = this.#world;
    const dice = chance.below(100);
    const request = { kind: "range", ...this.#place() } as const;
    if (dice < 55) return request;
    if (dice < 75) return { ...request, consistency: "serializable" };
    if (dice < 82) return { ...request, revision: this.#lagging() };
    if (dice < 88) return { ...request, limit: 1, sort: { target: "mod", order: "descend" } };
    return dice < 94 ? { ...request, countOnly: true } : { ...request, keysOnly: true };
  }

  #branch(): TxnOperation[] {
    const [first, second] = [this.#key(), this.#key()];
    const write: TxnOperation = { ...this.#put(0n), key: first };
    if (this.#world.percent(40) || first === second) return [write];
    const other: TxnOperation = this.#world.percent(30)
      ? { kind: "deleteRange", key: second }
      : { ...this.#put(0n), key: second };
    return [write, this.#world.percent(50) ? other : { kind: "range", key: first }];
  }

  #compare(): Compare {
    const { chance } = this.#world;
    const key = this.#key();
    const result = chance.pick(["equal", "greater", "less", "notEqual"] as const);
    const kind = chance.pick(["version", "create", "mod"] as const);
    if (this.#world.percent(25))
      return { key, result: "equal", target: { kind: "version", value: 0 } };
    return { key, result, target: { kind, value: kind === "version" ? 1 : this.#twin.revision } };
  }

  #carryOut(call: KeyspaceCall): Effect {
    if (call.kind === "leaseKeepAlive") return this.#renew(call.id);
    if (call.kind === "range") return this.#read(call);
    const reply = this.#twin.call(call as Command);
    if (!reply.ok) return { code: reply.codes[0] ?? "INVALID" };
    if (call.kind === "leaseGrant") this.#granted(call.id, call.ttlMs);
    return { answer: reply.response as never };
  }

  #read(request: RangeRequest): Effect {
    const behind = request.consistency === "serializable";
    const revision = behind ? this.#lagging() : request.revision;
    const reply = this.#twin.range({ ...request, revision });
    if (!reply.ok) return { code: reply.codes[0] ?? "INVALID" };
    const response = reply.response as RangeResponse;
    return { answer: behind ? { ...response, revision: revision ?? 1 } : response };
  }

  #granted(id: bigint, ttlMs: number): void {
    this.#deadlines.set(id, this.#world.now + ttlMs);
    const look = (): void => {
      const deadline = this.#deadlines.get(id) as number;
      if (!this.#twin.leases.some((lease) => lease.id === id)) return;
      if (deadline > this.#world.now)
        this.#world.after(deadline - this.#world.now + this.#world.delay(), look);
      else this.#twin.call({ kind: "leaseRevoke", id });
    };
    this.#world.after(ttlMs + this.#world.delay(), look);
  }

  #renew(id: bigint): Effect {
    const lease = this.#twin.leases.find((each) => each.id === id);
    const { revision } = this.#twin;
    if (lease === undefined) return { answer: { revision, ttlMs: 0 } };
    this.#deadlines.set(id, this.#world.now + lease.ttlMs);
    return { answer: { revision, ttlMs: lease.ttlMs } };
  }
}
