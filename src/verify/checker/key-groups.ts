/**
 * Groups of keys that operations without an answer tie together: whatever one of them did, it did to keys of one group.
 *
 * Invariant: I1 an operation that takes a range ties all keys; nothing is concluded from groups then.
 */
import type { Bytes } from "../../base/bytes.ts";
import type { TxnOperation } from "../../contract/requests.ts";
import type { KeyspaceCall } from "../history/calls.ts";

/** A key, or the sign for any key. */
type Member = Bytes | typeof ANY;
const ANY = Symbol("any key");

export class KeyGroups {
  readonly #parents = new Map<Member, Member>();

  constructor(calls: Iterable<KeyspaceCall>) {
    for (const call of calls) {
      const members = membersOf(call);
      for (const member of members) this.#join(member, members[0] ?? ANY);
    }
    if (this.#parents.has(ANY)) for (const key of [...this.#parents.keys()]) this.#join(key, ANY);
  }

  /** The groups that a call has to do with; undefined: any. */
  of(call: KeyspaceCall): ReadonlySet<unknown> | undefined {
    const groups = new Set(membersOf(call).map((member) => this.#root(member)));
    return groups.has(this.#root(ANY)) || this.#parents.has(ANY) ? undefined : groups;
  }

  #root(member: Member): Member {
    let at = member;
    for (let up = this.#parents.get(at); up !== undefined && up !== at; up = this.#parents.get(at))
      at = up;
    return at;
  }

  #join(a: Member, b: Member): void {
    const left = this.#root(a);
    const right = this.#root(b);
    this.#parents.set(left, right);
    if (!this.#parents.has(right)) this.#parents.set(right, right);
  }
}

function membersOf(call: KeyspaceCall): readonly Member[] {
  switch (call.kind) {
    case "put":
      return [call.key];
    case "range":
    case "deleteRange":
      return [call.end === undefined ? call.key : ANY];
    case "txn":
      return [
        ...call.compare.map(({ key, end }) => (end === undefined ? key : ANY)),
        ...[...call.success, ...call.failure].flatMap((each: TxnOperation) => membersOf(each)),
      ];
    default:
      return [ANY];
  }
}
