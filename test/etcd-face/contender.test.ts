/** Standing in line for a lock of etcd's, step by step. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../../src/base/bytes.ts";
import type { Driver } from "../../src/driver/face.ts";
import { EtcdContext } from "../../src/service/etcd/context.ts";
import type { EtcdParts } from "../../src/service/etcd/context.ts";
import { lockMethods } from "../../src/service/etcd/lock.ts";
import { LOCK } from "../../src/wire/etcd/concurrency.ts";
import { GRPC } from "../../src/wire/grpc/status.ts";
import { Simulated } from "../rules/simulated.ts";

/** `driver`, which tells of each read of a queue before it answers. */
function watched(driver: Driver, reads: () => void): Driver {
  const submit: Driver["submit"] = (request, caller, done, as) => {
    const isRead = request.kind === "txn" && request.compare.length === 0;
    driver.submit(
      request,
      caller,
      (reply) => {
        if (isRead) reads();
        done(reply);
      },
      as,
    );
  };
  return new Proxy(driver, {
    get: (target, name) => {
      if (name === "submit") return submit;
      const member: unknown = Reflect.get(target, name);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

test("[V3L-3] a call that is given up while it reads the queue leaves no contender (2 callers)", async () => {
  const machine = new Simulated();
  const { driver } = await machine.start();
  await machine.pass(100);
  const open = driver.status().watchers;
  const giveUp = new AbortController();
  let onRead = (): void => {};
  const parts = { driver: watched(driver, () => onRead()), clock: machine.clock };
  const context = new EtcdContext(parts as unknown as EtcdParts);
  const lock = lockMethods(context).find(([path]) => path === LOCK.lock.path)?.[1];
  assert.ok(lock !== undefined);
  const call = async (lease: bigint, signal: AbortSignal): Promise<unknown> => {
    await context.submit({ kind: "leaseGrant", id: lease, ttlMs: 600_000 });
    return lock.run({ name: utf8("l"), lease }, { signal, requestBytes: 0 });
  };
  await machine.until(call(1n, new AbortController().signal));
  onRead = () => giveUp.abort();
  await machine.until(assert.rejects(call(2n, giveUp.signal), { code: GRPC.cancelled }));
  const range = { kind: "range", key: utf8("l/"), end: utf8("l0") } as const;
  const { kvs } = await machine.until(context.submit(range));
  assert.deepEqual(
    kvs.map(({ key }) => key),
    ["l/1"],
  );
  assert.equal(driver.status().watchers, open);
});
