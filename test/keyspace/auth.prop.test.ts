/** Users and roles at the head and in the base against the twin, over commits, lost leaderships, logs and snapshots. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteWriter } from "../../src/base/codec.ts";
import { prng } from "../../src/base/prng.ts";
import { SYSTEM } from "../../src/contract/auth.ts";
import type { AuthShowRequest } from "../../src/contract/requests.ts";
import { shown, userHash } from "../../src/keyspace/auth/show.ts";
import { namesOf } from "../../src/keyspace/auth/users.ts";
import { Base } from "../../src/keyspace/base.ts";
import { decodeEntry, encodeEntry } from "../../src/keyspace/entry-codec.ts";
import { exportWork } from "../../src/keyspace/snapshot/export.ts";
import { Importer } from "../../src/keyspace/snapshot/import.ts";
import { AuthTwin } from "./auth-twin.ts";
import { randomOrder, ROLES, USERS } from "./auth-plan.ts";
import { Bench } from "./head-bench.ts";

const QUESTIONS: readonly AuthShowRequest[] = [
  { kind: "authShow", of: "state" },
  { kind: "authShow", of: "users" },
  { kind: "authShow", of: "roles" },
  ...USERS.map((name) => ({ kind: "authShow", of: "user", name }) as const),
  ...ROLES.map((name) => ({ kind: "authShow", of: "role", name }) as const),
];

/** All that is told of users and roles. */
function told(base: Base): readonly unknown[] {
  return QUESTIONS.map((question) => {
    const answer = shown(base.users, question, 0);
    return "code" in answer ? answer.details : answer;
  });
}

function toldByTwin(twin: AuthTwin): readonly unknown[] {
  const { enabled, revision: authRevision } = twin;
  const nothing = { revision: 0, enabled, authRevision, names: [], permissions: [] };
  const byKey = (a: { readonly key: string }, b: { readonly key: string }): number =>
    a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
  return QUESTIONS.map(({ of, name = "" }) => {
    const user = twin.users.find((each) => each.name === name);
    const role = twin.roles.find((each) => each.name === name);
    switch (of) {
      case "state":
        return nothing;
      case "users":
        return { ...nothing, names: namesOf(twin.users) };
      case "roles":
        return { ...nothing, names: namesOf(twin.roles) };
      case "user":
        if (user === undefined) return { reason: "userMissing" };
        return { ...nothing, names: [...user.roles].sort() };
      case "role": {
        if (role === undefined) return { reason: "roleMissing" };
        return { ...nothing, permissions: [...role.permissions].sort(byKey) };
      }
    }
  });
}

function copied(base: Base): Base {
  const importer = new Importer();
  for (const record of exportWork(base)) importer.add(record);
  return importer.take();
}

for (let seed = 1; seed <= 60; seed++) {
  test(`[AUTH-2] orders do what the twin says, or are refused as it refuses them (seed ${seed})`, () => {
    const random = prng(seed);
    const bench = new Bench();
    const follower = new Base();
    const committed = { twin: new AuthTwin() };
    let head = committed.twin.copy();
    for (let step = 0; step < 120; step++) {
      const order = randomOrder(random);
      const refused = head.copy().order(order);
      const reply = bench.head.evaluate(
        { kind: "auth", order },
        undefined,
        bench.time,
        SYSTEM,
      ).reply;
      if (refused === undefined) {
        head.order(order);
        assert.ok(reply.ok, reply.ok ? "" : `${order.kind}: ${reply.failure.what}`);
        assert.deepEqual(reply.response, { revision: 1, authRevision: head.revision });
      } else {
        assert.ok(!reply.ok, `${order.kind} should have been refused: ${refused}`);
        assert.equal(reply.failure.details?.["reason"], refused);
      }
      if (random.chance(1, 12)) {
        bench.head.rollback();
        head = committed.twin.copy();
      }
      if (random.chance(1, 3)) {
        const transactions = bench.head.seal(++bench.index);
        const writer = new ByteWriter();
        const entry = { index: bench.index, term: 1, time: bench.time, transactions };
        encodeEntry(writer, entry);
        bench.base.apply(entry, bench.time);
        bench.head.committed(bench.index);
        follower.apply({ index: entry.index, term: entry.term, ...decodeEntry(writer.view()) }, 0);
        committed.twin = head.copy();
        assert.deepEqual(told(bench.base), toldByTwin(committed.twin));
      }
    }
    // What follows the log, and what is read from a snapshot, is the same to the last record.
    assert.equal(userHash(follower.users), userHash(bench.base.users));
    assert.equal(follower.users.bytes, bench.base.users.bytes);
    const restored = copied(bench.base);
    assert.equal(userHash(restored.users), userHash(bench.base.users));
    assert.deepEqual(told(restored), told(bench.base));
    assert.equal(restored.bytes, bench.base.bytes);
    assert.equal(bench.base.revision, 1, "no order takes a revision of the keyspace");
  });
}
