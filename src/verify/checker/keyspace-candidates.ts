/**
 * What may explain a revision that no answer claims: a revocation that was answered at it, an operation without an answer,
 * the end of a lease, or a change outside of the scope.
 *
 * Invariants: I1 a candidate agrees with everything that is known of the revision. I2 none was invoked after the revision had
 * been told, nor is below what had been told before it was invoked. I3 where leases are believed to live as long as
 * they must, none ends before.
 */
import type { TxnOperation } from "../../contract/requests.ts";
import type { KeyspaceCall } from "../history/calls.ts";
import type { History, Operation } from "../history/history.ts";
import { GuessIndex } from "./guess-index.ts";
import type { Evidence } from "./keyspace-evidence.ts";
import { evaluate } from "./keyspace-model.ts";
import { type RevisionOrder, toldBy } from "./keyspace-order.ts";
import type { Change, KeyspaceState } from "./keyspace-state.ts";
import type { LeaseTimes } from "./lease-times.ts";

/** What may explain a revision. */
export interface Candidate {
  readonly changes: readonly Change[];
  readonly operation?: Operation | undefined;
  /** The lease that ended. */
  readonly lease?: bigint | undefined;
}

export interface ReplayOptions {
  readonly since: number;
  /** Others may write outside of the declared scope. */
  readonly others: boolean;
  readonly stepsMax: number;
  /** Where leases may have ended only when their time was over. */
  readonly times: LeaseTimes | undefined;
}

export const OUTSIDE: Candidate = { changes: [] };

export class Candidates {
  readonly #times: History["times"];
  readonly #order: RevisionOrder;
  readonly #evidence: Evidence;
  readonly #options: ReplayOptions;
  readonly #state: KeyspaceState;
  readonly #index: GuessIndex;
  /** Operations that were evaluated. */
  steps = 0;

  constructor(
    history: History,
    order: RevisionOrder,
    evidence: Evidence,
    options: ReplayOptions,
    state: KeyspaceState,
  ) {
    this.#times = history.times;
    this.#order = order;
    this.#evidence = evidence;
    this.#options = options;
    this.#state = state;
    this.#index = new GuessIndex(order.guesses);
  }

  /** Those for `revision` on the present state, but what is `used` already. */
  of(revision: number, used: ReadonlySet<Operation>): readonly Candidate[] {
    const found: Candidate[] = [...this.#revokesAt(revision)];
    const [seen] = this.#evidence.at(revision) ?? [];
    if (this.#options.others && seen === undefined) found.push(OUTSIDE);
    const told = toldBy(this.#order.told, revision);
    for (const operation of this.#index.able(seen)) {
      const floor = this.#order.floors[operation.index] ?? 0;
      const late = operation.invoked >= told || floor >= revision;
      if (late || used.has(operation)) continue;
      this.steps++;
      const changes = this.#changesOf(operation.call as KeyspaceCall, revision);
      if (this.#fits(revision, changes)) found.push({ changes, operation });
    }
    for (const lease of this.#leases(revision)) {
      const changes = this.#endOf(lease);
      const at = this.#times[told] ?? Number.POSITIVE_INFINITY;
      const early = this.#options.times?.forbids(lease, told, at) !== undefined;
      if (!early && this.#fits(revision, changes)) found.push({ changes, lease });
    }
    return found;
  }

  /** Leases whose end can explain a revision: that of a key that went, else all that have keys. */
  #leases(revision: number): readonly bigint[] {
    const [seen] = this.#evidence.at(revision) ?? [];
    if (seen === undefined) return this.#state.leases();
    const lease = seen[1] === undefined ? (this.#state.get(seen[0])?.lease ?? 0n) : 0n;
    return lease === 0n ? [] : [lease];
  }

  /** Revocations answered at a revision wrote there, or found no key left. */
  #revokesAt(revision: number): readonly Candidate[] {
    return (this.#order.revokes.get(revision) ?? []).flatMap((operation) => {
      const changes = this.#endOf((operation.call as { readonly id: bigint }).id);
      return this.#fits(revision, changes) ? [{ changes }] : [];
    });
  }

  #fits(revision: number, changes: readonly Change[]): boolean {
    return changes.length > 0 && this.#evidence.agrees(revision, changes);
  }

  #endOf(lease: bigint): readonly Change[] {
    return this.#state.attached(lease).map((key) => ({ key, kv: undefined }));
  }

  #changesOf(call: KeyspaceCall, revision: number): readonly Change[] {
    if (call.kind === "leaseRevoke") return this.#endOf(call.id);
    return evaluate(this.#state, call as TxnOperation, revision).changes;
  }
}
