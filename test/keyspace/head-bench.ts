/** A head over a base without a replica: the test seals, applies and rolls back itself. */
import assert from "node:assert/strict";
import type { Bytes } from "../../src/base/bytes.ts";
import type { ErrorCode } from "../../src/base/errors.ts";
import { argsText, dataOf } from "../../src/contract/json-data.ts";
import type { Procedure, Tx } from "../../src/contract/procedure.ts";
import { procedure, procedureSet } from "../../src/contract/procedure.ts";
import type {
  CallerStamp,
  Command,
  PutRequest,
  Reply,
  ResponseOf,
  RunRequest,
} from "../../src/contract/requests.ts";
import { Base } from "../../src/keyspace/base.ts";
import type { HeadOptions } from "../../src/keyspace/head.ts";
import { Head } from "../../src/keyspace/head.ts";

/** Text as bytes. */
export const b = (text: string): Bytes => text as Bytes;

/** A base with its head and what the replica would do between them. */
export class Bench {
  readonly base = new Base();
  readonly head: Head;
  index = 0;
  time = 1_000;

  constructor(
    options: Partial<HeadOptions> = {},
    procedures: readonly Procedure<never, unknown>[] = [],
  ) {
    let lease = 100n;
    this.head = new Head(this.base, {
      procedures: procedureSet(procedures),
      quotaBytes: 1 << 30,
      minLeaseTtlMs: 1_000,
      leaseId: () => lease++,
      ...options,
    });
  }
  send(command: Command, caller?: CallerStamp): Reply {
    return this.head.evaluate(command, caller, this.time).reply;
  }
  ok<C extends Command>(command: C, caller?: CallerStamp): ResponseOf[C["kind"]] {
    const reply = this.send(command, caller);
    assert.ok(reply.ok, reply.ok ? "" : reply.failure.what);
    return reply.response as ResponseOf[C["kind"]];
  }
  /** What the procedure gave back. */
  result(command: RunRequest): unknown {
    return dataOf(this.ok(command).result);
  }
  refused(command: Command, code: ErrorCode, caller?: CallerStamp): void {
    const reply = this.send(command, caller);
    assert.ok(!reply.ok, "should have been refused");
    assert.equal(reply.failure.code, code, reply.failure.what);
  }
  commit(): void {
    const transactions = this.head.seal(++this.index);
    this.base.apply({ index: this.index, term: 1, time: this.time, transactions }, this.time);
    this.head.committed(this.index);
  }
  read(key: string): string | undefined {
    return this.base.get(b(key))?.value;
  }
}

export const put = (key: string, value: string, lease = 0n): PutRequest => ({
  kind: "put",
  key: b(key),
  value: b(value),
  lease,
});
export const run = (name: string, args: unknown = null, prefix?: string): RunRequest => ({
  kind: "run",
  procedure: name,
  args: argsText(args, name),
  prefix: prefix === undefined ? undefined : b(prefix),
});
export const stamp = (sequence: number, firstUnacked = 1, id = 7n): CallerStamp => ({
  id,
  sequence,
  firstUnacked,
});
export const proc = (
  name: string,
  body: (tx: Tx, args: never) => unknown,
): Procedure<never, unknown> => procedure<never, unknown>(name, body, () => "");
