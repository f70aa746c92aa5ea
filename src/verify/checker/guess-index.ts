/**
 * Operations without an answer, by what they can have changed: so that a revision of which something was seen asks only
 * those that can have done it.
 *
 * Invariant: I1 whoever can have made a change is among those that are named for it.
 */
import type { Bytes } from "../../base/bytes.ts";
import type { KeyValue, TxnOperation } from "../../contract/requests.ts";
import type { KeyspaceCall } from "../history/calls.ts";
import type { Operation } from "../history/history.ts";

const NONE: readonly Operation[] = [];

export class GuessIndex {
  readonly #all: readonly Operation[];
  /** Puts of one value, by key and value. */
  readonly #puts = new Map<string, Operation[]>();
  /** Whatever else names single keys, by each of them. */
  readonly #byKey = new Map<string, Operation[]>();
  /** Deletes of ranges and ends of leases. */
  readonly #wide: Operation[] = [];

  constructor(guesses: readonly Operation[]) {
    this.#all = guesses;
    for (const guess of guesses) this.#take(guess);
  }

  #take(guess: Operation): void {
    const call = guess.call as KeyspaceCall;
    if (call.kind === "put" && call.ignoreValue !== true)
      return listed(this.#puts, putName(call.key, call.value), guess);
    const keys = changedKeys(call);
    if (keys === undefined) this.#wide.push(guess);
    else for (const key of new Set(keys)) listed(this.#byKey, key, guess);
  }

  /** Those that can have brought a key to this; without a key all. */
  able(seen: readonly [Bytes, KeyValue | undefined] | undefined): Iterable<Operation> {
    if (seen === undefined) return this.#all;
    const [key, kv] = seen;
    const puts = kv === undefined ? NONE : (this.#puts.get(putName(key, kv.value)) ?? NONE);
    return [...puts, ...(this.#byKey.get(key) ?? NONE), ...this.#wide];
  }
}

function listed(lists: Map<string, Operation[]>, name: string, guess: Operation): void {
  const list = lists.get(name);
  if (list === undefined) lists.set(name, [guess]);
  else list.push(guess);
}

function putName(key: Bytes, value: Bytes): string {
  return `${key.length} ${key}${value}`;
}

/** Keys that a call can change; undefined: any. */
function changedKeys(call: KeyspaceCall): readonly Bytes[] | undefined {
  switch (call.kind) {
    case "put":
      return [call.key];
    case "deleteRange":
      return call.end === undefined ? [call.key] : undefined;
    case "txn": {
      const keys: Bytes[] = [];
      for (const operation of [...call.success, ...call.failure] as readonly TxnOperation[]) {
        const own = operation.kind === "range" ? [] : changedKeys(operation);
        if (own === undefined) return undefined;
        keys.push(...own);
      }
      return keys;
    }
    default:
      return undefined;
  }
}
