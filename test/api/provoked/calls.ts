/** Errors of calls: given up, refused by the engine's own state, or never sent. */
import { EMPTY, utf8 } from "../../../src/base/bytes.ts";
import type { ErrorCode } from "../../../src/base/errors.ts";
import { procedure } from "../../../src/contract/procedure.ts";
import type { Request, RunRequest } from "../../../src/contract/requests.ts";
import { guard } from "../../../src/sdk/selection.ts";
import type { Row } from "./stage.ts";
import { met, printed, refused, thrown } from "./stage.ts";

const MIB = 1 << 20;
const key = utf8("a");
const value = utf8("1");
const put: Request = { kind: "put", key, value };

/** Gives up on a procedure whose key somebody else changes at each attempt. */
const disturbed = (disturb: () => void) =>
  procedure<null, number>(
    "test/disturbed@1",
    (tx) => {
      const version = tx.get(key)?.version ?? 0;
      disturb();
      tx.put(key, utf8(String(version)));
      return version;
    },
    () => "disturbed",
  );

export const calls = {
  ABORTED: [
    {
      how: "the signal aborts while a lock is waited for",
      outcome: "definite",
      object: /^lock held$/,
      what: /^was aborted while it waited, and has left the queue$/,
      remedy: /^Nothing is held\.$/,
      exit: 3,
      provoke: async (stage) => {
        const q = await stage.connect();
        await q.lock("held").acquire();
        const given = new AbortController();
        const waiting = q.lock("held").acquire({ signal: given.signal });
        while ((await q.lock("held").explain()).waiters.length === 0);
        given.abort();
        return thrown(() => waiting);
      },
    },
    {
      how: "the signal aborts after a write was sent to a server that does not answer",
      outcome: "indefinite",
      object: /^put at quorate:\/\/127\.0\.0\.1:\d+$/,
      what: /^was aborted after it was sent$/,
      remedy: /^Read the state before repeating it\.$/,
      exit: 4,
      provoke: async (stage) => {
        const proxy = await stage.proxy();
        const { keyspace } = (await stage.connect(proxy.url)).commitment;
        proxy.stall();
        return thrown(() => keyspace.call(put, { signal: AbortSignal.timeout(20) }));
      },
    },
    {
      how: "the signal aborts while a connection is being made",
      outcome: "definite",
      object: /^quorate:\/\/127\.0\.0\.1:\d+$/,
      what: /^connecting was aborted$/,
      remedy: /^Nothing was begun\.$/,
      exit: 3,
      provoke: async (stage) => {
        const proxy = await stage.proxy();
        proxy.stall();
        return thrown(() => stage.connect(proxy.url, { signal: AbortSignal.timeout(20) }));
      },
    },
  ],
  TIMEOUT: [
    {
      how: "the server does not answer an acquire within timeoutMs",
      outcome: "indefinite",
      object: /^lock a$/,
      what: /^had no answer within 30 ms$/,
      remedy: /raise timeoutMs/,
      exit: 4,
      provoke: async (stage) => {
        const proxy = await stage.proxy();
        const q = await stage.connect(proxy.url);
        await q.commitment.session();
        proxy.stall();
        return thrown(() => q.lock("a").tryAcquire({ timeoutMs: 30 }));
      },
    },
    {
      how: "the server does not even open the session within timeoutMs",
      outcome: "definite",
      object: /^lock a$/,
      what: /^no session was opened within 30 ms$/,
      remedy: /^Nothing is held/,
      exit: 3,
      provoke: async (stage) => {
        const proxy = await stage.proxy();
        const q = await stage.connect(proxy.url);
        proxy.stall();
        return thrown(() => q.lock("a").acquire({ timeoutMs: 30 }));
      },
    },
    {
      how: "a command's server does not greet within --timeout-ms",
      outcome: "definite",
      object: /^quorate:\/\/127\.0\.0\.1:\d+$/,
      what: /300 ms/,
      remedy: /--timeout-ms/,
      exit: 3,
      provoke: async (stage) => {
        const proxy = await stage.proxy();
        proxy.stall();
        return printed(stage.shell(proxy.url), "quorate put a 1 --timeout-ms 300");
      },
    },
  ],
  UNAVAILABLE: [
    {
      how: "nothing listens at the url",
      outcome: "definite",
      object: /^server 127\.0\.0\.1:1$/,
      what: /ECONNREFUSED/,
      remedy: /^Check that a Quorate server listens there\.$/,
      exit: 3,
      provoke: (stage) => printed(stage.shell(), "quorate get a"),
    },
  ],
  CLOSED: [
    {
      how: "a noun is used after its connection was closed",
      outcome: "definite",
      object: /^memory:$/,
      remedy: /^Connect again, or close it later\.$/,
      exit: 3,
      provoke: async (stage) => {
        const q = await stage.connect();
        await q.close();
        return thrown(() => q.lock("a").tryAcquire());
      },
    },
  ],
  INVALID: [
    {
      how: "a noun has no name",
      outcome: "definite",
      object: /^lock$/,
      remedy: /orders\/42/,
      exit: 2,
      provoke: async (stage) => {
        const q = await stage.connect();
        return thrown(() => q.lock(""));
      },
    },
    {
      how: "a call is given no time",
      outcome: "definite",
      object: /^range at memory:$/,
      remedy: /above 0/,
      exit: 2,
      provoke: async (stage) => {
        const { keyspace } = (await stage.connect()).commitment;
        return thrown(() => keyspace.call({ kind: "range", key: utf8("k") }, { timeoutMs: 0 }));
      },
    },
    {
      how: "a flag is misspelt",
      outcome: "definite",
      object: /^command line$/,
      what: /unknown option '--limt'/,
      remedy: /Did you mean --limit\?/,
      exit: 2,
      provoke: (stage) => printed(stage.shell(), "quorate get a --limt 3"),
    },
  ],
  STALE_TOKEN: [
    {
      how: "a resource has seen a higher token",
      outcome: "definite",
      object: /^report\.csv$/,
      remedy: /Acquire again/,
      holder: /^new$/,
      exit: 3,
      provoke: () => {
        const resource = guard("report.csv");
        resource.admit(7, "new");
        return thrown(() => resource.admit(6, "old"));
      },
    },
  ],
  CONTENTION: [
    {
      how: "an optimistic transaction finds its key changed at each attempt",
      outcome: "definite",
      object: /^procedure test\/disturbed@1 at memory:$/,
      remedy: /^Try again later/,
      exit: 3,
      provoke: async (stage) => {
        const { keyspace } = (await stage.connect()).commitment;
        const disturb = (): void => void keyspace.call(put);
        return thrown(() => keyspace.run(disturbed(disturb), null));
      },
    },
  ],
  OVERLOADED: [
    {
      how: "more is written at once than may wait for the log",
      outcome: "definite",
      object: /^log$/,
      what: /bytes of changes wait for the disk$/,
      remedy: /^Send less at a time/,
      exit: 3,
      provoke: async (stage) => {
        const { keyspace } = (await stage.connect()).commitment;
        const big = utf8("v".repeat(MIB));
        const all = Array.from({ length: 12 }, (_, at) =>
          keyspace.call({ kind: "put", key: utf8(`big/${at}`), value: big }),
        );
        return thrown(() => Promise.all(all));
      },
    },
    {
      how: "more calls wait for a server that does not answer than a connection carries",
      outcome: "definite",
      object: /^quorate:\/\//,
      what: /^has 163\d\d requests without an answer/,
      remedy: /^Await answers before sending more\.$/,
      exit: 3,
      provoke: async (stage) => {
        const proxy = await stage.proxy();
        const q = await stage.connect(proxy.url);
        const { keyspace } = q.commitment;
        proxy.stall();
        const calling: Promise<unknown>[] = [];
        for (let at = 0; at < 16_384; at++) calling.push(keyspace.call({ kind: "range", key }));
        const settled = Promise.allSettled(calling);
        const refused = await thrown(() => keyspace.call({ kind: "range", key }));
        await q.close();
        await settled;
        return refused;
      },
    },
  ],
  PROCEDURE_UNKNOWN: [
    {
      how: "a server is asked for a procedure that it does not have",
      outcome: "definite",
      object: /^procedure room\/thing\/verb@9$/,
      remedy: /^Upgrade the server/,
      exit: 3,
      provoke: async (stage) => {
        const { keyspace } = (await stage.connect((await stage.server()).url)).commitment;
        const request: RunRequest = { kind: "run", procedure: "room/thing/verb@9", args: EMPTY };
        return thrown(() => keyspace.call(request));
      },
    },
  ],
  CALLER_UNKNOWN: [
    {
      how: "the server that comes back has forgotten who sent the write that may have happened",
      outcome: "indefinite",
      object: /^caller [0-9a-f]+$/,
      what: /whether command 2 has happened cannot be told$/,
      remedy: /^Read the state, then decide/,
      exit: 4,
      provoke: async (stage) => {
        const proxy = await stage.proxy();
        const { keyspace } = (await stage.connect(proxy.url)).commitment;
        await keyspace.call(put);
        proxy.stall();
        const writing = thrown(() => keyspace.call(put));
        await new Promise((resolve) => setImmediate(resolve));
        proxy.cutOver((await stage.server()).url);
        return writing;
      },
    },
  ],
  SHUTDOWN: [
    {
      how: "something is held when its connection is closed",
      outcome: "definite",
      object: /^lock a$/,
      remedy: /^Connect again/,
      exit: 3,
      provoke: async (stage) => {
        const q = await stage.connect();
        const held = await q.lock("a").acquire();
        await q.close();
        return met(held.signal.reason);
      },
    },
    {
      how: "a server is asked while it shuts down",
      outcome: "definite",
      object: /^memory server$/,
      remedy: /^Connect to another one/,
      exit: 3,
      provoke: async (stage) => {
        const { driver } = await stage.server();
        void driver.close();
        return refused(await new Promise((done) => driver.submit(put, undefined, done)));
      },
    },
  ],
} satisfies Partial<Record<ErrorCode, readonly Row[]>>;
