/** The commit pump over a keyspace in this process that others change in between. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Bytes } from "../../base/bytes.ts";
import { utf8 } from "../../base/bytes.ts";
import { QuorateError } from "../../base/errors.ts";
import type { Keyspace } from "../../contract/keyspace.ts";
import { procedure } from "../../contract/procedure.ts";
import type { CommitRevision, Procedure, Tx } from "../../contract/procedure.ts";
import { procedureSet } from "../../contract/procedure.ts";
import type { Request } from "../../contract/requests.ts";
import { openDriver } from "../../driver/driver.ts";
import { hostClock } from "../../host/clock.ts";
import { hostEntropy } from "../../host/entropy.ts";
import { embeddedKeyspace, MEMORY_GUARANTEE } from "../embedded/embedded.ts";
import { optimistic } from "./pump.ts";
import type { Evaluate } from "./pump.ts";

type Step = (request: Request) => Promise<void> | void;

/** A keyspace that counts transactions and lets a test act before each one. */
function spied(keyspace: Keyspace): Keyspace & { readonly sent: Request[]; before: Step } {
  const sent: Request[] = [];
  const spy = {
    ...keyspace,
    sent,
    before: (() => {}) as Step,
    call: (async (request: Request, options) => {
      sent.push(request);
      await spy.before(request);
      return await keyspace.call(request, options);
    }) as Keyspace["call"],
  };
  return spy;
}

describe("commit pump", () => {
  let keyspace: Keyspace;
  let spy: ReturnType<typeof spied>;
  let run: Evaluate;
  let named = 0;
  before(async () => {
    const driver = await openDriver({
      disk: undefined,
      clock: hostClock,
      entropy: hostEntropy,
      procedures: procedureSet([]),
      label: "memory:",
    });
    keyspace = embeddedKeyspace({ driver, clock: hostClock, guarantee: MEMORY_GUARANTEE });
  });
  after(() => keyspace.close());

  /** A pump of its own, as of a fresh process, and a key that nobody else uses. */
  function fresh(): Bytes {
    spy = spied(keyspace);
    run = optimistic(spy, { clock: hostClock, entropy: hostEntropy, now: () => 1_000 });
    return utf8(`pump/${named++}`);
  }
  const put = async (key: Bytes, value: string): Promise<number> =>
    (await keyspace.call({ kind: "put", key, value: utf8(value) })).revision;
  const read = async (key: Bytes): Promise<string | undefined> =>
    (await keyspace.call({ kind: "range", key })).kvs[0]?.value;
  const commits = (): number =>
    spy.sent.filter((each) => each.kind === "txn" && each.success.some((op) => op.kind !== "range"))
      .length;

  const increment: Procedure<{ readonly key: string }, number> = procedure(
    "test/increment@1",
    (tx, { key }) => {
      const next = Number(tx.get(key as Bytes)?.value ?? 0) + 1;
      tx.put(key as Bytes, utf8(String(next)));
      return next;
    },
    ({ key }) => key,
  );
  const one = <R>(body: (tx: Tx) => R): Procedure<null, R> =>
    procedure("test/one@1", body, () => `${named}`);

  test("[OPT-1] a change between read and commit is seen, and nothing is lost (one conflict)", async () => {
    const key = fresh();
    await put(key, "5");
    let interfered = false;
    spy.before = async (request) => {
      const commit = request.kind === "txn" && request.compare.length > 0;
      if (!commit || interfered) return;
      interfered = true;
      await put(key, "10");
    };
    assert.equal((await run(increment, { key })).result, 11);
    assert.equal(await read(key), "11");
  });

  test("[OPT-2] a key that is deleted inside a range that was read is seen (one conflict)", async () => {
    const key = fresh();
    await put(`${key}/a` as Bytes, "1");
    await put(`${key}/b` as Bytes, "1");
    let interfered = false;
    spy.before = async (request) => {
      if (request.kind !== "txn" || request.compare.length === 0 || interfered) return;
      interfered = true;
      await keyspace.call({ kind: "deleteRange", key: `${key}/a` as Bytes });
    };
    const count = one((tx) => {
      const found = tx.range(`${key}/` as Bytes, `${key}0` as Bytes).length;
      tx.put(`${key}-count` as Bytes, utf8(String(found)));
      return found;
    });
    assert.equal((await run(count, null)).result, 1);
    assert.equal(await read(`${key}-count` as Bytes), "1");
  });

  test("[OPT-3] a suspension that is swallowed commits nothing (every read caught)", async () => {
    const key = fresh();
    await put(key, "7");
    const swallowing = one((tx) => {
      let seen = "nothing";
      try {
        seen = tx.get(key)?.value ?? "absent";
      } catch {
        // As careless code does.
      }
      try {
        tx.put(`${key}/seen` as Bytes, utf8(seen));
      } catch {
        // Here as well.
      }
      return seen;
    });
    assert.equal((await run(swallowing, null)).result, "7");
    assert.equal(await read(`${key}/seen` as Bytes), "7");
    const { kvs } = await keyspace.call({ kind: "range", key: `${key}/seen` as Bytes });
    assert.equal(kvs[0]?.version, 1, "written once");
  });

  test("[OPT-4] all reads of an attempt are of one revision (a change between two reads)", async () => {
    const key = fresh();
    const [left, right] = [`${key}/l` as Bytes, `${key}/r` as Bytes];
    await put(left, "1");
    await put(right, "1");
    let reads = 0;
    spy.before = async (request) => {
      if (request.kind !== "txn" || request.compare.length > 0 || ++reads !== 2) return;
      await put(left, "2");
      await put(right, "2");
    };
    const both = one((tx) => `${tx.get(left)?.value ?? ""}${tx.get(right)?.value ?? ""}`);
    assert.equal((await run(both, null)).result, "11");
  });

  test("[OPT-5] an error is delivered only if what was read is true (stale cache)", async () => {
    const key = fresh();
    await put(key, "0");
    const refusing: Procedure<{ readonly key: string }, string> = procedure(
      "test/refusing@1",
      (tx, { key: at }) => {
        if (tx.get(at as Bytes)?.value === "1") throw new Error("it is one");
        return "fine";
      },
      ({ key: at }) => at,
    );
    // The pump now remembers "1" from its own commit; somebody else changes it.
    await run(increment, { key });
    await put(key, "2");
    assert.equal((await run(refusing, { key })).result, "fine");
    await put(key, "1");
    await assert.rejects(run(refusing, { key }), /it is one/);
  });

  test("[OPT-5] what is returned was true after the call was made (stale cache, no writes)", async () => {
    const key = fresh();
    await run(increment, { key });
    await put(key, "41");
    const look: Procedure<{ readonly key: string }, string> = procedure(
      "test/look@1",
      (tx, { key: at }) => tx.get(at as Bytes)?.value ?? "",
      ({ key: at }) => at,
    );
    assert.equal((await run(look, { key })).result, "41");
  });

  test("[OPT-6] calls that contend share commits, each sees the one before (64 calls)", async () => {
    const key = fresh();
    const results = await Promise.all(Array.from({ length: 64 }, () => run(increment, { key })));
    const numbers = results.map((each) => each.result).sort((a, b) => a - b);
    assert.deepEqual(
      numbers,
      Array.from({ length: 64 }, (_, at) => at + 1),
    );
    assert.ok(commits() <= 3, `${commits()} commits for 64 calls`);
  });

  test("[OPT-7] two that use the commit revision, or make one key's history, are not folded", async () => {
    const key = fresh();
    const ticket: Procedure<{ readonly key: string; readonly name: string }, CommitRevision> =
      procedure(
        "test/ticket@1",
        (tx, args) => {
          tx.put(`${args.key}/${args.name}` as Bytes, utf8("x"));
          return tx.commitRevision;
        },
        (args) => args.key,
      );
    const tickets = await Promise.all(
      ["a", "b", "c"].map((name) => run(ticket, { key, name }).then((each) => each.result)),
    );
    assert.equal(new Set(tickets).size, 3, "a revision is given out once");
    const remove: Procedure<{ readonly key: string }, boolean> = procedure(
      "test/remove@1",
      (tx, args) => {
        const there = tx.get(args.key as Bytes) !== undefined;
        tx.delete(args.key as Bytes);
        return there;
      },
      (args) => args.key,
    );
    await put(key, "1");
    const [first, second, third] = await Promise.all([
      run(remove, { key }),
      run(increment, { key }),
      run(remove, { key }),
    ]);
    assert.deepEqual([first.result, second.result, third.result], [true, 1, true]);
    assert.ok(first.revision < second.revision && second.revision < third.revision);
    assert.equal(await read(key), undefined);
  });

  test("[OPT-8] one that fails does not take the others with it (a lease that is gone)", async () => {
    const key = fresh();
    const attach: Procedure<
      { readonly key: string; readonly name: string; readonly lease: string },
      null
    > = procedure(
      "test/attach@1",
      (tx, args) => {
        tx.put(`${args.key}/${args.name}` as Bytes, utf8("x"), { lease: BigInt(args.lease) });
        return null;
      },
      (args) => args.key,
    );
    const outcomes = await Promise.allSettled([
      run(attach, { key, name: "a", lease: "0" }),
      run(attach, { key, name: "b", lease: "999" }),
      run(attach, { key, name: "c", lease: "0" }),
    ]);
    assert.deepEqual(
      outcomes.map((each) => each.status),
      ["fulfilled", "rejected", "fulfilled"],
    );
    const bad = outcomes[1];
    assert.ok(bad?.status === "rejected" && QuorateError.is(bad.reason, "LEASE_NOT_FOUND"));
    assert.equal(bad.reason.outcome, "definite");
  });

  test("[OPT-9] a call that is given up before its commit does not happen (abort while it reads)", async () => {
    const key = fresh();
    const stop = new AbortController();
    spy.before = () => stop.abort();
    const given = run(increment, { key }, { signal: stop.signal });
    await assert.rejects(given, (error) => {
      assert.ok(QuorateError.is(error, "ABORTED"));
      assert.equal(error.outcome, "definite");
      return true;
    });
    spy.before = () => {};
    assert.equal((await run(increment, { key })).result, 1, "the aborted one left no trace");
  });

  test("[OPT-10] an unknown outcome is indefinite and is not tried again (answer lost)", async () => {
    const key = fresh();
    const lost = { ...spy };
    lost.call = (async (request: Request, options) => {
      const answer = await keyspace.call(request, options);
      const writes = request.kind === "txn" && request.success.some((op) => op.kind === "put");
      if (!writes) return answer;
      throw new QuorateError({
        code: "UNAVAILABLE",
        outcome: "indefinite",
        retry: "backoff",
        object: "answer",
        what: "was lost",
        remedy: "Read.",
      });
    }) as Keyspace["call"];
    run = optimistic(lost, { clock: hostClock, entropy: hostEntropy, now: () => 1_000 });
    await assert.rejects(run(increment, { key }), (error) => {
      assert.ok(QuorateError.is(error, "UNAVAILABLE"));
      assert.equal(error.outcome, "indefinite");
      return true;
    });
    assert.equal(await read(key), "1", "it happened once");
  });

  test("[SEL-32] what it asks lasts as long as a call may (timeoutMs of a minute)", async () => {
    const key = fresh();
    const given: (number | undefined)[] = [];
    const patient: Keyspace = {
      ...keyspace,
      call: (request, options) => {
        given.push(options?.timeoutMs);
        return keyspace.call(request, options);
      },
    };
    const pump = optimistic(patient, { clock: hostClock, entropy: hostEntropy, now: () => 1_000 });
    await pump(increment, { key }, { timeoutMs: 60_000 });
    assert.deepEqual(given, [60_000, 60_000]);
  });

  test("[OPT-11] who is always slower is told so in the end (64 conflicts)", async () => {
    const key = fresh();
    let turn = 0;
    spy.before = async (request) => {
      if (request.kind === "txn" && request.compare.length > 0) await put(key, String(++turn));
    };
    await assert.rejects(run(increment, { key }), (error) => {
      assert.ok(QuorateError.is(error, "CONTENTION"));
      assert.equal(error.outcome, "definite");
      return true;
    });
    assert.equal(await read(key), String(turn));
  });

  test("[OPT-12] more conditions than one transaction holds are refused, definite (200 keys)", async () => {
    const key = fresh();
    for (let at = 0; at < 200; at++) await put(`${key}/${at}` as Bytes, "1");
    const [from, to] = [`${key}/` as Bytes, `${key}0` as Bytes];
    const all = one((tx) => {
      tx.put(`${key}-n` as Bytes, utf8(String(tx.range(from, to).length)));
    });
    await assert.rejects(run(all, null), (error) => {
      assert.ok(QuorateError.is(error, "TOO_MANY_OPERATIONS"));
      assert.equal(error.outcome, "definite");
      return true;
    });
    const few = one((tx) => {
      const eldest = tx.byAge(from, to, { limit: 3 }).map((kv) => kv.key.slice(key.length));
      tx.put(`${key}-n` as Bytes, utf8(eldest.join()));
      return eldest;
    });
    assert.deepEqual((await run(few, null)).result, ["/0", "/1", "/2"]);
    const reading = one((tx) => tx.range(from, to).length);
    assert.equal((await run(reading, null)).result, 200, "without writes nothing is compared");
  });

  test("[OPT-13] limits, order and own writes read as on a native engine (ranges)", async () => {
    const key = fresh();
    for (const name of ["c", "a", "b"]) await put(`${key}/${name}` as Bytes, name);
    const [from, to] = [`${key}/` as Bytes, `${key}0` as Bytes];
    const names = (kvs: readonly { readonly value: Bytes }[]): string =>
      kvs.map((kv) => kv.value).join("");
    const looks = one((tx) => {
      tx.delete(`${key}/a` as Bytes);
      tx.put(`${key}/d` as Bytes, utf8("d"));
      return [
        names(tx.range(from, to)),
        names(tx.range(from, to, { limit: 1 })),
        names(tx.range(from, to, { limit: 2, reverse: true })),
        names(tx.byAge(from, to)),
        names(tx.byAge(from, to, { limit: 1 })),
      ];
    });
    assert.deepEqual((await run(looks, null)).result, ["bcd", "b", "dc", "cbd", "c"]);
  });

  test("[OPT-14] a call whose reads are known from the last commit costs one round trip (3 calls)", async () => {
    const key = fresh();
    await run(increment, { key });
    const cold = spy.sent.length;
    await run(increment, { key });
    await run(increment, { key });
    assert.equal(cold, 2);
    assert.equal(spy.sent.length, cold + 2);
  });

  test("[OPT-14] the eldest of a range are known after a commit that adds younger ones or deletes one (limit 3)", async () => {
    const key = fresh();
    const [from, to] = [`${key}/` as Bytes, `${key}0` as Bytes];
    const joined = (tx: Tx, { name, leave }: { name: string; leave: boolean }): string => {
      const eldest = tx.byAge(from, to, { limit: 3 });
      const gone = leave ? eldest[0] : undefined;
      if (gone !== undefined) tx.delete(gone.key);
      tx.put(`${key}/${name}` as Bytes, utf8(name));
      return eldest.map((kv) => kv.value).join("");
    };
    const join = procedure("test/join@1", joined, () => key);
    const seen: string[] = [];
    const turn = async (name: string, leave = false): Promise<number> => {
      const before = spy.sent.length;
      seen.push((await run(join, { name, leave })).result);
      return spy.sent.length - before;
    };
    assert.equal(await turn("z"), 2);
    for (const name of ["y", "x", "w", "v"]) assert.equal(await turn(name), 1, name);
    // Who comes fourth was not read: it has to be asked for.
    assert.equal(await turn("u", true), 1);
    assert.equal(await turn("t"), 2);
    assert.deepEqual(seen, ["", "z", "zy", "zyx", "zyx", "zyx", "yxw"]);
  });

  test("[OPT-15] what is overtaken in its own commit is found after the revision of its answer (a key seen, then deleted)", async () => {
    const key = fresh();
    await put(key, "1");
    const sees = procedure(
      "test/sees@1",
      (tx, at: string) => {
        tx.put(`${at}/seen` as Bytes, utf8("x"));
        return tx.range(key, `${at}0` as Bytes).length;
      },
      (at) => at,
    );
    const removes = procedure(
      "test/removes@1",
      (tx, at: string) => tx.delete(at as Bytes),
      (at) => at,
    );
    const [seen, removed] = await Promise.all([run(sees, key), run(removes, key)]);
    assert.equal(seen.result, 2);
    assert.equal(commits(), 1, "one commit for both");
    assert.ok(seen.revision < removed.revision, `${seen.revision} is before ${removed.revision}`);
    const watch = keyspace.watch({ key, startRevision: seen.revision + 1 });
    for await (const { events } of watch) {
      assert.deepEqual(
        events.map(({ kind }) => kind),
        ["delete"],
      );
      break;
    }
  });
});
