/** What a client may ask for never makes an entry that the log cannot hold: the node refuses or does it in parts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Bytes } from "../../src/base/bytes.ts";
import { utf8 } from "../../src/base/bytes.ts";
import { prng } from "../../src/base/prng.ts";
import { procedureSet } from "../../src/contract/procedure.ts";
import type { CallerStamp, Reply, Request } from "../../src/contract/requests.ts";
import { openDriver } from "../../src/driver/driver.ts";
import type { Driver } from "../../src/driver/face.ts";
import { SimClock } from "../../src/verify/sim-clock.ts";
import { SimDisk } from "../../src/verify/sim-disk.ts";

const MIB = 1 << 20;
const CALLER = 9n;

interface Node {
  readonly driver: Driver;
  ask(request: Request, caller?: CallerStamp): Promise<Reply>;
  pass(ms: number): Promise<void>;
}

/** A node with the segments that it has by default; one that stops by itself fails the test. */
async function start(): Promise<Node> {
  const clock = new SimClock();
  const disk = new SimDisk({ random: prng(1) });
  const turn = async (): Promise<void> => {
    for (let at = 0; at < 12; at++) await Promise.resolve();
  };
  const until = async <T>(work: Promise<T>): Promise<T> => {
    let settled = false;
    const done = (): void => {
      settled = true;
    };
    work.then(done, done);
    for (await turn(); !settled; await turn()) assert.ok(clock.step());
    return work;
  };
  const options = {
    disk: disk.mount(clock),
    clock,
    entropy: prng(2),
    procedures: procedureSet([]),
    label: "node",
  };
  const driver = await until(openDriver(options));
  driver.onStopped((reason) => assert.fail(`${reason.code} ${reason.what}`));
  return {
    driver,
    ask: (request, caller) =>
      until(new Promise((resolve) => driver.submit(request, caller, resolve))),
    pass: async (ms) => {
      const end = clock.monotonicMs() + ms;
      do await turn();
      while (clock.step(end));
    },
  };
}

async function must(node: Node, request: Request, caller?: CallerStamp): Promise<void> {
  const reply = await node.ask(request, caller);
  if (!reply.ok) assert.fail(`${request.kind}: ${reply.failure.code} ${reply.failure.what}`);
}

function put(key: string, value: Bytes, lease?: bigint): Request & { readonly kind: "put" } {
  return { kind: "put", key: utf8(key), value, lease };
}

async function withMebibytes(count: number): Promise<Node> {
  const node = await start();
  await must(node, { kind: "callerOpen", id: CALLER });
  for (let at = 0; at < count; at++) await must(node, put(`big/${at}`, "v".repeat(MIB) as Bytes));
  return node;
}

test("[HEAD-LIMITS] a stamped command whose reply is too large to keep is refused, and changes nothing (one node)", async () => {
  const node = await withMebibytes(20);
  const remove: Request = {
    kind: "deleteRange",
    key: utf8("big/"),
    end: utf8("big0"),
    prevKv: true,
  };
  const refused = await node.ask(remove, { id: CALLER, sequence: 1, firstUnacked: 1 });
  assert.ok(!refused.ok);
  assert.deepEqual([refused.failure.code, refused.failure.outcome], ["TOO_LARGE", "definite"]);
  const after = await node.ask({
    kind: "range",
    key: utf8("big/"),
    end: utf8("big0"),
    countOnly: true,
  });
  assert.ok(after.ok && "count" in after.response && after.response.count === 20);
  const done = await node.ask(
    { ...remove, prevKv: false },
    { id: CALLER, sequence: 2, firstUnacked: 2 },
  );
  assert.ok(done.ok && "deleted" in done.response && done.response.deleted === 20);
});

test("[HEAD-OVERLAY] replies that wait to be kept count as uncommitted bytes (one node)", async () => {
  const node = await withMebibytes(1);
  const replies: Reply[] = [];
  for (let sequence = 1; sequence <= 40; sequence++) {
    const success = [
      put(`small/${sequence}`, utf8("x")),
      { kind: "range" as const, key: utf8("big/0") },
    ];
    const request: Request = { kind: "txn", compare: [], success, failure: [] };
    node.driver.submit(request, { id: CALLER, sequence, firstUnacked: 1 }, (reply) =>
      replies.push(reply),
    );
  }
  await node.pass(200);
  const codes = replies.map((reply) => (reply.ok ? "ok" : reply.failure.code));
  assert.equal(codes.length, 40);
  assert.ok(codes.includes("ok") && codes.includes("OVERLOADED"), codes.join(" "));
});

test("[HEAD-LEASE] [DRV-10] leases that end together with more keys than one entry holds all end, a part at a time (one node)", async () => {
  const node = await start();
  const [leases, keys] = [40, 500];
  // Granted in one instant, so that they end in one.
  for (let lease = 1; lease <= leases; lease++) {
    node.driver.submit(
      { kind: "leaseGrant", id: BigInt(lease), ttlMs: 60_000 },
      undefined,
      () => {},
    );
  }
  for (let lease = 1; lease <= leases; lease++) {
    for (let at = 0; at < keys; at += 100) {
      const success = Array.from({ length: 100 }, (_, n) =>
        put(`${lease}/${at + n}/`.padEnd(1_000, "k"), utf8(""), BigInt(lease)),
      );
      await must(node, { kind: "txn", compare: [], success, failure: [] });
    }
  }
  assert.equal(node.driver.status().keys, leases * keys);
  await node.pass(65_000);
  assert.deepEqual([node.driver.status().keys, node.driver.status().leases], [0, 0]);
});

test("[HEAD-LEASE] a lease whose keys are longer than a transaction may change ends in pages (one node)", async () => {
  const node = await start();
  for (const id of [1n, 2n]) {
    await must(node, { kind: "leaseGrant", id, ttlMs: 60_000 });
    for (let at = 0; at < 300; at++)
      await must(node, put(`${id}/${at}/`.padEnd(30_000, "k"), utf8(""), id));
  }
  await must(node, { kind: "leaseRevoke", id: 1n });
  await node.pass(5_000);
  assert.deepEqual([node.driver.status().keys, node.driver.status().leases], [300, 1]);
  await node.pass(65_000);
  assert.deepEqual([node.driver.status().keys, node.driver.status().leases], [0, 0]);
});
