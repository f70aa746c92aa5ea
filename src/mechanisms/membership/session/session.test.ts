/** The session against an embedded engine, on time that the test moves. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fail, QuorateError } from "../../../base/errors.ts";
import type { Keyspace } from "../../../contract/keyspace.ts";
import { procedureSet } from "../../../contract/procedure.ts";
import { openDriver } from "../../../driver/driver.ts";
import { embeddedKeyspace, MEMORY_GUARANTEE } from "../../../engines/embedded/embedded.ts";
import { hostEntropy } from "../../../host/entropy.ts";
import type { Cancel, Clock } from "../../../ports/clock.ts";
import { openSession } from "./session.ts";

/** Time that stands still until it is moved. */
class MovedClock implements Clock {
  #now = 1_000;
  readonly #timers = new Set<{ readonly at: number; readonly fire: () => void }>();

  monotonicMs(): number {
    return this.#now;
  }
  wallMs(): number {
    return 1_700_000_000_000 + this.#now;
  }
  after(delayMs: number, fire: () => void): Cancel {
    const timer = { at: this.#now + Math.max(0, delayMs), fire };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }
  soon(fire: () => void): void {
    setImmediate(fire);
  }

  /** Moves on, firing each timer at its instant and letting what follows settle. */
  async run(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (;;) {
      await settle();
      const next = [...this.#timers]
        .filter(({ at }) => at <= until)
        .toSorted((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#now = Math.max(this.#now, next.at);
      this.#timers.delete(next);
      next.fire();
    }
    this.#now = until;
    await settle();
  }

  /** The process was stopped: time passes, no timer fires. */
  stopFor(ms: number): void {
    this.#now += ms;
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

async function world(): Promise<{ readonly clock: MovedClock; readonly keyspace: Keyspace }> {
  const clock = new MovedClock();
  const procedures = procedureSet([]);
  const driver = await openDriver({
    disk: undefined,
    clock,
    entropy: hostEntropy,
    procedures,
    label: "memory:",
  });
  return { clock, keyspace: embeddedKeyspace({ driver, clock, guarantee: MEMORY_GUARANTEE }) };
}

async function leases(keyspace: Keyspace): Promise<number> {
  return (await keyspace.call({ kind: "leases" })).ids.length;
}

describe("session", { timeout: 120_000 }, () => {
  test("[SES-1] renewal keeps it for far longer than its time to live (embedded engine)", async () => {
    const { clock, keyspace } = await world();
    const session = await openSession(keyspace, clock, { ttlMs: 3_000 });
    await clock.run(60_000);
    assert.equal(session.signal.aborted, false);
    assert.ok(session.remainingMs() > 0 && session.remainingMs() <= 2_700);
    assert.equal(await leases(keyspace), 1);
    await session.end();
    await keyspace.close();
  });

  test("[SES-1] one renewal without an answer does not end it (an engine that is silent for a third of the time to live)", async () => {
    const { clock, keyspace } = await world();
    const asked: number[] = [];
    const silent: Keyspace = {
      ...keyspace,
      call: async (request, options) => {
        if (request.kind !== "leaseKeepAlive") return keyspace.call(request, options);
        asked.push(clock.monotonicMs());
        if (asked.length > 1) return keyspace.call(request, options);
        await new Promise<void>((resolve) => void clock.after(options?.timeoutMs ?? 0, resolve));
        throw fail("TIMEOUT", { object: "leaseKeepAlive", what: "had no answer", remedy: "" });
      },
    };
    const session = await openSession(silent, clock, { ttlMs: 3_000 });
    await clock.run(6_000);
    assert.equal(session.signal.aborted, false);
    assert.deepEqual(
      asked.slice(0, 3).map((each) => each - 1_000),
      [1_000, 2_100, 3_100],
    );
    await session.end();
    await keyspace.close();
  });

  test("[SES-2] time left counts from the moment of sending (slow answer)", async () => {
    const { clock, keyspace } = await world();
    const slow: Keyspace = {
      ...keyspace,
      call: async (request, options) => {
        const answer = await keyspace.call(request, options);
        if (request.kind === "leaseGrant") clock.stopFor(500);
        return answer;
      },
    };
    const session = await openSession(slow, clock, { ttlMs: 3_000 });
    assert.equal(session.remainingMs(), 2_700 - 500);
    await session.end();
    await keyspace.close();
  });

  test("[SES-3] without answers it aborts with LOST before the engine can end it (cut off)", async () => {
    const { clock, keyspace } = await world();
    let cut = false;
    const cuttable: Keyspace = {
      ...keyspace,
      call: (request, options) =>
        cut && request.kind === "leaseKeepAlive"
          ? new Promise<never>(() => {})
          : keyspace.call(request, options),
    };
    const session = await openSession(cuttable, clock, { ttlMs: 3_000 });
    cut = true;
    await clock.run(2_699);
    assert.equal(session.signal.aborted, false);
    await clock.run(2);
    assert.ok(QuorateError.is(session.signal.reason, "LOST"));
    assert.equal(session.signal.reason.outcome, "definite");
    assert.match(session.signal.reason.help, /sessionTtlMs \(3000\)/);
    assert.equal(session.remainingMs(), 0);
    assert.equal(await leases(keyspace), 1);
    await clock.run(2_000);
    assert.equal(await leases(keyspace), 0);
    await keyspace.close();
  });

  test("[SES-4] a process that was stopped past its time finds it lost at its first look, before any timer (stopped process)", async () => {
    const { clock, keyspace } = await world();
    const session = await openSession(keyspace, clock, { ttlMs: 3_000 });
    await clock.run(1_500);
    clock.stopFor(11_200);
    assert.equal(session.remainingMs(), 0);
    assert.ok(QuorateError.is(session.signal.reason, "LOST"));
    assert.match(
      session.signal.reason.message,
      /renewal stopped for 11\.7 s, the lease was 3\.0 s/,
    );
    await keyspace.close();
  });

  test("[SES-5] a lease that the engine no longer has ends it with EXPIRED (revoked)", async () => {
    const { clock, keyspace } = await world();
    const session = await openSession(keyspace, clock, { ttlMs: 3_000 });
    await keyspace.call({ kind: "leaseRevoke", id: session.lease });
    await clock.run(1_001);
    assert.ok(session.signal.aborted);
    assert.equal((session.signal.reason as QuorateError).code, "EXPIRED");
    await keyspace.close();
  });

  test("[SES-6] ending revokes the lease and aborts with SHUTDOWN (embedded engine)", async () => {
    const { clock, keyspace } = await world();
    const session = await openSession(keyspace, clock, { ttlMs: 3_000 });
    const ending = session.end();
    await settle();
    await ending;
    assert.ok(QuorateError.is(session.signal.reason, "SHUTDOWN"));
    assert.equal(await leases(keyspace), 0);
    await keyspace.close();
  });
});
