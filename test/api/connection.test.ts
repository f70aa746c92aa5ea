/** Connections: states, laziness, closing, and the codes that the SDK and the mechanisms throw. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Guarantee } from "../../src/contract/guarantee.ts";
import type { Keyspace } from "../../src/contract/keyspace.ts";
import type { ErrorCode, Outcome } from "../../src/sdk/index.ts";
import { cards, connect, QuorateError } from "../../src/sdk/index.ts";
import { Quorate } from "../../src/sdk/quorate.ts";
import { guard, lock, locks, storedGuard } from "../../src/sdk/selection.ts";
import { startServer } from "../../src/server/index.ts";

const identity = { service: "test", host: "here", pid: 1 };

/** A connection to an engine that gives less. */
async function weak(
  gives: Partial<Guarantee>,
  accept?: Guarantee["consistency"],
): Promise<Quorate> {
  const { keyspace } = (await connect("memory:")).commitment;
  const weaker: Keyspace = {
    ...keyspace,
    label: "weak:",
    guarantee: { ...keyspace.guarantee, ...gives },
  };
  return new Quorate(weaker, { identity, sessionTtlMs: 10_000, accept });
}

interface Expected {
  readonly outcome: Outcome;
  readonly object: RegExp;
  readonly holder?: string;
  readonly remedy: RegExp;
}

async function throws(code: ErrorCode, work: () => unknown, expected: Expected): Promise<void> {
  await assert.rejects(
    async () => work(),
    (error: unknown) => {
      assert.ok(QuorateError.is(error, code), String(error));
      assert.equal(error.outcome, expected.outcome);
      assert.match(error.object, expected.object);
      assert.match(error.help, expected.remedy);
      assert.equal(error.holder, expected.holder);
      assert.ok(error.message.startsWith(`${code} (${expected.outcome}) ${error.object}: `));
      return true;
    },
  );
}

describe("connection", { timeout: 120_000 }, () => {
  test("[API-3] each code says what it concerns and what to do (table)", async () => {
    const q = await connect("memory:", { service: "table" });
    const definite = "definite";
    await throws("CONFIG", () => connect("nats://x"), {
      outcome: definite,
      object: /^url nats:\/\/x$/,
      remedy: /memory:/,
    });
    await throws("CONFIG", () => connect("quorate://a:b:c"), {
      outcome: definite,
      object: /^url /,
      remedy: /127\.0\.0\.1/,
    });
    await throws("GUARANTEE", () => connect("memory:", { atLeast: { durability: "majority" } }), {
      outcome: definite,
      object: /^memory:$/,
      remedy: /ask for less/,
    });
    await throws("GUARANTEE", async () => (await weak({ consistency: "best-effort" })).lock("a"), {
      outcome: definite,
      object: /^lock a$/,
      remedy: /accept: "best-effort"/,
    });
    for (const make of [
      () => q.lock(""),
      () => q.rwlock([]),
      () => q.election(""),
      () => q.semaphore("", { permits: 1 }),
    ]) {
      await throws("INVALID", make, {
        outcome: definite,
        object: /^(lock|rwlock|election|semaphore)$/,
        remedy: /orders\/42/,
      });
    }
    await throws("INVALID", () => q.semaphore("s", { permits: 0 }), {
      outcome: definite,
      object: /^semaphore s$/,
      remedy: /positive/,
    });
    await throws("INVALID", () => q.semaphore("s", { permits: 2 }).tryAcquire({ weight: 3 }), {
      outcome: definite,
      object: /^semaphore s$/,
      remedy: /1 to 2/,
    });
    await throws("EXPIRED", () => q.lock("a").extendLease("feed", 1_000), {
      outcome: definite,
      object: /^lock a$/,
      remedy: /Acquire again/,
    });
    const resource = guard("report.csv");
    resource.admit(7, "new");
    await throws("STALE_TOKEN", () => resource.admit(6, "old"), {
      outcome: definite,
      object: /^report\.csv$/,
      holder: "new",
      remedy: /Acquire again/,
    });
    const held = await q.lock("held").acquire();
    const given = new AbortController();
    const waiting = q.lock("held").acquire({ signal: given.signal });
    while ((await q.lock("held").explain()).waiters.length === 0);
    given.abort();
    await throws("ABORTED", () => waiting, {
      outcome: definite,
      object: /^lock held$/,
      remedy: /Nothing is held/,
    });
    const leadership = await q.election("e").campaign();
    await leadership.resign();
    await throws("CANCELLED", () => leadership.proclaim("x"), {
      outcome: definite,
      object: /^election e$/,
      remedy: /again/,
    });
    await q.close();
    await throws("SHUTDOWN", () => held.assertHeld(), {
      outcome: definite,
      object: /^lock held$/,
      remedy: /Connect again/,
    });
    await throws("CLOSED", () => q.lock("a").tryAcquire(), {
      outcome: definite,
      object: /^memory:$/,
      remedy: /Connect again/,
    });
  });

  test("[API-3] a server that is not there is UNAVAILABLE and definite about nothing held (no server)", async () => {
    const signal = AbortSignal.timeout(2_000);
    await assert.rejects(connect("quorate://127.0.0.1:1", { signal }), (error: unknown) =>
      QuorateError.is(error),
    );
  });

  test("[API-4] a weaker consistency is allowed when it is accepted by name, and only that one (weak engine)", async () => {
    const q = await weak({ consistency: "serializable" }, "serializable");
    assert.ok((await q.lock("a").tryAcquire()).ok);
    const other = await weak({ consistency: "best-effort" }, "serializable");
    assert.throws(
      () => other.lock("a"),
      (error: unknown) => QuorateError.is(error, "GUARANTEE"),
    );
    const unfenced = await weak({ consistency: "best-effort", fencing: "none" }, "best-effort");
    assert.throws(
      () => unfenced.lock("a"),
      (error: unknown) => QuorateError.is(error, "GUARANTEE"),
    );
    // The facade and the room's own function are one implementation.
    for (const made of [
      () => lock(other, "a"),
      () => locks(other, ["a", "b"]),
      () => storedGuard(other, "a"),
      () => other.locks(["a", "b"]),
      () => other.guard("a"),
    ])
      assert.throws(made, (error: unknown) => QuorateError.is(error, "GUARANTEE"));
    for (const each of [q, other, unfenced]) await each.close();
  });

  test("[API-8] CLOSED names the line that closed the connection, or what did (connections)", async () => {
    const told = async (q: Quorate): Promise<string> => {
      const error: unknown = await q
        .lock("a")
        .tryAcquire()
        .catch((each: unknown) => each);
      assert.ok(QuorateError.is(error, "CLOSED"));
      return error.message;
    };
    const byCall = await connect("memory:");
    await byCall.close();
    assert.match(await told(byCall), /has been closed, at .*connection\.test\.js:\d+:\d+/);
    const byReason = await connect("memory:");
    await byReason.close({ because: "for the night" });
    assert.match(await told(byReason), /has been closed, for the night\./);
  });

  test("[API-9] a url or a time to live that cannot be meant is refused at once (table)", async () => {
    for (const url of ["quorate:127.0.0.1:2379", "etcd:x", "", "memory", "FILE:x"])
      await assert.rejects(connect(url), (error: unknown) => QuorateError.is(error, "CONFIG"), url);
    for (const sessionTtlMs of [Number.NaN, 0, -1])
      await assert.rejects(connect("memory:", { sessionTtlMs }), (error: unknown) =>
        QuorateError.is(error, "INVALID"),
      );
  });

  test("[API-5] a lazy connection opens at the first call, once per url, and again after it was closed (one server)", async () => {
    const server = await startServer({ listen: "127.0.0.1:0" });
    const z = connect.lazy(server.url, { service: "lazy" });
    assert.equal(connect.lazy(server.url), z);
    const held = await z.lock("a").acquire();
    assert.equal((await z.lock("a").explain()).holders[0]?.service, "lazy");
    await held.release();
    assert.equal(await z.ready(), z);
    await z.close();
    assert.notEqual(connect.lazy(server.url), z);
    await server.close();
  });

  test("[API-5] [SEL-16] a lazy connection that is closed before its first call is never opened (memory)", async () => {
    const z = connect.lazy("memory:");
    await z.close();
    const isClosed = (error: unknown): boolean => QuorateError.is(error, "CLOSED");
    await assert.rejects(z.lock("a").tryAcquire(), isClosed);
    await assert.rejects(z.commitment.keyspace.call({ kind: "status" }), isClosed);
  });

  test("[API-5] two users of one url have a lazy connection each (2 users)", async () => {
    const url = "quorate://127.0.0.1:1";
    const of = (user: string, password = "p"): Quorate =>
      connect.lazy(url, { credentials: { user, password } });
    const all = [of("ann"), of("bob"), of("ann", "q"), connect.lazy(url)];
    assert.equal(new Set(all).size, all.length);
    assert.equal(of("ann"), all[0]);
    for (const each of all) await each.close();
  });

  test("[API-4] [API-5] a lazy connection to an engine that is too weak fails at its first use (weak engine)", async () => {
    const lazily = (label: string, accept?: Guarantee["consistency"]): Quorate => {
      const open = async (): Promise<Keyspace> =>
        (await weak({ consistency: "best-effort" })).commitment.keyspace;
      return connect.lazy({ label, foreign: false, open }, { accept });
    };
    const refused = lazily("weak:refused");
    await assert.rejects(refused.lock("a").tryAcquire(), (error: unknown) =>
      QuorateError.is(error, "GUARANTEE"),
    );
    const accepted = lazily("weak:accepted", "best-effort");
    assert.ok((await accepted.lock("a").tryAcquire()).ok);
    for (const each of [refused, accepted]) await each.close();
  });

  test("[API-6] states tells of connection, loss and closing, in order (two connections)", async () => {
    const server = await startServer({ listen: "127.0.0.1:0" });
    const warned: string[] = [];
    const q = await connect(server.url, {
      sessionTtlMs: 3_000,
      logger: { warn: (message) => warned.push(message) },
    });
    const other = await connect(server.url);
    const seen: string[] = [];
    const following = (async (): Promise<void> => {
      for await (const state of q.states()) {
        seen.push(state);
        if (state === "lost") void q.close();
      }
    })();
    const held = await q.lock("a").acquire();
    await other.commitment.keyspace.call({
      kind: "leaseRevoke",
      id: (await q.commitment.session()).lease,
    });
    await following;
    assert.deepEqual(seen, ["connected", "lost"]);
    assert.match(warned.join(), /^(EXPIRED|LOST) \(definite\) session /);
    await held.release();
    await other.close();
    await server.close();
  });

  test("[API-7] every noun has a card with an answer to each question (cards)", () => {
    assert.deepEqual(cards.map(({ noun }) => noun).toSorted(), [
      "barrier",
      "double-barrier",
      "election",
      "guard",
      "latch",
      "lock",
      "locks",
      "rwlock",
      "semaphore",
    ]);
    for (const card of cards)
      for (const answer of Object.values(card.answers)) assert.ok(answer.length >= 5);
  });
});
