/** Puts one key after another, so many at once, as fast as they are taken: full load, of which nothing is recorded. */
import { utf8 } from "../../src/base/bytes.ts";
import { connect } from "../../src/sdk/index.ts";

const IN_FLIGHT = 128;
/** They are written again and again: a store that only grew would be another test. */
const KEYS = 10_000;

/** Presses until `over` aborts; resolves with the number of puts. */
export async function press(url: string, over: AbortSignal): Promise<number> {
  await using q = await connect(url, { service: "press" });
  let count = 0;
  const value = utf8("v".repeat(64));
  const loop = async (): Promise<void> => {
    while (!over.aborted) {
      const key = utf8(`press/${++count % KEYS}`);
      await q.commitment.keyspace.call({ kind: "put", key, value });
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, loop));
  return count;
}
