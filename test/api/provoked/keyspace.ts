/** Errors of requests that a keyspace refuses: limits, revisions, leases, quota; most of them from the command line. */
import { utf8 } from "../../../src/base/bytes.ts";
import type { ErrorCode } from "../../../src/base/errors.ts";
import type { Request } from "../../../src/contract/requests.ts";
import { procedure } from "../../../src/contract/procedure.ts";
import type { Row, Stage } from "./stage.ts";
import { printed, thrown } from "./stage.ts";

const key = utf8("a");
const value = utf8("1");
const put: Request = { kind: "put", key, value };

/** What a fresh keyspace in memory says to `requests`, the last of which it refuses. */
async function asked(stage: Stage, ...requests: readonly Request[]): ReturnType<typeof thrown> {
  const { keyspace } = (await stage.connect()).commitment;
  for (const request of requests.slice(0, -1)) await keyspace.call(request);
  return thrown(() => keyspace.call(requests.at(-1) as Request));
}

/** What `quorate` prints for `line` against a server that has `a`. */
async function typed(stage: Stage, line: string, input = ""): ReturnType<typeof printed> {
  const { url } = await stage.server();
  await (await stage.connect(url)).commitment.keyspace.call(put);
  return printed(stage.shell(url), line, input);
}

/** Writes more keys than one procedure may. */
const many = procedure<null, null>(
  "test/many@1",
  (tx) => {
    for (let at = 0; at <= 96; at++) tx.put(utf8(`many/${at}`), value);
    return null;
  },
  () => "many",
);

export const keyspaceErrors = {
  QUOTA: [
    {
      how: "a write would fill the store beyond --quota-bytes",
      outcome: "definite",
      object: /^keyspace$/,
      what: /^the quota of 65536 bytes is used up$/,
      remedy: /^Delete keys, compact, then take the alarm NOSPACE off; or raise --quota-bytes\.$/,
      exit: 3,
      provoke: async (stage) => {
        const { url } = await stage.server({ quotaBytes: 65_536 });
        return printed(stage.shell(url), "quorate put big -", "v".repeat(70_000));
      },
    },
  ],
  COMPACTED: [
    {
      how: "a revision is read that has been compacted",
      outcome: "definite",
      object: /^range$|^revision|^key a$/,
      what: /compacted/,
      remedy: /./,
      exit: 3,
      provoke: (stage) =>
        asked(
          stage,
          put,
          put,
          put,
          { kind: "compact", revision: 3 },
          { kind: "range", key, revision: 2 },
        ),
    },
    {
      how: "a watch begins at a revision that has been compacted",
      outcome: "definite",
      object: /^watch a$/,
      what: /have been compacted/,
      remedy: /watch from the revision after it\.$/,
      exit: 3,
      provoke: async (stage) => {
        const { keyspace } = (await stage.connect()).commitment;
        for (let at = 0; at < 3; at++) await keyspace.call(put);
        await keyspace.call({ kind: "compact", revision: 3 });
        return thrown(async () => {
          for await (const _ of keyspace.watch({ key, startRevision: 1 }));
        });
      },
    },
  ],
  FUTURE_REVISION: [
    {
      how: "a revision is read that has not happened",
      outcome: "definite",
      object: /./,
      what: /99/,
      remedy: /./,
      exit: 3,
      provoke: (stage) => typed(stage, "quorate get a --rev 99"),
    },
  ],
  TOO_LARGE: [
    {
      how: "a value is larger than a request may be",
      outcome: "definite",
      object: /^request$/,
      what: /^holds more than 1572864 bytes/,
      remedy: /keep a reference here/,
      exit: 3,
      provoke: (stage) => typed(stage, "quorate put big -", "v".repeat(1_600_000)),
    },
    {
      how: "a request is larger than a frame",
      outcome: "definite",
      object: /^put at quorate:\/\//,
      what: /^is longer than 4194304 bytes$/,
      remedy: /^Send less at once\.$/,
      exit: 3,
      provoke: (stage) => typed(stage, "quorate put big -", "v".repeat(4_500_000)),
    },
  ],
  TOO_MANY_OPERATIONS: [
    {
      how: "a transaction has more operations than one may",
      outcome: "definite",
      object: /^transaction$/,
      what: /more than 128 operations/,
      remedy: /^Split the transaction\.$/,
      exit: 3,
      provoke: (stage) => {
        const success = Array.from({ length: 129 }, () => ({ kind: "range" as const, key }));
        return asked(stage, { kind: "txn", compare: [], success, failure: [] });
      },
    },
    {
      how: "a procedure writes more keys than one may",
      outcome: "definite",
      object: /^procedure test\/many@1$/,
      what: /more than 96 writes/,
      remedy: /^Page the work/,
      exit: 3,
      provoke: async (stage) => {
        const { keyspace } = (await stage.connect()).commitment;
        return thrown(() => keyspace.run(many, null));
      },
    },
  ],
  DUPLICATE_KEY: [
    {
      how: "a transaction writes one key twice",
      outcome: "definite",
      object: /^key a$|^transaction$/,
      what: /./,
      remedy: /./,
      exit: 3,
      provoke: (stage) =>
        asked(stage, { kind: "txn", compare: [], success: [put, put], failure: [] }),
    },
  ],
  KEY_NOT_FOUND: [
    {
      how: "a write keeps the value of a key that does not exist",
      outcome: "definite",
      object: /^key a$/,
      remedy: /./,
      exit: 3,
      provoke: (stage) =>
        asked(stage, { kind: "put", key, value: utf8(""), ignoreValue: true, lease: 0n }),
    },
  ],
  LEASE_NOT_FOUND: [
    {
      how: "a key is tied to a lease that does not exist",
      outcome: "definite",
      object: /^lease 999$/,
      remedy: /./,
      exit: 3,
      provoke: (stage) => typed(stage, "quorate put a 1 --lease 999"),
    },
  ],
  LEASE_EXISTS: [
    {
      how: "a lease is granted by an id that is taken",
      outcome: "definite",
      object: /^lease 1000$/,
      what: /^is granted already$/,
      remedy: /revoke it first\.$/,
      exit: 3,
      provoke: async (stage) => {
        const shell = stage.shell((await stage.server()).url);
        await shell.run("quorate lease grant 60 --id 1000");
        return printed(shell, "quorate lease grant 60 --id 1000");
      },
    },
  ],
  LEASE_TTL: [
    {
      how: "a lease is to last longer than one may",
      outcome: "definite",
      object: /^lease 0$/,
      what: /too large/,
      remedy: /keep the lease alive\.$/,
      exit: 3,
      provoke: (stage) => typed(stage, "quorate lease grant 9000000001"),
    },
  ],
  SLOW_CONSUMER: [
    {
      how: "a watch is not read while history is compacted past it",
      outcome: "definite",
      object: /^watch a$/,
      what: /^changes from revision \d+ on have been compacted, the oldest is \d+$/,
      remedy: /watch from the revision after it\.$/,
      exit: 3,
      provoke: async (stage) => {
        const { keyspace } = (await stage.connect()).commitment;
        const watch = keyspace.watch({ key });
        await watch.ready;
        let revision = 0;
        for (let at = 0; at < 100; at++)
          ({ revision } = await keyspace.call({ kind: "put", key, value }));
        await keyspace.call({ kind: "compact", revision });
        await keyspace.call(put);
        return thrown(async () => {
          for await (const _ of watch);
        });
      },
    },
  ],
} satisfies Partial<Record<ErrorCode, readonly Row[]>>;
