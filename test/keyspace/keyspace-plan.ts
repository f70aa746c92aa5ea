/**
 * Random requests for the comparison of keyspaces: few keys, few leases, so that collisions are the rule, and a share
 * of requests that must be refused.
 */
import type { Bytes } from "../../src/base/bytes.ts";
import type { Prng } from "../../src/base/prng.ts";
import type {
  Command,
  Compare,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  TxnOperation,
  TxnRequest,
} from "../../src/contract/requests.ts";

const KEYS = [
  "a",
  "a\0",
  "ab",
  "b",
  "c",
  "c\u00ff",
  "d",
  "e",
] as readonly string[] as readonly Bytes[];
const ENDS = ["b", "c", "\0", "e", "a"] as readonly string[] as readonly Bytes[];
const VALUES = ["", "1", "2", "\u00ff"] as readonly string[] as readonly Bytes[];
const LEASES = [1n, 2n, -3n, 9n];

/** Bounds of a single key, of a range (empty ones too) or of everything from a key on. */
export function bounds(random: Prng): { readonly key: Bytes; readonly end?: Bytes } {
  const key = random.chance(1, 60) ? ("" as Bytes) : random.pick(KEYS);
  if (random.chance(1, 2)) return { key };
  if (random.chance(1, 6)) return { key: "\0" as Bytes, end: "\0" as Bytes };
  return { key, end: random.pick(ENDS) };
}

/** A past, present or not yet existing revision, or none. */
function revisionNear(random: Prng, revision: number): number | undefined {
  if (random.chance(1, 2)) return undefined;
  if (random.chance(1, 20)) return revision + 1 + random.below(3);
  return random.below(revision + 1);
}

export function randomRange(random: Prng, revision: number): RangeRequest {
  const filter = (): number | undefined =>
    random.chance(1, 8) ? random.below(revision + 2) : undefined;
  return {
    kind: "range",
    ...bounds(random),
    revision: revisionNear(random, revision),
    limit: random.chance(1, 3) ? random.below(4) : undefined,
    sort: random.chance(1, 3)
      ? {
          target: random.pick(["key", "version", "create", "mod", "value"] as const),
          order: random.pick(["none", "ascend", "descend"] as const),
        }
      : undefined,
    keysOnly: random.chance(1, 8),
    countOnly: random.chance(1, 8),
    minModRevision: filter(),
    maxModRevision: filter(),
    minCreateRevision: filter(),
    maxCreateRevision: filter(),
  };
}

function randomPut(random: Prng): PutRequest {
  const ignoreValue = random.chance(1, 16);
  const ignoreLease = random.chance(1, 16);
  const key = random.chance(1, 80) ? ("" as Bytes) : random.pick(KEYS);
  return {
    kind: "put",
    key,
    value: ignoreValue && !random.chance(1, 10) ? ("" as Bytes) : random.pick(VALUES),
    lease:
      (ignoreLease && !random.chance(1, 10)) || random.chance(4, 5)
        ? undefined
        : random.pick(LEASES),
    prevKv: random.chance(1, 2),
    ignoreValue,
    ignoreLease,
  };
}

function randomDelete(random: Prng): DeleteRangeRequest {
  return { kind: "deleteRange", ...bounds(random), prevKv: random.chance(1, 2) };
}

function randomCompare(random: Prng, revision: number): Compare {
  const result = random.pick(["equal", "greater", "less", "notEqual"] as const);
  const where = bounds(random);
  switch (random.below(5)) {
    case 0:
      return { ...where, result, target: { kind: "version", value: random.below(3) } };
    case 1:
      return { ...where, result, target: { kind: "create", value: random.below(revision + 1) } };
    case 2:
      return { ...where, result, target: { kind: "mod", value: random.below(revision + 1) } };
    case 3:
      return { ...where, result, target: { kind: "lease", value: random.pick([0n, ...LEASES]) } };
    default:
      return { ...where, result, target: { kind: "value", value: random.pick(VALUES) } };
  }
}

function times<T>(count: number, make: () => T): readonly T[] {
  return Array.from({ length: count }, make);
}

export function randomTxn(random: Prng, revision: number, depth: number): TxnRequest {
  const operation = (): TxnOperation => {
    const dice = random.below(depth > 0 ? 8 : 7);
    if (dice < 3) return randomPut(random);
    if (dice < 5) return randomRange(random, revision);
    return dice < 7 ? randomDelete(random) : randomTxn(random, revision, depth - 1);
  };
  return {
    kind: "txn",
    compare: times(random.below(3), () => randomCompare(random, revision)),
    success: times(random.below(4), operation),
    failure: times(random.below(3), operation),
  };
}

/** Any command that the twin knows, seen from a head at `revision`. */
export function randomCommand(random: Prng, revision: number): Command {
  const dice = random.below(40);
  if (dice < 14) return randomPut(random);
  if (dice < 19) return randomDelete(random);
  if (dice < 33) return randomTxn(random, revision, 2);
  if (dice < 36)
    return {
      kind: "leaseGrant",
      id: random.pick(LEASES),
      ttlMs: random.pick([-1, 500, 60_000, 1e13]),
    };
  if (dice < 38) return { kind: "leaseRevoke", id: random.pick(LEASES) };
  return { kind: "compact", revision: random.below(revision + 2) };
}
