/** Random conversations with the service KV, the same for the same seed. */
import type { Bytes } from "../../src/base/bytes.ts";
import { prng } from "../../src/base/prng.ts";
import type { METHODS } from "../../src/wire/etcd/messages.ts";

/** More of them: QUORATE_ETCD_SEEDS. */
export const SEEDS = Number(process.env["QUORATE_ETCD_SEEDS"] ?? 8);

export type Step = readonly [method: keyof typeof METHODS, request: object];

const b = (text: string): Bytes => text as Bytes;

/** Puts, deletes, ranges and transactions over few keys, many of them refused. */
export function randomSteps(seed: number, count: number): readonly Step[] {
  const random = prng(seed);
  const below = (bound: number): number => random.below(bound);
  const key = (): Bytes => b(`k/${"abcdef"[below(6)] ?? ""}`);
  const end = (): Bytes => b(["", "\0", "k0", "k/d"][below(4)] ?? "");
  const value = (): Bytes => b(String(below(50)));
  const flag = (): boolean => below(4) === 0;
  const putRequest = (): object => ({
    key: key(),
    value: flag() ? b("") : value(),
    prevKv: flag(),
    ignoreValue: below(12) === 0,
    ignoreLease: below(12) === 0,
  });
  // etcd cuts before it sorts where a target is given without an order; that difference is declared.
  const sort = (): object =>
    flag()
      ? { sortTarget: below(5) }
      : { sortTarget: below(5), sortOrder: 1 + below(2), limit: below(4) };
  const rangeRequest = (): object => ({
    key: key(),
    rangeEnd: end(),
    ...(flag() ? { limit: below(4) } : sort()),
    countOnly: flag(),
    keysOnly: flag(),
    minModRevision: flag() ? below(60) : 0,
    maxModRevision: flag() ? below(300) : 0,
    revision: flag() ? below(400) : 0,
  });
  // etcd does not see that a delete without an upper bound overlaps a put; that difference is declared.
  const deleteRequest = (): object => ({
    key: key(),
    rangeEnd: b(["", "k0", "k/d"][below(3)] ?? ""),
    prevKv: flag(),
  });
  const compare = (): object => ({
    key: key(),
    rangeEnd: flag() ? end() : "",
    result: below(4),
    ...[
      { target: 0, version: below(4) },
      { target: 1, createRevision: below(200) },
      { target: 2, modRevision: below(200) },
      { target: 3, value: value() },
    ][below(4)],
  });
  // Nor does etcd see that a delete in a nested transaction overlaps a put in one before it.
  const operation = (depth: number): object => {
    const kind = below(depth > 0 ? 4 : 2);
    if (kind === 0) return { put: putRequest() };
    if (kind === 1) return { range: rangeRequest() };
    if (kind === 2 && depth === 2) return { deleteRange: deleteRequest() };
    return { txn: txnRequest(depth - 1) };
  };
  const some = (max: number, make: () => object): object[] =>
    Array.from({ length: below(max + 1) }, make);
  const txnRequest = (depth: number): object => ({
    compare: some(2, compare),
    success: some(3, () => operation(depth)),
    failure: some(3, () => operation(depth)),
  });
  return Array.from({ length: count }, (): Step => {
    const kind = below(10);
    if (kind < 3) return ["put", putRequest()];
    if (kind < 5) return ["range", rangeRequest()];
    if (kind < 6) return ["deleteRange", deleteRequest()];
    return ["txn", txnRequest(2)];
  });
}
