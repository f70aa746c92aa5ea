/**
 * A client of a simulated cluster whose every call is recorded: puts, deletes, transactions, ranges now, past and
 * serializable, short leases that are kept, left and revoked, compactions, on few keys that nobody else writes.
 */
import type { Bytes } from "../../base/bytes.ts";
import { utf8 } from "../../base/bytes.ts";
import type {
  Compare,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  TxnOperation,
} from "../../contract/requests.ts";
import type { KeyspaceCall } from "../history/calls.ts";
import type { Asker } from "./asker.ts";

/** Of which the history tells every write. */
export const SCOPE: { readonly key: Bytes; readonly end: Bytes } = {
  key: utf8("h/"),
  end: utf8("h0"),
};
const KEYS = 4;
const PAUSE_MS = 60;
/** Times to live of its leases, ms: between these. */
const TTL_MIN_MS = 300;
export const TTL_MAX_MS = 1_200;

/** Asks until it is stopped. */
export async function callKeyspace(asker: Asker): Promise<void> {
  const { recording } = asker.world;
  const calls = new Calls(asker);
  while (!asker.isStopped) {
    const call = calls.next();
    const op = recording.invoked(`c${asker.id}`, call);
    const reads = call.kind === "range" || call.kind === "leaseKeepAlive";
    recording.returned(op, await (reads ? asker.ask(call) : asker.stamped(call)));
    await asker.sleep(asker.random.below(PAUSE_MS));
  }
}

/** Reads, and nothing else: whoever waits for no write stays with a leader of whom the others have let go. */
export async function readOn(asker: Asker): Promise<void> {
  const { recording } = asker.world;
  asker.isFaithful = true;
  while (!asker.isStopped) {
    const call = { kind: "range", ...SCOPE } as const;
    const op = recording.invoked(`c${asker.id}`, call);
    recording.returned(op, await asker.ask(call));
    await asker.sleep(asker.random.below(READ_PAUSE_MS));
  }
}
const READ_PAUSE_MS = 25;

class Calls {
  readonly #asker: Asker;
  #number = 0;
  /** Its leases, the newest last. */
  readonly #leases: bigint[] = [];

  constructor(asker: Asker) {
    this.#asker = asker;
  }

  next(): KeyspaceCall {
    const { random, world } = this.#asker;
    this.#number++;
    const lease = this.#lease();
    const dice = random.below(100);
    if (dice < 28) return this.#put(random.chance(1, 2) ? lease : 0n);
    if (dice < 50) return this.#range();
    if (dice < 60) return this.#delete();
    if (dice < 74) return this.#txn();
    if (dice < 80 || lease === 0n) return this.#grant();
    if (dice < 93) return { kind: "leaseKeepAlive", id: lease };
    if (dice < 96) return { kind: "leaseRevoke", id: lease };
    return { kind: "compact", revision: Math.max(1, world.facts.revision - random.below(20)) };
  }

  #key(): Bytes {
    return utf8(`h/${this.#asker.random.below(KEYS)}`);
  }

  #lease(): bigint {
    return this.#leases.length === 0 ? 0n : this.#asker.random.pick(this.#leases.slice(-2));
  }

  #grant(): KeyspaceCall {
    const { id: asker, random } = this.#asker;
    const id = BigInt(asker) * 1_000_000n + BigInt(this.#number);
    this.#leases.push(id);
    const ttlMs = TTL_MIN_MS + random.below(TTL_MAX_MS - TTL_MIN_MS);
    return { kind: "leaseGrant", id, ttlMs };
  }

  #put(lease: bigint): PutRequest {
    const value = utf8(`${this.#asker.id}.${this.#number}`);
    const prevKv = this.#asker.random.chance(1, 3);
    return { kind: "put", key: this.#key(), value, lease, prevKv };
  }

  #delete(): DeleteRangeRequest {
    const { random } = this.#asker;
    const where = random.chance(1, 6) ? SCOPE : { key: this.#key() };
    return { kind: "deleteRange", ...where, prevKv: random.chance(1, 2) };
  }

  #range(): RangeRequest {
    const { random, world } = this.#asker;
    const request = {
      kind: "range",
      ...(random.chance(1, 2) ? SCOPE : { key: this.#key() }),
    } as const;
    const dice = random.below(100);
    if (dice < 60) return request;
    if (dice < 85) return { ...request, consistency: "serializable" };
    return { ...request, revision: Math.max(1, world.facts.revision - random.below(20)) };
  }

  #txn(): KeyspaceCall {
    const { random } = this.#asker;
    const at = random.below(KEYS);
    const [first, second] = [utf8(`h/${at}`), utf8(`h/${(at + 1) % KEYS}`)];
    const compare: Compare = random.chance(1, 2)
      ? { key: first, result: "equal", target: { kind: "version", value: 0 } }
      : { key: first, result: "greater", target: { kind: "version", value: 1 } };
    const both: TxnOperation[] = [
      { ...this.#put(0n), key: first },
      random.chance(1, 3)
        ? { kind: "deleteRange", key: second }
        : { ...this.#put(this.#lease()), key: second },
    ];
    return {
      kind: "txn",
      compare: [compare],
      success: both,
      failure: random.chance(1, 2) ? [{ kind: "range", ...SCOPE }] : both.toReversed(),
    };
  }
}
