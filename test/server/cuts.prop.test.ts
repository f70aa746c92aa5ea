/** Remote engines over connections that are cut anywhere: exactly once, without gap or repeat. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../../src/base/bytes.ts";
import type { Bytes } from "../../src/base/bytes.ts";
import { prng } from "../../src/base/prng.ts";
import type { Keyspace } from "../../src/contract/keyspace.ts";
import { procedureSet } from "../../src/contract/procedure.ts";
import { openDriver } from "../../src/driver/driver.ts";
import { openRemote, REMOTE_GUARANTEE } from "../../src/engines/remote/remote.ts";
import { hostClock } from "../../src/host/clock.ts";
import { hostEntropy } from "../../src/host/entropy.ts";
import type { Clock } from "../../src/ports/clock.ts";
import { cutNetwork } from "./cut-network.ts";

const SEEDS = Number(process.env["QUORATE_CUT_SEEDS"] ?? 100);
const CLIENTS = 2;
const WRITERS = 3;
const PUTS = 20;

/** Backoff passes quickly; limits that only a fault reaches stay. */
const quick: Clock = {
  ...hostClock,
  after: (delayMs, fire, options) =>
    hostClock.after(delayMs >= 1_000 ? delayMs : delayMs / 50, fire, options),
};

interface Outcome {
  readonly cuts: number;
}

async function run(seed: number): Promise<Outcome> {
  const random = prng(seed);
  const driver = await openDriver({
    disk: undefined,
    clock: hostClock,
    entropy: hostEntropy,
    procedures: procedureSet([]),
    label: "memory:",
  });
  let dials = 0;
  // Enough for a greeting more often than not, seldom for all that is to be done.
  const network = cutNetwork(driver, () => {
    dials++;
    return dials > 200 ? Infinity : 20 + random.below(random.below(4) === 0 ? 150 : 2_500);
  });
  const open = async (): Promise<Keyspace> => {
    for (;;) {
      try {
        return await openRemote({
          addresses: [{ kind: "tcp", host: "here", port: 1 }],
          network,
          clock: quick,
          entropy: hostEntropy,
          label: "cut",
          guarantee: REMOTE_GUARANTEE,
          program: "test",
        });
      } catch {
        // Cut before the greeting: as often as it takes.
      }
    }
  };
  const keyspaces = await Promise.all(Array.from({ length: CLIENTS }, open));
  const total = CLIENTS * WRITERS * PUTS;
  const watching = watched(keyspaces[0] as Keyspace, 2 * total);
  const writers = keyspaces.flatMap((keyspace, client) =>
    Array.from({ length: WRITERS }, (_, writer) => write(keyspace, `${client}-${writer}`)),
  );
  await Promise.all(writers);
  const seen = await watching;
  for (let client = 0; client < CLIENTS; client++) {
    for (let writer = 0; writer < WRITERS; writer++) {
      const key = `w/${client}-${writer}`;
      const { response } = await new Promise<{
        readonly response: { readonly kvs: readonly { readonly version: number }[] };
      }>((resolve) =>
        driver.submit({ kind: "range", key: utf8(key) }, undefined, (reply) =>
          resolve(reply as never),
        ),
      );
      assert.equal(response.kvs[0]?.version, PUTS, `seed ${seed}: ${key} happened once a call`);
      for (const each of [key, `${key}/twin`]) {
        const values = seen.filter(([name]) => name === each).map(([, value]) => value);
        const expected = Array.from({ length: PUTS }, (_, at) => String(at));
        assert.deepEqual(values, expected, `seed ${seed}: the watch on ${each}`);
      }
    }
  }
  for (const keyspace of keyspaces) await keyspace.close();
  await driver.close();
  return { cuts: dials - CLIENTS };
}

/** Each step writes two keys in one revision, so that a watch with fragments can be cut within it. */
async function write(keyspace: Keyspace, name: string): Promise<void> {
  for (let at = 0; at < PUTS; at++) {
    const put = (key: string) =>
      ({ kind: "put", key: utf8(key), value: utf8(String(at)) }) as const;
    const success = [put(`w/${name}`), put(`w/${name}/twin`)];
    const request = { kind: "txn" as const, compare: [], success, failure: [] };
    await keyspace.call(request, { timeoutMs: 60_000 });
  }
}

async function watched(
  keyspace: Keyspace,
  count: number,
): Promise<readonly (readonly [string, string])[]> {
  const seen: [string, string][] = [];
  const range = { key: utf8("w/"), end: "w0" as Bytes };
  for await (const batch of keyspace.watch({ ...range, startRevision: 1, fragment: true })) {
    for (const { kv } of batch.events) seen.push([kv.key, kv.value]);
    if (seen.length >= count) break;
  }
  return seen;
}

test(
  `[REM-1] [REM-2] over connections cut anywhere, each command happens once and a watch has no gap and no repeat (${SEEDS} seeds)`,
  { timeout: 480_000 },
  async (t) => {
    const first = Number(process.env["QUORATE_SEED"] ?? Date.now() % 1_000_000);
    let cuts = 0;
    // A watch that is being opened again does not keep the process alive.
    const alive = setInterval(() => {}, 1_000);
    t.after(() => clearInterval(alive));
    for (let seed = first; seed < first + SEEDS; seed++) {
      try {
        cuts += (await run(seed)).cuts;
      } catch (error) {
        throw new Error(`QUORATE_SEED=${seed} QUORATE_CUT_SEEDS=1`, { cause: error });
      }
    }
    console.log(`${SEEDS} seeds from ${first}, ${cuts} connections cut`);
    assert.ok(cuts >= 3 * SEEDS, `${cuts} cuts are too few to mean anything`);
  },
);
