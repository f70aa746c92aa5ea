/** Each rule of docs/spec/history.md by the smallest history that breaks it, beside one that does not. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { QuorateError } from "../../base/errors.ts";
import { readLines } from "../history/lines.ts";
import { check, type CheckOptions, type Report } from "./check.ts";

const page = readFileSync(new URL("../../../../docs/spec/history.md", import.meta.url), "utf8");

/** Events without `at`: they are one ms apart. */
function checked(header: object, lines: readonly object[], options?: CheckOptions): Report {
  const all = [
    { quorate: "history", version: 1, ...header },
    ...lines.map((line, at) => ({ at, ...line })),
  ];
  return check(readLines(all.map((line) => JSON.stringify(line)).join("\n")), options);
}

let ops = 0;
/** An invocation and, at once, its answer. */
function done(call: object, answer: object, process = "c"): readonly object[] {
  const op = ++ops;
  return [
    { type: "invoke", process, op, call },
    { type: "answer", op, answer },
  ];
}
function lost(call: object): readonly object[] {
  const op = ++ops;
  return [
    { type: "invoke", process: "x", op, call },
    { type: "indefinite", op, code: "TIMEOUT" },
  ];
}

const put = (key: string, value: string, lease?: string): object => ({
  kind: "put",
  key,
  value,
  ...(lease === undefined ? {} : { lease }),
});
const get = (key: string): object => ({ kind: "range", key });
const kv = (
  key: string,
  value: string,
  mod: number,
  create = mod,
  version = 1,
  lease?: string,
): object => ({
  key,
  value,
  createRevision: create,
  modRevision: mod,
  version,
  ...(lease === undefined ? {} : { lease }),
});
const found = (revision: number, ...kvs: readonly object[]): object => ({
  revision,
  kvs,
  count: kvs.length,
});
const WATCH = {
  type: "watch",
  process: "w",
  watch: "w",
  key: "a",
  end: "z",
  from: 2,
  prevKv: true,
};
const batch = (revision: number, ...events: readonly object[]): object => ({
  type: "batch",
  watch: "w",
  revision,
  events,
});
const told = (of: object, prevKv?: object): object => ({
  kind: "put",
  kv: of,
  ...(prevKv === undefined ? {} : { prevKv }),
});
const gone = (key: string, modRevision: number, prevKv: object): object => ({
  kind: "delete",
  kv: { key, modRevision },
  prevKv,
});

const A2 = kv("a", "1", 2);
const GRANT = done({ kind: "leaseGrant", id: "7", ttlMs: 50 }, { revision: 1, id: "7", ttlMs: 50 });
const TIED = [
  ...done(put("a", "1", "7"), { revision: 2 }),
  ...done(put("b", "1", "7"), { revision: 3 }),
];
const [TIED_A, TIED_B] = [kv("a", "1", 2, 2, 1, "7"), kv("b", "1", 3, 3, 1, "7")];
const ENDED = batch(4, told(TIED_A), told(TIED_B), gone("a", 4, TIED_A), gone("b", 4, TIED_B));
const acquire = (token: number | null, place?: number): readonly object[] =>
  done({ kind: "acquire", name: "l" }, { token, ...(place === undefined ? {} : { place }) });
const RELEASE = { kind: "release", name: "l", token: 3 };
const guarded = (token: number, holder: string, accepted: boolean): readonly object[] =>
  done({ kind: "guarded", resource: "r", token, holder }, { accepted });

/** The rule, what breaks it, and what is right instead. */
const RULES: readonly (readonly [string, readonly object[], readonly object[]])[] = [
  [
    "HIST-REALTIME",
    [...done(put("a", "1"), { revision: 2 }), ...done(get("a"), found(1))],
    [
      ...done(put("a", "1"), { revision: 2 }),
      ...done({ ...get("a"), consistency: "serializable" }, found(1)),
    ],
  ],
  [
    "HIST-UNIQUE",
    [
      { type: "invoke", process: "c", op: 1001, call: put("a", "1") },
      ...done(put("b", "2"), { revision: 2 }),
      { type: "answer", op: 1001, answer: { revision: 2 } },
    ],
    [
      { type: "invoke", process: "c", op: 1001, call: put("a", "1") },
      ...done(put("b", "2"), { revision: 3 }),
      { type: "answer", op: 1001, answer: { revision: 2 } },
    ],
  ],
  [
    "HIST-WRITE",
    [
      ...done(put("a", "1"), { revision: 2 }),
      ...done({ ...put("a", "2"), prevKv: true }, { revision: 3 }),
    ],
    [
      ...done(put("a", "1"), { revision: 2 }),
      ...done({ ...put("a", "2"), prevKv: true }, { revision: 3, prevKv: A2 }),
    ],
  ],
  [
    "HIST-READ",
    [...done(put("a", "1"), { revision: 2 }), ...done(get("a"), found(2, kv("a", "2", 2)))],
    [...done(put("a", "1"), { revision: 2 }), ...done(get("a"), found(2, A2))],
  ],
  [
    "HIST-GAP",
    [...lost(put("b", "1")), ...done(get("a"), found(2, A2))],
    [...lost(put("a", "1")), ...done(get("a"), found(2, A2))],
  ],
  [
    "HIST-LINEAR",
    [...done({ kind: "write", value: "1" }, {}), ...done({ kind: "read" }, { value: null })],
    [
      ...lost({ kind: "write", value: "1" }),
      ...done({ kind: "read" }, { value: null }),
      ...done({ kind: "read" }, { value: "1" }),
    ],
  ],
  [
    "HIST-LEASE-EARLY",
    [WATCH, ...GRANT, ...TIED, ENDED],
    [WATCH, ...GRANT, ...TIED, { ...ENDED, at: 60 }],
  ],
  [
    "HIST-LEASE-ATOMIC",
    [
      ...GRANT,
      ...TIED,
      { type: "watch", process: "w", watch: "w", key: "a", from: 2, at: 60 },
      { ...batch(4, told(TIED_A), gone("a", 4, TIED_A)), at: 60 },
      ...done(get("b"), found(4, TIED_B)).map((each) => ({ ...each, at: 60 })),
    ],
    [
      ...GRANT,
      ...TIED,
      { type: "watch", process: "w", watch: "w", key: "a", from: 2, at: 60 },
      { ...batch(4, told(TIED_A), gone("a", 4, TIED_A)), at: 60 },
      ...done(get("b"), found(4)).map((each) => ({ ...each, at: 60 })),
    ],
  ],
  [
    "HIST-LEASE-DEAD",
    [
      ...GRANT,
      ...TIED,
      ...done({ kind: "leaseRevoke", id: "7" }, { revision: 4 }),
      ...done(put("c", "1", "7"), { revision: 5 }),
    ],
    [
      ...GRANT,
      ...TIED,
      ...done({ kind: "leaseRevoke", id: "7" }, { revision: 4 }),
      ...done(put("c", "1"), { revision: 5 }),
    ],
  ],
  [
    "HIST-WATCH-RELIABLE",
    [WATCH, ...done(put("a", "1"), { revision: 2 }), batch(2)],
    [WATCH, ...done(put("a", "1"), { revision: 2 }), batch(1)],
  ],
  [
    "HIST-WATCH-UNIQUE",
    [WATCH, ...done(put("a", "1"), { revision: 2 }), batch(2, told(A2), told(A2))],
    [WATCH, ...done(put("a", "1"), { revision: 2 }), batch(2, told(A2))],
  ],
  [
    "HIST-WATCH-ORDERED",
    [
      WATCH,
      ...done(put("a", "1"), { revision: 2 }),
      ...done(put("b", "1"), { revision: 3 }),
      batch(3, told(kv("b", "1", 3)), told(A2)),
    ],
    [
      WATCH,
      ...done(put("a", "1"), { revision: 2 }),
      ...done(put("b", "1"), { revision: 3 }),
      batch(3, told(A2), told(kv("b", "1", 3))),
    ],
  ],
  [
    "HIST-WATCH-ATOMIC",
    [
      WATCH,
      ...done(
        { kind: "txn", compare: [], success: [put("a", "1"), put("b", "1")], failure: [] },
        {
          revision: 2,
          succeeded: true,
          responses: [
            { kind: "put", revision: 2 },
            { kind: "put", revision: 2 },
          ],
        },
      ),
      batch(2, told(A2)),
      batch(2, told(kv("b", "1", 2))),
    ],
    [
      { ...WATCH, fragment: true },
      ...done(
        { kind: "txn", compare: [], success: [put("a", "1"), put("b", "1")], failure: [] },
        {
          revision: 2,
          succeeded: true,
          responses: [
            { kind: "put", revision: 2 },
            { kind: "put", revision: 2 },
          ],
        },
      ),
      { ...batch(2, told(A2)), partial: true },
      batch(2, told(kv("b", "1", 2))),
    ],
  ],
  [
    "HIST-WATCH-PROGRESS",
    [
      WATCH,
      ...done(put("a", "1"), { revision: 2 }),
      ...done(put("b", "1"), { revision: 3 }),
      batch(3, told(A2)),
      batch(3, told(kv("b", "1", 3))),
    ],
    [
      WATCH,
      ...done(put("a", "1"), { revision: 2 }),
      ...done(put("b", "1"), { revision: 3 }),
      batch(2, told(A2)),
      batch(3, told(kv("b", "1", 3))),
    ],
  ],
  [
    "HIST-WATCH-VALUE",
    [WATCH, ...done(put("a", "1"), { revision: 2 }), batch(2, told(kv("a", "2", 2)))],
    [WATCH, ...done(put("a", "1"), { revision: 2 }), batch(2, told(A2))],
  ],
  [
    "HIST-WATCH-PREVIOUS",
    [
      WATCH,
      ...done(put("a", "1"), { revision: 2 }),
      ...done(put("a", "2"), { revision: 3 }),
      batch(3, told(A2), told(kv("a", "2", 3, 2, 2))),
    ],
    [
      WATCH,
      ...done(put("a", "1"), { revision: 2 }),
      ...done(put("a", "2"), { revision: 3 }),
      ...done({ kind: "compact", revision: 3 }, { revision: 3 }),
      batch(3, told(A2), told(kv("a", "2", 3, 2, 2))),
    ],
  ],
  [
    "HIST-WATCH-RANGE",
    [
      { ...WATCH, end: undefined },
      ...done(put("b", "1"), { revision: 2 }),
      batch(2, told(kv("b", "1", 2))),
    ],
    [{ ...WATCH, end: undefined }, ...done(put("b", "1"), { revision: 2 }), batch(2)],
  ],
  [
    "HIST-WATCH-RESUMABLE",
    [
      WATCH,
      ...done(put("a", "1"), { revision: 2 }),
      batch(1),
      { type: "watch-ended", watch: "w" },
      { ...WATCH, watch: "v", from: 3, resumes: "w" },
    ],
    [
      WATCH,
      ...done(put("a", "1"), { revision: 2 }),
      batch(1),
      { type: "watch-ended", watch: "w" },
      { ...WATCH, watch: "v", from: 2, resumes: "w" },
    ],
  ],
  ["HIST-LOCK-TOKEN", [...acquire(3), ...acquire(3)], [...acquire(3), ...acquire(4)]],
  [
    "HIST-LOCK-TOKEN",
    [...acquire(3), ...[1, 2].flatMap(() => done(RELEASE, { held: true }))],
    [...acquire(3), ...[true, false].flatMap((held) => done(RELEASE, { held }))],
  ],
  [
    "HIST-LOCK-EXCLUSION",
    [
      ...acquire(3),
      ...acquire(4),
      ...done({ kind: "release", name: "l", token: 3 }, { held: true }),
    ],
    [
      ...acquire(3),
      ...acquire(4),
      ...done({ kind: "release", name: "l", token: 3 }, { held: false }),
    ],
  ],
  ["HIST-LOCK-FIFO", [...acquire(8, 5), ...acquire(9, 4)], [...acquire(8, 4), ...acquire(9, 5)]],
  ["HIST-LOCK-FREE", acquire(null), [...acquire(2), ...acquire(null)]],
  [
    "HIST-LOCK-OBSERVED",
    [5, 4].map((token) => ({ type: "observed", process: "o", stream: "s", name: "e", token })),
    [4, 5].map((token) => ({ type: "observed", process: "o", stream: "s", name: "e", token })),
  ],
  [
    "HIST-RESOURCE-TOKEN",
    [...guarded(5, "p", true), ...guarded(4, "q", true)],
    [...guarded(5, "p", true), ...guarded(4, "q", false)],
  ],
  [
    "HIST-RESOURCE-HOLDER",
    [...guarded(5, "p", true), ...guarded(5, "q", true)],
    [...guarded(5, "p", true), ...guarded(5, "p", true)],
  ],
  [
    "HIST-RESOURCE-REFUSAL",
    guarded(5, "p", false),
    [...lost({ kind: "guarded", resource: "r", token: 6, holder: "q" }), ...guarded(5, "p", false)],
  ],
  [
    "HIST-STATE",
    ["x", "y"].map((hash) => ({ type: "state", member: hash, revision: 4, hash })),
    [4, 5].map((revision) => ({ type: "state", member: "m", revision, hash: String(revision) })),
  ],
];

for (const [rule, broken, right] of RULES)
  test(`[${rule}] is noticed, and nothing is where it is kept`, () => {
    const { result, verdicts } = checked({}, broken);
    assert.equal(result, "invalid");
    const rules = verdicts.flatMap(({ violations }) => violations.map((each) => each.rule));
    assert.ok(rules.includes(rule), rules.join());
    const kept = checked({}, right);
    const what = kept.verdicts.flatMap(({ violations }) => violations.map((each) => each.what));
    assert.equal(kept.result, "valid", what.join("; "));
    assert.match(page, new RegExp(`\\*\\*${rule}\\*\\*`));
  });

test("[HIST-UNKNOWN] what is undecided within the bound is unknown, which is not valid", () => {
  const concurrent = Array.from({ length: 12 }, (_, at) => ({
    type: "invoke",
    process: `p${at}`,
    op: at + 1,
    call: { kind: "write", value: String(at % 3) },
  }));
  const answers = concurrent.map(({ op }) => ({ type: "answer", op, answer: {} }));
  const lines = [...concurrent, ...answers, ...done({ kind: "read" }, { value: "1" })];
  assert.equal(checked({}, lines).result, "valid");
  const { result, verdicts } = checked({}, lines, { stepsMax: 5 });
  assert.equal(result, "unknown");
  assert.deepEqual(
    verdicts.map((each) => each.result),
    ["unknown"],
  );
});

test("[HIST-GAP] a revision of others, or nobody's, can be the end of a lease that nobody watched", () => {
  const scope = [{ key: "a", end: "b" }];
  const lines = [
    ...done({ kind: "leaseGrant", id: "7", ttlMs: 1 }, { revision: 1, id: "7", ttlMs: 1 }),
    ...done(put("a1", "1", "7"), { revision: 2 }),
    ...done(put("a2", "1"), { revision: 4 }),
    ...done(get("a1"), found(4)),
  ];
  assert.equal(checked({ scope }, lines).result, "valid");
  const alive = [...lines.slice(0, 4), ...done(get("a1"), found(2))];
  assert.equal(checked({ scope }, alive).result, "invalid");
});

test("[HIST-LEASE-EARLY] a lease that was found missing, and granted or extended later, did not end early", () => {
  const renewed = (ttlMs: number): readonly object[] =>
    done({ kind: "leaseKeepAlive", id: "8" }, { revision: 1, ttlMs });
  const grant = { kind: "leaseGrant", id: "8", ttlMs: 50 };
  assert.equal(checked({}, [...lost(grant), ...renewed(0), ...renewed(50)]).result, "valid");
  assert.equal(checked({}, [...renewed(50), ...renewed(0), ...renewed(50)]).result, "invalid");
});

test("[HIST-SCOPE] others may write outside of the scope, and nobody may within it", () => {
  const scope = [{ key: "a", end: "b" }];
  const lines = [
    ...done(put("a1", "1"), { revision: 5 }),
    ...done(get("a1"), found(9, kv("a1", "1", 5))),
  ];
  assert.equal(checked({}, lines).result, "invalid");
  assert.equal(checked({ scope }, lines).result, "valid");
  const stranger = [...lines, ...done(get("a2"), found(9, kv("a2", "1", 7)))];
  assert.equal(checked({ scope }, stranger).result, "invalid");
  assert.throws(
    () => checked({ scope }, done(put("b", "1"), { revision: 5 })),
    (error) => QuorateError.is(error, "INVALID") && /outside of the scope/.test(error.message),
  );
});

test("[HIST-SINCE] a history may begin at any revision", () => {
  const lines = done(put("a", "1"), { revision: 42 });
  assert.equal(checked({}, lines).result, "invalid");
  assert.equal(checked({ since: 41 }, lines).result, "valid");
  assert.equal(checked({ since: 42 }, lines).result, "invalid");
});

test("[HIST-LEASE-EARLY] clocks may differ by the margin", () => {
  const renewed = done({ kind: "leaseKeepAlive", id: "7" }, { revision: 1, ttlMs: 0 });
  const lines = [...GRANT, ...renewed.map((each) => ({ ...each, at: 45 }))];
  assert.equal(checked({}, lines).result, "invalid");
  assert.equal(checked({ marginMs: 5 }, lines).result, "valid");
});

test("[HIST-VALID] a history without anything to check is refused, and checks can be chosen", () => {
  const fault = { type: "fault", fault: "f", what: "cut", phase: "once" };
  assert.throws(() => checked({}, [fault]), /nothing that could be checked/);
  const lines = [...acquire(3), ...acquire(3), ...done({ kind: "read" }, { value: null })];
  assert.equal(checked({}, lines, { only: ["register"] }).result, "valid");
  assert.equal(checked({}, lines, { only: ["lock"] }).result, "invalid");
});
