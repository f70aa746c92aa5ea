/** Errors of what is held: how it ends, and why it cannot be had. */
import { utf8 } from "../../../src/base/bytes.ts";
import type { ErrorCode } from "../../../src/base/errors.ts";
import type { Guarantee } from "../../../src/contract/guarantee.ts";
import type { Engine, Quorate } from "../../../src/sdk/index.ts";
import type { Row, Stage } from "./stage.ts";
import { met, printed, thrown } from "./stage.ts";

async function aborted(signal: AbortSignal): Promise<unknown> {
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
  return signal.reason;
}

/** An engine that gives less than its own. */
async function weaker(stage: Stage, given: Partial<Guarantee>): Promise<Engine> {
  const { keyspace } = (await stage.connect()).commitment;
  const weak = { ...keyspace, label: "weak:", guarantee: { ...keyspace.guarantee, ...given } };
  return { label: "weak:", foreign: false, open: () => Promise.resolve(weak) };
}

async function revokeSession(q: Quorate): Promise<void> {
  const { lease } = await q.commitment.session();
  await q.commitment.keyspace.call({ kind: "leaseRevoke", id: lease });
}

export const heldErrors = {
  GUARANTEE: [
    {
      how: "more is asked for than the engine gives",
      outcome: "definite",
      object: /^memory:$/,
      what: /^durability is process, majority is asked for$/,
      remedy: /ask for less\.$/,
      exit: 3,
      provoke: (stage) =>
        thrown(() => stage.connect("memory:", { atLeast: { durability: "majority" } })),
    },
    {
      how: "a lock is made on an engine that is too weak for it",
      outcome: "definite",
      object: /^lock a$/,
      what: /^weak: gives best-effort, it needs linearizable$/,
      remedy: /accept: "best-effort" .* guard the resource with the token\.$/,
      exit: 3,
      provoke: async (stage) => {
        const q = await stage.connect(await weaker(stage, { consistency: "best-effort" }));
        return thrown(() => q.lock("a"));
      },
    },
  ],
  LOST: [
    {
      how: "the server falls silent for longer than the session lasts",
      outcome: "definite",
      object: /^lock a$/,
      what: /^renewal stopped for \d+\.\d s, the lease was 1\.0 s; its token was \d+$/,
      remedy: /raise sessionTtlMs \(1000\)\.$/,
      exit: 5,
      provoke: async (stage) => {
        const proxy = await stage.proxy();
        const q = await stage.connect(proxy.url, { sessionTtlMs: 1_000 });
        const held = await q.lock("a").acquire();
        proxy.stall();
        return met(await aborted(held.signal));
      },
    },
  ],
  EXPIRED: [
    {
      how: "the session's lease is revoked",
      outcome: "definite",
      object: /^lock a$/,
      what: /expired or was revoked; its token was \d+$/,
      remedy: /^Acquire again; what was guarded by the token is refused\.$/,
      exit: 5,
      provoke: async (stage) => {
        const q = await stage.connect("memory:", { sessionTtlMs: 3_000 });
        const held = await q.lock("a").acquire();
        await revokeSession(q);
        return met(await aborted(held.signal));
      },
    },
    {
      how: "a lease is extended that has ended",
      outcome: "definite",
      object: /^lock a$/,
      what: /^has ended$/,
      remedy: /^Acquire again/,
      exit: 5,
      provoke: async (stage) => {
        const q = await stage.connect();
        return thrown(() => q.lock("a").extendLease("feed", 1_000));
      },
    },
    {
      how: "the lock of a command that runs is revoked",
      outcome: "definite",
      object: /^lock a$/,
      remedy: /^Acquire again/,
      exit: 5,
      provoke: async (stage) => {
        const { url } = await stage.server();
        const { keyspace } = (await stage.connect(url)).commitment;
        const met = printed(
          stage.shell(url),
          "quorate lock a --ttl-ms 3000 -- sh -c 'exec sleep 60'",
        );
        for (;;) {
          const { ids } = await keyspace.call({ kind: "leases" });
          const held = await keyspace.call({
            kind: "range",
            key: utf8("lock/a/"),
            end: utf8("lock/a0"),
          });
          if (held.count === 0) continue;
          for (const id of ids) await keyspace.call({ kind: "leaseRevoke", id });
          return await met;
        }
      },
    },
  ],
  DEADLOCK: [
    {
      how: "two wait for what the other holds and keeps",
      outcome: "definite",
      object: /^lock b$/,
      what: /^waiting would never end: it waits for lock b of .* \(token \d+\), which waits for lock a of .*, which waits for this$/,
      remedy: /^Release what is held and begin again/,
      holder: /^provoked@.* \(pid \d+\)$/,
      exit: 3,
      provoke: async (stage) => {
        const q = await stage.connect();
        const a = await q.lock("a").acquire();
        const b = await q.lock("b").acquire();
        const waiting = q.lock("a").acquire({ within: b });
        waiting.catch(() => {});
        while ((await q.lock("a").explain()).waiters.length === 0);
        return thrown(() => q.lock("b").acquire({ within: a }));
      },
    },
  ],
  REVOKED: [
    {
      how: "the owner of a revocable lock is asked to let go",
      outcome: "definite",
      object: /^lock a$/,
      what: /^was asked back by provoked@.*: deploy$/,
      remedy: /^Finish and release it; until then it is still owned\.$/,
      exit: 3,
      provoke: async (stage) => {
        const q = await stage.connect();
        const held = await q.lock("a").acquire({ revocable: true });
        await q.lock("a").revoke({ reason: "deploy" });
        return met(await aborted(held.signal));
      },
    },
  ],
  CANCELLED: [
    {
      how: "what was released is used",
      outcome: "definite",
      object: /^election e$/,
      what: /^was released$/,
      remedy: /^Acquire it again to go on\.$/,
      exit: 3,
      provoke: async (stage) => {
        const leadership = await (await stage.connect()).election("e").campaign();
        await leadership.resign();
        return thrown(() => leadership.proclaim("x"));
      },
    },
  ],
  LAYOUT: [
    {
      how: "a lease is extended whose record a later version has written",
      outcome: "definite",
      object: /^lock a$/,
      what: /layout that this version does not know$/,
      remedy: /the version that wrote it, or a newer one\.$/,
      exit: 3,
      provoke: async (stage) => {
        const q = await stage.connect();
        const value = utf8(JSON.stringify({ layout: 2, expiresAt: 1e15 }));
        await q.commitment.keyspace.call({ kind: "put", key: utf8("lock/a/feed"), value });
        return thrown(() => q.lock("a").extendLease("feed", 1_000));
      },
    },
  ],
} satisfies Partial<Record<ErrorCode, readonly Row[]>>;
