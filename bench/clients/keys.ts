/** Load on a large keyspace: `fill:N` writes keys 0 to N−1 once, `spread:N` puts to them in a scattered order. */
import type { Bytes } from "../../src/base/bytes.ts";
import { connect } from "../../src/sdk/index.ts";
import { closedLoop, jobOfArguments } from "./closed-loop.ts";
import { keyOf, SMALL_VALUE } from "../large-keyspace.ts";

/** Keys of one transaction of the filling. */
const PAGE = 64;
/** Odd and far from any power of two: visits every key before it repeats where the count is a power of ten. */
const STRIDE = 617_441;

const job = jobOfArguments();
const q = await connect(`quorate://${job.host}:${job.port}`, { service: "bench" });
const { keyspace } = q.commitment;
const [work = "", count = ""] = job.work.split(":");
const keys = Number(count);

function put(number: number): { readonly kind: "put"; readonly key: Bytes; readonly value: Bytes } {
  return { kind: "put", key: keyOf(number), value: SMALL_VALUE };
}

if (work === "fill") {
  let next = 0;
  const started = performance.now();
  const worker = async (): Promise<void> => {
    while (next < keys) {
      const from = next;
      next = Math.min(keys, from + PAGE);
      const success = Array.from({ length: next - from }, (_, at) => put(from + at));
      await keyspace.call({ kind: "txn", compare: [], success, failure: [] });
    }
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  const perSecond = keys / ((performance.now() - started) / 1_000);
  console.log(JSON.stringify({ operations: keys, perSecond, p50Ms: null, p99Ms: null }));
} else {
  let at = 0;
  await closedLoop(job, () => {
    at = (at + STRIDE) % keys;
    return keyspace.call(put(at));
  });
}
await q.close();
