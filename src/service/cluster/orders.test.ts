import assert from "node:assert/strict";
import { test } from "node:test";
import { QuorateError } from "../../base/errors.ts";
import type { PeerAddress } from "../../driver/peers.ts";
import { statusOf } from "../../wire/etcd/statuses.ts";
import { removeRefused } from "./orders.ts";

function members(count: number, others: Partial<PeerAddress> = {}): readonly PeerAddress[] {
  const member = (id: number): PeerAddress => {
    const [peerUrls, clientUrls] = [[`http://h:${id}`], [`quorate://h:${id}`]];
    return { id, name: `m${id}`, peerUrls, clientUrls, learner: false, identity: "", ...others };
  };
  return Array.from({ length: count }, (_, at) => member(at + 1));
}

/** Why `id` of `count` members is not removed while only `reached` are. */
function refusal(count: number, id: number, reached: readonly number[]): unknown {
  return removeRefused(id, members(count), (each) => reached.includes(each))?.details?.["reason"];
}

test("[CLS-9] a voter without which the quorum would be lost at once is not removed, one that is gone is (2 to 5 members)", () => {
  assert.equal(refusal(3, 2, [1, 2, 3]), undefined);
  assert.equal(refusal(3, 2, [2, 3]), "unhealthy");
  assert.equal(refusal(3, 1, [2, 3]), undefined);
  assert.equal(refusal(2, 2, [1, 2]), undefined);
  assert.equal(refusal(4, 4, [1, 2, 4]), undefined);
  assert.equal(refusal(4, 4, [1, 4]), "unhealthy");
  assert.equal(refusal(5, 5, [1, 2, 3, 5]), undefined);
  assert.equal(refusal(5, 5, [1, 2, 5]), "unhealthy");
  assert.equal(refusal(5, 4, [1, 2, 5]), undefined);
});

test("[CLS-9] a learner is removed whoever is reached, and too few that were started is told before (3 members)", () => {
  const learner = members(3).map((each) => ({ ...each, learner: each.id === 3 }));
  assert.equal(
    removeRefused(3, learner, () => false),
    undefined,
  );
  const unstarted = removeRefused(1, members(3, { name: "" }), () => false);
  assert.equal(unstarted?.details?.["reason"], "notEnoughStarted");
});

test("[CLU-2] to a client of etcd such a cluster is unhealthy (3 members)", () => {
  const refused = removeRefused(2, members(3), (id) => id !== 1) ?? assert.fail("it is removed");
  const { code, message } = statusOf(new QuorateError(refused));
  assert.deepEqual([code, message], [14, "etcdserver: unhealthy cluster"]);
});
