/** `etcdserverpb.KV` beside a real etcd: the same requests, the same answers, codes and texts. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Bytes } from "../../src/base/bytes.ts";
import type { Compare, RangeRequest, RequestOp, TxnRequest } from "../../src/wire/etcd/messages.ts";
import { METHODS } from "../../src/wire/etcd/messages.ts";
import type { Init } from "../../src/wire/protobuf.ts";
import { etcdMissing } from "../etcd/etcd-process.ts";
import type { Step } from "./random-steps.ts";
import { randomSteps, SEEDS } from "./random-steps.ts";
import type { Side } from "./two-servers.ts";
import { outcome, TwoServers } from "./two-servers.ts";

const b = (text: string): Bytes => text as Bytes;
const ALL = { key: b("\0"), rangeEnd: b("\0") };

/** The outcomes of calls one after another. */
async function play(side: Side, steps: readonly Step[]): Promise<readonly unknown[]> {
  const seen: unknown[] = [];
  for (const [method, request] of steps) {
    const answer = await outcome(
      side.client.call<object, object>(METHODS[method] as never, request),
    );
    seen.push({ [method]: request, answer });
  }
  return seen;
}

const put = (key: string, value: string, more: object = {}): Step => [
  "put",
  { key: b(key), value: b(value), ...more },
];
const range = (key: string, more: Init<RangeRequest> = {}): Step => [
  "range",
  { key: b(key), ...more },
];
const putOp = (key: string, value: string): Init<RequestOp> => ({
  put: { key: b(key), value: b(value) },
});

describe("KV beside etcd", { timeout: 480_000, skip: etcdMissing }, () => {
  let two: TwoServers;
  before(async () => {
    two = await TwoServers.start();
  });
  after(async () => {
    await two.stop();
  });
  const agree = (what: string, steps: readonly Step[]): Promise<readonly unknown[]> =>
    two.agree(what, (side) => play(side, steps));

  test("[KV-1] versions, revisions and previous values are etcd's (2 servers)", async () => {
    await agree("fresh", [range("a"), ["range", ALL]]);
    await agree("puts", [
      put("a", "1"),
      put("a", "2", { prevKv: true }),
      put("b", "3"),
      ["deleteRange", { key: b("a"), prevKv: true }],
      ["deleteRange", { key: b("a") }],
      put("a", "4", { prevKv: true }),
      range("a"),
      ["range", ALL],
      put("a", "", { ignoreValue: true }),
      range("a"),
    ]);
  });

  test("[KV-2] ranges take every option (2 servers)", async () => {
    const given = ["c", "a", "e", "b", "d"].map((key, at) => put(`r/${key}`, String(9 - at)));
    const options: readonly Init<RangeRequest>[] = [
      {},
      { limit: 2 },
      { limit: -1 },
      { limit: 5 },
      { keysOnly: true },
      { countOnly: true },
      { countOnly: true, limit: 2 },
      { sortOrder: 2 },
      { sortOrder: 1, limit: 3 },
      ...[0, 1, 2, 3, 4].map((sortTarget) => ({ sortTarget, limit: 4 })),
      ...[0, 1, 2, 3, 4].map((sortTarget) => ({ sortTarget, sortOrder: 2 })),
      { minModRevision: 9, limit: 1 },
      { maxModRevision: 10 },
      { minCreateRevision: 8, maxCreateRevision: 9, sortOrder: 2 },
      { serializable: true },
      { revision: 9 },
      { revision: 8, sortTarget: 2, sortOrder: 2, limit: 1 },
      { revision: 100_000 },
      { revision: -5 },
    ];
    await agree("ranges", [
      ...given,
      put("r/b", "again"),
      ...options.map((each): Step => ["range", { key: b("r/"), rangeEnd: b("r0"), ...each }]),
      range("r/c", { rangeEnd: b("\0"), keysOnly: true }),
      range("r/d", { rangeEnd: b("r/a") }),
      range("r/a", { limit: 1, countOnly: true }),
    ]);
  });

  test("[KV-3] refusals have etcd's codes and texts (2 servers)", async () => {
    const many = Array.from({ length: 129 }, (_, at) => putOp(`m${at}`, ""));
    const nested = (depth: number): Init<RequestOp> =>
      depth === 0 ? putOp("deep", "") : { txn: { success: [nested(depth - 1)] } };
    const txn = (request: Init<TxnRequest>): Step => ["txn", request];
    const seen = await agree("refusals", [
      put("", "1"),
      put("x", "1", { ignoreValue: true }),
      put("x", "1", { ignoreLease: true, lease: 1n }),
      put("missing", "", { ignoreValue: true }),
      put("missing", "1", { ignoreLease: true }),
      put("x", "1", { lease: 77n }),
      range(""),
      ["deleteRange", { key: b("") }],
      range("x", { revision: 1_000_000 }),
      txn({ success: many }),
      txn({ compare: many.map((_, at) => ({ key: b(`m${at}`), version: 0 })) }),
      txn({ success: [putOp("d", "1"), putOp("d", "2")] }),
      txn({ success: [putOp("d", "1"), { deleteRange: { key: b("a"), rangeEnd: b("z") } }] }),
      txn({ success: [putOp("d", "1"), { txn: { failure: [putOp("d", "2")] } }] }),
      txn({ success: [putOp("ok", "1")], failure: [putOp("ok", "2")] }),
      txn({ success: [{ deleteRange: ALL }, { deleteRange: { key: b("q") } }] }),
      txn({ success: [{}] }),
      txn({ success: [putOp("", "1")] }),
      txn({ compare: [{ key: b("") }] }),
      txn({ success: [{ range: { key: b("x"), revision: 1_000_000 } }, putOp("not", "1")] }),
      txn({ success: [putOp("not", "1"), { put: { key: b("n"), lease: 99n } }] }),
      txn({ success: [putOp("not", "1"), { put: { key: b("n"), ignoreValue: true } }] }),
      range("not"),
      txn({ success: [nested(20)] }),
      put("large", "x".repeat(1_600_000)),
      put("larger", "x".repeat(2_200_000)),
      ["compact", { revision: 1_000_000 }],
      ["compact", { revision: 5 }],
      ["compact", { revision: 5 }],
      ["compact", { revision: 4, physical: true }],
      range("x", { revision: 4 }),
      range("x", { revision: 5 }),
      txn({ success: [{ range: { key: b("x"), revision: 3 } }] }),
    ]);
    const refused = seen.filter((each) => JSON.stringify(each).includes('"code":'));
    assert.ok(refused.length > 20, "most of these are refusals");
  });

  test("[KV-4] transactions compare, branch, nest and read as etcd's (2 servers)", async () => {
    const targets: readonly Init<Compare>[] = [
      { target: 0, version: 1 },
      { target: 1, createRevision: 3 },
      { target: 2, modRevision: 100 },
      { target: 3, value: b("v") },
      { target: 4, lease: 0n },
      { target: 0 },
      { target: 3 },
    ];
    const compares = targets.flatMap((target) =>
      [0, 1, 2, 3].flatMap((result) =>
        ["t/a", "t/missing"].map((key) => ({ ...target, result, key: b(key) })),
      ),
    );
    const ranged = [0, 1, 2, 3].flatMap((result) => [
      { result, target: 0, key: b("t/"), rangeEnd: b("t0"), version: 1 },
      { result, target: 3, key: b("none/"), rangeEnd: b("none0"), value: b("v") },
      { result, target: 2, key: b("none/"), rangeEnd: b("none0") },
    ]);
    await agree("compares", [
      put("t/a", "v"),
      put("t/b", "w"),
      ...[...compares, ...ranged].map((compare): Step => [
        "txn",
        { compare: [compare], success: [{ range: { key: b("t/a") } }] },
      ]),
    ]);
    await agree("nested", [
      [
        "txn",
        {
          success: [
            putOp("n/a", "1"),
            { range: { key: b("n/a") } },
            {
              txn: {
                compare: [{ target: 0, key: b("n/a"), version: 0 }],
                success: [putOp("n/b", "2"), { range: { key: b("n/"), rangeEnd: b("n0") } }],
                failure: [putOp("n/c", "2")],
              },
            },
            { deleteRange: { key: b("t/"), rangeEnd: b("t0"), prevKv: true } },
            { put: { key: b("n/d"), value: b("3"), prevKv: true } },
          ],
        },
      ],
      ["range", { key: b("n/"), rangeEnd: b("n0") }],
      ["txn", { success: [{ deleteRange: { key: b("nothing") } }] }],
      ["txn", {}],
    ]);
  });

  test(`[KV-5] random conversations get the same answers (2 servers, ${SEEDS} seeds)`, async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const steps = randomSteps(seed, 150);
      await agree(`seed ${seed}`, steps);
    }
  });
});
