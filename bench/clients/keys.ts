/**
 * Work on a large keyspace, one kind per run; what follows the colon is a count of keys. Load: `fill` writes the
 * keys once (`fill:N:M` writes M keys over and over, N times in all), `spread` puts to them in a scattered order. Long work: `hash`, `count`, `pages` (all keys at a past
 * revision), `watch` (all changes since the oldest revision that can be watched), `compact`, `attach` and `revoke` (a lease with so many
 * keys), `delete` (all keys, in pages).
 */
import type { Bytes } from "../../src/base/bytes.ts";
import { after } from "../../src/base/bytes.ts";
import type { Keyspace } from "../../src/contract/keyspace.ts";
import type { KeyValue, RangeResponse } from "../../src/contract/requests.ts";
import { connect } from "../../src/sdk/index.ts";
import { END, keyOf, PREFIX, SMALL_VALUE } from "../large-keyspace.ts";
import { closedLoop, jobOfArguments } from "./closed-loop.ts";

/** Keys of one transaction of the filling. */
const FILL_PAGE = 64;
/** Transactions of the filling in flight. */
const FILLERS = 16;
/** Keys of one range, and of one deletion: what a transaction may change at most. */
const PAGE = 10_000;
/** Odd and far from any power of two: visits every key before it repeats where the count is a power of ten. */
const STRIDE = 617_441;
const LEASE = 0x6b657973n;
/** The longest work takes seconds. */
const PATIENT = { timeoutMs: 120_000 };

const job = jobOfArguments();
const [work = "", count = "", distinct = count] = job.work.split(":");
const keys = Number(count);

type Put = { readonly kind: "put"; readonly key: Bytes; readonly value: Bytes };

function put(number: number): Put {
  return { kind: "put", key: keyOf(number), value: SMALL_VALUE };
}

async function fill(keyspace: Keyspace, of: (number: number) => Put): Promise<number> {
  let next = 0;
  const filler = async (): Promise<void> => {
    while (next < keys) {
      const from = next;
      next = Math.min(keys, from + FILL_PAGE);
      const success = Array.from({ length: next - from }, (_, at) => of(from + at));
      await keyspace.call({ kind: "txn", compare: [], success, failure: [] });
    }
  };
  await Promise.all(Array.from({ length: FILLERS }, filler));
  return keys;
}

/** Every key at the revision before the newest, in pages. */
async function pages(keyspace: Keyspace): Promise<number> {
  const { revision } = await keyspace.call({ kind: "status" });
  let seen = 0;
  for (let key: Bytes | undefined = PREFIX; key !== undefined;) {
    const { kvs, more }: RangeResponse = await keyspace.call({
      ...{ kind: "range", key, end: END, limit: PAGE },
      ...{ keysOnly: true, revision: revision - 1 },
    });
    seen += kvs.length;
    key = more ? after((kvs.at(-1) as KeyValue).key) : undefined;
  }
  return seen;
}

async function watchAll(keyspace: Keyspace): Promise<number> {
  const { compactRevision } = await keyspace.call({ kind: "status" });
  const startRevision = compactRevision + 1;
  // The last change to wait for: other clients' keys are not in the range.
  const { revision } = await keyspace.call(put(0));
  let seen = 0;
  for await (const batch of keyspace.watch({ key: PREFIX, end: END, startRevision })) {
    seen += batch.events.length;
    if (batch.revision >= revision) break;
  }
  return seen;
}

async function attach(keyspace: Keyspace): Promise<number> {
  await keyspace.call({ kind: "leaseGrant", id: LEASE, ttlMs: 600_000 });
  return fill(keyspace, (number) => ({ ...put(number), lease: LEASE }));
}

async function deleteAll(keyspace: Keyspace): Promise<number> {
  let deleted = 0;
  for (let from = 0; from < keys; from += PAGE) {
    const request = { kind: "deleteRange", key: keyOf(from), end: keyOf(from + PAGE) } as const;
    deleted += (await keyspace.call(request)).deleted;
  }
  return deleted;
}

async function compact(keyspace: Keyspace): Promise<number> {
  const { revision } = await keyspace.call({ kind: "status" });
  await keyspace.call({ kind: "compact", revision, physical: true }, PATIENT);
  return 1;
}

const WORKS: Readonly<Record<string, (keyspace: Keyspace) => Promise<number>>> = {
  fill: (keyspace) => fill(keyspace, (number) => put(number % Number(distinct))),
  hash: async (keyspace) => {
    await keyspace.call({ kind: "hash" }, PATIENT);
    return 1;
  },
  count: async (keyspace) => {
    const request = { kind: "range", key: PREFIX, end: END, countOnly: true } as const;
    return (await keyspace.call(request, PATIENT)).count;
  },
  pages,
  watch: watchAll,
  compact,
  attach,
  revoke: async (keyspace) => {
    await keyspace.call({ kind: "leaseRevoke", id: LEASE }, PATIENT);
    return keys;
  },
  delete: deleteAll,
};

const q = await connect(`quorate://${job.host}:${job.port}`, { service: "bench" });
const { keyspace } = q.commitment;
// A watch that waits does not keep a process alive.
const alive = setInterval(() => {}, 1_000);
if (work === "spread") {
  let at = 0;
  await closedLoop(job, () => {
    at = (at + STRIDE) % keys;
    return keyspace.call(put(at));
  });
} else {
  const started = performance.now();
  const operations = (await WORKS[work]?.(keyspace)) ?? 0;
  const tookMs = performance.now() - started;
  const perSecond = operations / (tookMs / 1_000);
  console.log(JSON.stringify({ operations, perSecond, p50Ms: null, p99Ms: null, tookMs }));
}
clearInterval(alive);
await q.close();
