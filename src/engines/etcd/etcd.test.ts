/** The etcd engine beside an etcd that a test plays: lost answers, and what it says that is no answer. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../../base/bytes.ts";
import { QuorateError } from "../../base/errors.ts";
import type { Keyspace } from "../../contract/keyspace.ts";
import { hostClock } from "../../host/clock.ts";
import { hostEntropy } from "../../host/entropy.ts";
import type { GrpcClient } from "../../ports/grpc.ts";
import { GrpcStatus } from "../../ports/grpc.ts";
import { METHODS } from "../../wire/etcd/messages.ts";
import { openEtcd } from "./etcd.ts";

/** An engine at an etcd that says nothing but what `parts` do. */
function etcdThat(parts: Partial<GrpcClient>): Promise<Keyspace> {
  const client: GrpcClient = {
    unary: () => new Promise(() => {}),
    duplex: () => ({ send() {}, end() {}, pause() {}, resume() {}, cancel() {} }),
    ready: () => Promise.resolve(),
    close: () => {},
    ...parts,
  };
  return openEtcd({ client, clock: hostClock, entropy: hostEntropy, label: "etcd://test" });
}

test("[ETCD-6] a put whose stream was reset is indefinite, what etcd refused is not (statuses)", async () => {
  const outcome = async (code: number, message: string): Promise<string> => {
    const unary = (): Promise<never> => Promise.reject(new GrpcStatus(code, message, false));
    const keyspace = await etcdThat({ unary });
    const put = keyspace.call({ kind: "put", key: utf8("a"), value: utf8("1") });
    const error: unknown = await put.then(
      () => undefined,
      (each: unknown) => each,
    );
    await keyspace.close();
    assert.ok(QuorateError.is(error));
    return `${error.code} ${error.outcome}`;
  };
  assert.equal(await outcome(1, "Call cancelled"), "UNAVAILABLE indefinite");
  assert.equal(
    await outcome(8, "Bandwidth exhausted or memory limit exceeded"),
    "OVERLOADED indefinite",
  );
  assert.equal(await outcome(8, "etcdserver: too many requests"), "OVERLOADED definite");
  assert.equal(await outcome(8, "etcdserver: mvcc: database space exceeded"), "QUOTA definite");
});

test("[ETCD-8] bytes that are no message end the call or watch they came for, and nothing else (3 roads)", async () => {
  const noise = new Uint8Array([0xff, 0xff, 0xff]);
  // A watch response of one event that has no key.
  const hollow = METHODS.watch.response.encode({ events: [{}] });
  let watched: Uint8Array = noise;
  const keyspace = await etcdThat({
    unary: () => Promise.resolve(noise),
    duplex: (path, handler) => {
      const answer = path === METHODS.watch.path ? watched : noise;
      const send = (): void => hostClock.soon(() => handler.received(answer));
      return { send, end() {}, pause() {}, resume() {}, cancel() {} };
    },
  });
  const isProtocol = (error: unknown): boolean => QuorateError.is(error, "PROTOCOL");
  await assert.rejects(keyspace.watch({ key: utf8("a") }).ready, isProtocol);
  watched = hollow;
  await assert.rejects(keyspace.watch({ key: utf8("a") }).ready, isProtocol);
  await assert.rejects(keyspace.call({ kind: "leaseKeepAlive", id: 1n }), isProtocol);
  await assert.rejects(
    keyspace.call({ kind: "put", key: utf8("a"), value: utf8("1") }),
    (error) => isProtocol(error) && (error as QuorateError).outcome === "indefinite",
  );
  await keyspace.close();
});

test("[ETCD-2] a transaction is asked again if it only reads, nested ones too (lost answers)", async () => {
  let asked = 0;
  const keyspace = await etcdThat({
    unary: () => {
      asked++;
      if (asked % 2 === 1) return Promise.reject(new GrpcStatus(14, "Connection dropped", false));
      return Promise.resolve(METHODS.txn.response.encode({ succeeded: true }));
    },
  });
  const range = { kind: "range", key: utf8("a") } as const;
  const reads = { kind: "txn", compare: [], success: [range], failure: [] } as const;
  await keyspace.call({ ...reads, failure: [reads] });
  assert.equal(asked, 2);
  const put = { kind: "put", key: utf8("a"), value: utf8("1") } as const;
  const writes = { ...reads, failure: [{ ...reads, success: [put] }] };
  await assert.rejects(
    keyspace.call(writes),
    (error) => QuorateError.is(error, "UNAVAILABLE") && error.outcome === "indefinite",
  );
  assert.equal(asked, 3);
  await keyspace.close();
});

test("[ETCD-5] connecting to an etcd that does not answer ends when it is aborted", async () => {
  const stop = new AbortController();
  let isClosed = false;
  const client: GrpcClient = {
    ...{ unary: () => assert.fail("it is not connected"), duplex: () => assert.fail("nor this") },
    ready: () => new Promise(() => {}),
    close: () => (isClosed = true),
  };
  const given = { client, clock: hostClock, entropy: hostEntropy, label: "etcd://test" };
  const opening = openEtcd(given, stop.signal);
  stop.abort(new Error("enough"));
  await assert.rejects(
    opening,
    (error) => QuorateError.is(error, "ABORTED") && error.outcome === "definite",
  );
  assert.ok(isClosed);
});
