/** What the cases of the Keyspace contract share: one engine, and for each a corner of the keyspace of its own. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Bytes } from "../../../src/base/bytes.ts";
import { utf8 } from "../../../src/base/bytes.ts";
import type { ErrorCode, Outcome } from "../../../src/base/errors.ts";
import { QuorateError } from "../../../src/base/errors.ts";
import type { Keyspace, WatchEvent, WatchRequest } from "../../../src/contract/keyspace.ts";
import type { RangeRequest } from "../../../src/contract/requests.ts";
import { prefixEnd } from "../../../src/mechanisms/selection/contention/layout.ts";
import type { Arm, OpenArm } from "../arms.ts";

/** Expects `promise` to fail with `code` and `outcome`, an object and a remedy. */
export async function failsWith(
  promise: Promise<unknown>,
  code: ErrorCode,
  outcome: Outcome = "definite",
): Promise<QuorateError> {
  const error: unknown = await promise.then(
    () => assert.fail(`it succeeded, ${code} was expected`),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof QuorateError, String(error));
  assert.deepEqual([error.code, error.outcome], [code, outcome], error.message);
  assert.notEqual(error.failure.object, "");
  assert.notEqual(error.failure.remedy, "");
  return error;
}

/** A corner of the keyspace that no other case uses. */
export class Corner {
  readonly keyspace: Keyspace;
  readonly prefix: Bytes;
  constructor(keyspace: Keyspace, name: string) {
    this.keyspace = keyspace;
    this.prefix = utf8(`conformance/${name}/`);
  }
  key(name: string): Bytes {
    return (this.prefix + utf8(name)) as Bytes;
  }
  get all(): { readonly key: Bytes; readonly end: Bytes } {
    return { key: this.prefix, end: prefixEnd(this.prefix) };
  }
  put(name: string, value: string, lease?: bigint): Promise<{ readonly revision: number }> {
    return this.keyspace.call({ kind: "put", key: this.key(name), value: utf8(value), lease });
  }
  delete(name: string): Promise<{ readonly revision: number; readonly deleted: number }> {
    return this.keyspace.call({ kind: "deleteRange", key: this.key(name) });
  }
  /** Names and values in the order of the answer. */
  async list(options: Partial<RangeRequest> = {}): Promise<readonly string[]> {
    const { kvs } = await this.keyspace.call({ kind: "range", ...this.all, ...options });
    return kvs.map((kv) => `${kv.key.slice(this.prefix.length)}=${kv.value}`);
  }
}

/** The first `count` events of a watch, as `put a=1` and `delete a`. */
export async function events(
  corner: Corner,
  request: Partial<WatchRequest>,
  count: number,
): Promise<readonly string[]> {
  const seen: string[] = [];
  for await (const batch of corner.keyspace.watch({ ...corner.all, ...request })) {
    seen.push(...batch.events.map((event) => shown(corner, event)));
    if (seen.length >= count) break;
  }
  return seen;
}

export function shown(corner: Corner, { kind, kv }: WatchEvent): string {
  const name = kv.key.slice(corner.prefix.length);
  return kind === "put" ? `put ${name}=${kv.value}` : `delete ${name}`;
}

/** What a case is given: the engine, and a corner of it. */
interface Given {
  readonly keyspace: Keyspace;
  readonly c: Corner;
}

export type Case = (title: string, body: (given: Given) => Promise<void>) => void;

/** A suite whose cases share one engine. */
export function overKeyspace(arm: Arm, suite: (test: Case) => void): void {
  describe(`keyspace over ${arm.name}`, { timeout: 240_000, skip: arm.skip ?? false }, () => {
    let open: OpenArm;
    let keyspace: Keyspace;
    let cornered = 0;
    // A watch does not keep the process alive.
    let alive: NodeJS.Timeout;
    before(async () => {
      alive = setInterval(() => {}, 1_000);
      open = await arm.open();
      keyspace = (await open.client("ann")).commitment.keyspace;
    });
    after(async () => {
      await open.close();
      clearInterval(alive);
    });
    const given = (): Given => ({ keyspace, c: new Corner(keyspace, `k${cornered++}`) });
    suite((title, body) => void test(title, () => body(given())));
  });
}
