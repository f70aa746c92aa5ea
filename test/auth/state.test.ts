/** Who may do what is decided on the state that an operation is carried out on, and again when that state changes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Bytes } from "../../src/base/bytes.ts";
import type { Failure } from "../../src/base/errors.ts";
import type { Identity, Permission } from "../../src/contract/auth.ts";
import { NOBODY, SYSTEM } from "../../src/contract/auth.ts";
import { DUE_END, DUE_PREFIX } from "../../src/contract/due.ts";
import { argsText } from "../../src/contract/json-data.ts";
import type { Procedure } from "../../src/contract/procedure.ts";
import { procedure } from "../../src/contract/procedure.ts";
import type { CallerStamp, Reply, Request, RunRequest } from "../../src/contract/requests.ts";
import { SOME_HASH } from "../keyspace/auth-plan.ts";
import { Bench, proc, put, run } from "../keyspace/head-bench.ts";
import { Replica } from "./replica.ts";

const b = (text: string): Bytes => text as Bytes;
const own: Permission = { access: "readwrite", key: b("a/"), end: b("a0") };
const read: Permission = { access: "read", key: b("a/"), end: b("a0") };

function code(reply: Reply): string {
  return reply.ok ? "ok" : reply.failure.code;
}

/** What comes of a watch, in order. */
class Seen {
  readonly all: string[] = [];
  #tell: () => void = () => {};
  add(what: string): void {
    this.all.push(what);
    this.#tell();
  }
  async next(count: number): Promise<readonly string[]> {
    while (this.all.length < count) await new Promise<void>((told) => (this.#tell = told));
    return this.all;
  }
}

function watched(replica: Replica, identity: Identity): Seen {
  const seen = new Seen();
  replica.driver.watch(
    { key: b("a/"), end: b("a0") },
    {
      started: () => seen.add("started"),
      batch: ({ events }) => {
        for (const { kv } of events) seen.add(kv.value);
        return true;
      },
      ended: (failure: Failure) => seen.add(failure.code),
    },
    identity,
  );
  return seen;
}

test("[AUTH-5] a command is judged at the head: what is not yet committed counts (1 replica)", () => {
  const bench = new Bench();
  const order = (kind: object): void =>
    void bench.head.evaluate({ kind: "auth", order: kind as never }, undefined, 1, SYSTEM);
  order({ kind: "addUser", name: "root", password: SOME_HASH });
  order({ kind: "grantRole", name: "root", role: "root" });
  order({ kind: "addUser", name: "ann" });
  order({ kind: "addRole", name: "r" });
  order({ kind: "grantPermission", name: "r", permission: own });
  order({ kind: "grantRole", name: "ann", role: "r" });
  order({ kind: "enable" });
  bench.commit();
  const as = (revision: number): Identity => ({ kind: "user", name: "ann", revision });
  const ask = (identity: Identity): string =>
    code(bench.head.evaluate(put("a/1", "v"), undefined, 2, identity).reply);
  const { revision } = bench.base.users.state;
  assert.equal(ask(as(revision)), "ok");
  assert.equal(ask(NOBODY), "UNAUTHENTICATED");
  order({ kind: "revokePermission", name: "r", range: { key: own.key, end: own.end } });
  assert.equal(ask(as(revision)), "AUTH_STALE");
  assert.equal(ask(as(revision + 1)), "PERMISSION_DENIED");
  bench.head.rollback();
  assert.equal(ask(as(revision)), "ok", "what was rolled back never happened");
  order({ kind: "deleteUser", name: "ann" });
  order({ kind: "addUser", name: "ann" });
  order({ kind: "grantRole", name: "ann", role: "r" });
  assert.equal(ask(as(revision)), "AUTH_STALE", "another of the same name");
  bench.commit();
  assert.equal(ask(as(bench.base.users.state.revision)), "ok");
  order({ kind: "disable" });
  assert.equal(ask(NOBODY), "ok");
});

test("[AUTH-6] stored replies are for the user who opened the caller, also when users are enabled later (1 replica)", async () => {
  const replica = await Replica.open();
  const ann = await replica.user([[own]]);
  const bob = await replica.user([[{ ...own, key: b("b/"), end: b("b0") }]]);
  const ask = (identity: Identity, request: Request, stamp?: CallerStamp): Promise<Reply> =>
    new Promise((done) => replica.driver.submit(request, stamp, done, identity));
  const stamp = { id: 7n, sequence: 1, firstUnacked: 1 };
  await ask(SYSTEM, { kind: "put", key: b("a/1"), value: b("secret") });
  assert.equal(code(await ask(replica.as(ann), { kind: "callerOpen", id: 7n })), "ok");
  const request: Request = { kind: "put", key: b("a/1"), value: b("v"), prevKv: true };
  const answer = await ask(replica.as(ann), request, stamp);
  assert.ok(answer.ok && "prevKv" in answer.response);
  assert.deepEqual(await ask(replica.as(ann), request, stamp), answer);
  const theirs: Request = { kind: "put", key: b("b/1"), value: b("v") };
  for (const identity of [replica.as(bob), replica.as("root"), NOBODY])
    assert.equal(code(await ask(identity, theirs, stamp)), "CALLER_UNKNOWN");
  assert.equal(
    code(await ask(replica.as(bob), { kind: "callerOpen", id: 7n })),
    "PERMISSION_DENIED",
  );
  assert.equal(
    code(await ask(replica.as(bob), { kind: "callerClose", id: 7n })),
    "PERMISSION_DENIED",
  );
  assert.deepEqual(await ask(replica.as(ann), request, stamp), answer, "still there");
  // What happened is told even if it would not be allowed to happen now.
  await replica.order({ kind: "deleteRole", name: `${ann}, role 0` });
  assert.deepEqual(await ask(replica.as(ann), request, stamp), answer);
  const next = { ...stamp, sequence: 2 };
  assert.equal(code(await ask(replica.as(ann), request, next)), "PERMISSION_DENIED");
  await replica.order({ kind: "disable" });
  await ask(NOBODY, { kind: "callerOpen", id: 8n });
  await ask(NOBODY, request, { ...stamp, id: 8n });
  await replica.order({ kind: "enable" });
  assert.equal(code(await ask(replica.as(ann), theirs, { ...stamp, id: 8n })), "CALLER_UNKNOWN");
  await replica.driver.close();
});

test("[AUTH-7] a watch ends when its range may no longer be read, and shows nothing that comes after (1 replica)", async () => {
  const replica = await Replica.open();
  const write = (value: string): Promise<Reply> =>
    replica.ask({ kind: "put", key: b("a/1"), value: b(value) });
  const ann = await replica.user([[read]], "ann");
  const bob = await replica.user([[read], [{ ...read, end: b("b") }]], "bob");
  const [anns, bobs, roots] = [ann, bob, "root"].map((name) => watched(replica, replica.as(name)));
  assert.ok(anns !== undefined && bobs !== undefined && roots !== undefined);
  await Promise.all([anns, bobs, roots].map((each) => each.next(1)));
  await write("1");
  await Promise.all([anns, bobs, roots].map((each) => each.next(2)));
  // In one log entry: the permission goes, and something is written that it would have shown.
  const range = { key: read.key, end: read.end };
  await Promise.all([
    replica.order({ kind: "revokePermission", name: "ann, role 0", range }),
    replica.order({ kind: "revokePermission", name: "bob, role 0", range }),
    write("2"),
  ]);
  assert.deepEqual(await anns.next(3), ["started", "1", "PERMISSION_DENIED"]);
  assert.deepEqual(await bobs.next(3), ["started", "1", "2"], "the other role covers it");
  assert.deepEqual(await roots.next(3), ["started", "1", "2"]);
  await replica.order({ kind: "changePassword", name: "bob", password: SOME_HASH });
  await write("3");
  assert.equal((await bobs.next(4)).at(-1), "UNAUTHENTICATED");
  await replica.order({ kind: "disable" });
  const anyones = watched(replica, NOBODY);
  await anyones.next(1);
  await replica.order({ kind: "enable" });
  await write("4");
  assert.deepEqual(await anyones.next(2), ["started", "UNAUTHENTICATED"]);
  assert.deepEqual(await roots.next(5), ["started", "1", "2", "3", "4"]);
  await replica.driver.close();
});

const later: Procedure<string, unknown> = procedure(
  "test/auth/later@1",
  (tx, key) => tx.put(key as Bytes, b("later")),
  () => "",
);
const deadline = proc("test/auth/deadline@1", (tx, key: string) => {
  tx.put(key as Bytes, b("now"));
  tx.due(5, key, later, key);
});
const takenBack = proc("test/auth/taken-back@1", (tx, key: string) => tx.undue(5, key));
const forged = proc("test/auth/forged@1", (tx, key: string) => {
  tx.due(5, "x", later, key);
  tx.put(b("due/0000000000000005/x"), b("forged"));
});

test("[AUTH-8] a procedure sets deadlines for what its user may write, and nobody else writes the index (1 replica)", async () => {
  const all = [deadline, takenBack, forged, later as Procedure<never, unknown>];
  const replica = await Replica.open(all);
  const ann = await replica.user([[own, { access: "readwrite", key: DUE_PREFIX, end: DUE_END }]]);
  const ask = async (request: Request): Promise<string> =>
    code(await replica.ask(request, replica.as(ann)));
  const count = async (): Promise<number> => {
    const reply = await replica.ask({ kind: "range", key: DUE_PREFIX, end: DUE_END });
    return reply.ok && "count" in reply.response ? reply.response.count : -1;
  };
  const call = (name: string, key: string): RunRequest => run(`test/auth/${name}@1`, key);
  assert.equal(await ask(call("deadline", "b/1")), "PERMISSION_DENIED");
  assert.equal(await count(), 0);
  assert.equal(await ask(call("deadline", "a/1")), "ok");
  assert.equal(await count(), 1);
  const within = { ...call("deadline", "1"), prefix: b("a/") };
  assert.equal(await ask(within), "ok");
  assert.equal(await ask(call("taken-back", "a/1")), "ok");
  assert.equal(await count(), 0, "both named one deadline");
  assert.equal(await ask(call("forged", "a/1")), "PERMISSION_DENIED");
  const record: Request = { kind: "put", key: b("due/0000000000000005/x"), value: b("{}") };
  assert.equal(await ask(record), "PERMISSION_DENIED");
  assert.equal(await ask({ kind: "deleteRange", key: DUE_PREFIX, end: DUE_END }), "ok");
  const fire = argsText({ key: "b/1", modRevision: 1 }, "fire");
  const named = { kind: "run", procedure: "ordering/due/fire@1", args: fire } as const;
  assert.equal(await ask(named), "PERMISSION_DENIED", "it reads a key that the user may not");
  await replica.driver.close();
});

test("[AUTH-9] under a full store users cannot be added, but taken away (1 replica)", () => {
  const bench = new Bench({ quotaBytes: 100_000 });
  const order = (kind: object): string => code(bench.send({ kind: "auth", order: kind as never }));
  let added = 0;
  while (order({ kind: "addUser", name: `user ${added}`, password: SOME_HASH }) === "ok") added++;
  assert.ok(added > 50 && added < 400, String(added));
  assert.equal(order({ kind: "addRole", name: "r" }), "QUOTA");
  for (let at = 0; at < added; at++)
    assert.equal(order({ kind: "deleteUser", name: `user ${at}` }), "ok");
  bench.commit();
  assert.equal(bench.base.users.bytes, 0);
  assert.equal(order({ kind: "addUser", name: "x", password: "clear" }), "INVALID");
});
