/** Every road to a key that a request has: its kind, and each field that can name keys, at every depth. */
import type { Bytes } from "../../src/base/bytes.ts";
import type { KeyRange } from "../../src/contract/auth.ts";
import { argsText } from "../../src/contract/json-data.ts";
import type { Procedure } from "../../src/contract/procedure.ts";
import { procedure } from "../../src/contract/procedure.ts";
import type { Compare, Request, TxnOperation, TxnRequest } from "../../src/contract/requests.ts";
import { OPEN_END } from "../../src/contract/requests.ts";

export interface Road {
  readonly name: string;
  readonly needs: readonly ("read" | "write")[];
  /** Names one key only. */
  readonly single?: boolean;
  /** Reaches keys by a lease that holds them. */
  readonly leased?: boolean;
  request(range: KeyRange, lease: bigint): Request;
}

const value = "v" as Bytes;
const read = (name: string, request: Road["request"], rest: Partial<Road> = {}): Road => ({
  name,
  needs: ["read"],
  request,
  ...rest,
});
const write = (name: string, request: Road["request"], rest: Partial<Road> = {}): Road => ({
  name,
  needs: ["write"],
  request,
  ...rest,
});

const both = { needs: ["read", "write"] } as const;
const single = { single: true } as const;
const leased = { leased: true } as const;

/** Operations that a transaction can hold. */
const STEPS: readonly (Omit<Road, "request"> & {
  readonly step: (range: KeyRange, lease: bigint) => TxnOperation;
})[] = [
  { name: "range", needs: ["read"], step: (range) => ({ kind: "range", ...range }) },
  {
    name: "range, count only",
    needs: ["read"],
    step: (range) => ({ kind: "range", ...range, countOnly: true }),
  },
  {
    name: "put",
    needs: ["write"],
    ...single,
    step: ({ key }) => ({ kind: "put", key, value }),
  },
  {
    name: "put, previous value",
    ...both,
    ...single,
    step: ({ key }) => ({ kind: "put", key, value, prevKv: true }),
  },
  {
    name: "put, by the keys of its lease",
    needs: ["write"],
    ...leased,
    step: ({ key }, lease) => ({ kind: "put", key, value, lease }),
  },
  {
    name: "delete",
    needs: ["write"],
    step: (range) => ({ kind: "deleteRange", ...range }),
  },
  {
    name: "delete, previous values",
    ...both,
    step: (range) => ({ kind: "deleteRange", ...range, prevKv: true }),
  },
];

const NEVER: TxnRequest = { kind: "txn", compare: [], success: [], failure: [] };
const inside = (part: Partial<TxnRequest>): TxnRequest => ({ ...NEVER, ...part });
/** Where in a transaction an operation can stand. */
const PLACES: readonly (readonly [string, (step: TxnOperation) => TxnRequest])[] = [
  ["success", (step) => inside({ success: [step] })],
  ["failure", (step) => inside({ failure: [step] })],
  ["success of success", (step) => inside({ success: [inside({ success: [step] })] })],
  ["failure of success", (step) => inside({ success: [inside({ failure: [step] })] })],
  ["success of failure", (step) => inside({ failure: [inside({ success: [step] })] })],
  ["failure of failure", (step) => inside({ failure: [inside({ failure: [step] })] })],
  [
    "failure of success of success",
    (step) => inside({ success: [inside({ success: [inside({ failure: [step] })] })] }),
  ],
];

const TARGETS: readonly Compare["target"][] = [
  { kind: "version", value: 0 },
  { kind: "create", value: 1 },
  { kind: "mod", value: 1 },
  { kind: "lease", value: 0n },
  { kind: "value", value },
];
const compares = TARGETS.flatMap((target) => {
  const compare = ({ key, end }: KeyRange): Compare => ({ key, end, result: "equal", target });
  const nest = (part: TxnRequest): TxnRequest => inside({ success: [part] });
  return [
    read(`txn compare of ${target.kind}`, (range) => inside({ compare: [compare(range)] })),
    read(`txn nested compare of ${target.kind}`, (range) =>
      nest(inside({ compare: [compare(range)] })),
    ),
    read(`txn compare of ${target.kind} in a branch not taken`, (range) =>
      inside({ failure: [inside({ compare: [compare(range)] })] }),
    ),
  ];
});

interface RunArgs {
  readonly key: string;
  readonly end: string;
  readonly lease: string;
}
function procedures(): readonly Procedure<RunArgs, unknown>[] {
  const named = (
    name: string,
    run: Procedure<RunArgs, unknown>["run"],
  ): Procedure<RunArgs, unknown> => procedure(`test/auth/${name}@1`, run, () => "");
  const k = (text: string): Bytes => text as Bytes;
  return [
    named("get", (tx, { key }) => tx.get(k(key))?.value ?? null),
    named("range", (tx, { key, end }) => tx.range(k(key), k(end)).length),
    named("age", (tx, { key, end }) => tx.byAge(k(key), k(end)).length),
    named("swallow", (tx, { key }) => {
      try {
        return tx.get(k(key)) === undefined;
      } catch {
        return "swallowed";
      }
    }),
    named("put", (tx, { key }) => tx.put(k(key), value)),
    named("delete", (tx, { key }) => tx.delete(k(key))),
    named("lease", (tx, { key, lease }) => tx.put(k(key), value, { lease: BigInt(lease) })),
  ];
}
export const PROCEDURES: readonly Procedure<never, unknown>[] = procedures() as readonly Procedure<
  never,
  unknown
>[];

function run(name: string): Road["request"] {
  return ({ key, end = "" }, lease) => {
    // A procedure's ranges have an upper bound; of the open one this is the largest that it can name.
    const args = { key, end: end === OPEN_END ? "\u00ff\u00ff\u00ff" : end, lease: String(lease) };
    return { kind: "run", procedure: `test/auth/${name}@1`, args: argsText(args, name) };
  };
}

const ranges: readonly (readonly [string, object])[] = [
  ["range", {}],
  ["range, count only", { countOnly: true }],
  ["range, keys only", { keysOnly: true }],
  ["range, limit", { limit: 1 }],
  ["range of the past", { revision: 2 }],
  ["range, sorted", { sort: { target: "mod", order: "descend" } }],
  ["range, filtered", { minModRevision: 1, maxCreateRevision: 1e9 }],
  ["range, serializable", { consistency: "serializable" }],
];

export const ROADS: readonly Road[] = [
  ...ranges.map(([name, options]) =>
    read(name, (range): Request => ({ kind: "range", ...range, ...options })),
  ),
  write("put", ({ key }) => ({ kind: "put", key, value }), single),
  read("put, previous value", ({ key }) => ({ kind: "put", key, value, prevKv: true }), {
    ...single,
    ...both,
  }),
  write(
    "put, value kept",
    ({ key }) => ({ kind: "put", key, value: "" as Bytes, ignoreValue: true }),
    single,
  ),
  write("put, lease kept", ({ key }) => ({ kind: "put", key, value, ignoreLease: true }), single),
  write(
    "put, by the keys of its lease",
    ({ key }, lease) => ({ kind: "put", key, value, lease }),
    leased,
  ),
  write("delete", (range) => ({ kind: "deleteRange", ...range })),
  read(
    "delete, previous values",
    (range) => ({ kind: "deleteRange", ...range, prevKv: true }),
    both,
  ),
  ...compares,
  ...PLACES.flatMap(([place, within]) =>
    STEPS.map(({ step, ...rest }) => ({
      ...rest,
      name: `txn ${place}: ${rest.name}`,
      request: (range: KeyRange, lease: bigint): Request => within(step(range, lease)),
    })),
  ),
  write("lease revoke", (_, id) => ({ kind: "leaseRevoke", id }), leased),
  write("lease keep-alive", (_, id) => ({ kind: "leaseKeepAlive", id }), leased),
  read(
    "lease time to live, keys",
    (_, id) => ({ kind: "leaseTimeToLive", id, keys: true }),
    leased,
  ),
  read("procedure get", run("get"), single),
  read("procedure get, refusal swallowed", run("swallow"), single),
  write("procedure put", run("put"), single),
  write("procedure delete", run("delete"), single),
  write("procedure put, by the keys of its lease", run("lease"), leased),
];

/** Procedures read ranges with an upper bound: the open range is as good as one. */
export const BOUNDED: readonly Road[] = [
  read("procedure range", run("range")),
  read("procedure range by age", run("age")),
];
