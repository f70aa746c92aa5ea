/**
 * Requests that one member carries to another over real sockets: answered once, with the caller's identity; what may have
 * happened is not sent again.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../../src/base/bytes.ts";
import { failure } from "../../src/base/errors.ts";
import { FORMATS } from "../../src/contract/formats.ts";
import type { Identity } from "../../src/contract/auth.ts";
import type { Reply, Request } from "../../src/contract/requests.ts";
import type { PeerAddress } from "../../src/driver/peers.ts";
import { hostClock } from "../../src/host/clock.ts";
import { hostEntropy } from "../../src/host/entropy.ts";
import { peerDialler } from "../../src/server/cluster/peer-sockets.ts";
import { Forwarder } from "../../src/service/peers/forwarder.ts";
import { CLUSTER, SocketMember } from "./socket-member.ts";
import { until } from "../until.ts";

const PUT: Request = { kind: "put", key: utf8("k"), value: utf8("v") };
const GET: Request = { kind: "range", key: utf8("k") };
const USER: Identity = { kind: "user", name: "ann", revision: 7 };

interface Asked {
  readonly request: Request;
  readonly identity: Identity;
  readonly done: (reply: Reply) => void;
}

/** Members that take what is asked of them and answer when the test says so, and one that forwards. */
class World {
  readonly asked: Asked[][] = [];
  readonly forwarder: Forwarder;
  leader = 0;
  readonly #members: readonly SocketMember[];

  private constructor(members: readonly SocketMember[]) {
    this.#members = members;
    for (const { links } of members) {
      const taken: Asked[] = [];
      this.asked.push(taken);
      links.answerBy({
        submit: (request, _caller, done, identity) => taken.push({ request, identity, done }),
        order: (_order, done) =>
          done({ ok: true, answer: { members: [], leader: 2, term: 1, added: 0 } }),
      });
    }
    this.forwarder = new Forwarder({
      dial: peerDialler({}),
      clock: hostClock,
      entropy: hostEntropy,
      self: {
        ...{ id: 9, identity: "9", cluster: CLUSTER, name: "m9" },
        ...{ peerUrls: [], clientUrls: [], formats: FORMATS },
      },
      leader: () => this.addressOf(this.leader),
      here: () => assert.fail("it leads not"),
    });
  }

  static async open(): Promise<World> {
    return new World([await SocketMember.open(1, [1]), await SocketMember.open(2, [2])]);
  }

  addressOf(id: number): PeerAddress | undefined {
    return this.#members.find((each) => each.id === id)?.address;
  }

  lead(id: number): void {
    this.leader = id;
    this.forwarder.leaderChanged();
  }

  submit(request: Request): Promise<Reply> {
    return new Promise((resolve) =>
      this.forwarder.submit({ request, identity: USER, caller: undefined }, resolve),
    );
  }

  /** What the member at `at` is asked as number `count`. */
  async taken(at: number, count = 1): Promise<Asked> {
    await until(
      () => (this.asked[at]?.length ?? 0) >= count,
      () => `member ${at + 1} was asked ${this.asked[at]?.length} times`,
    );
    return this.asked[at]?.[count - 1] ?? assert.fail("it was asked");
  }

  async close(): Promise<void> {
    this.forwarder.close();
    await Promise.all(this.#members.map((member) => member.close()));
  }
}

async function inWorld(use: (world: World) => Promise<void>): Promise<void> {
  const world = await World.open();
  try {
    await use(world);
  } finally {
    await world.close();
  }
}

const ok: Reply = { ok: true, response: { revision: 5 } };
const notLeader: Reply = {
  ok: false,
  failure: failure("NOT_LEADER", { object: "o", what: "w", remedy: "r" }),
};

test("[FWD-1] a request goes to the member that leads as its caller's, and its answer comes back (2 members)", async () => {
  await inWorld(async (world) => {
    const reply = world.submit(PUT);
    world.lead(1);
    const { request, identity, done } = await world.taken(0);
    assert.deepEqual([request.kind, identity], ["put", USER]);
    done(ok);
    assert.deepEqual(await reply, ok);
    const ordered = await new Promise((resolve) =>
      world.forwarder.order({ kind: "list" }, resolve),
    );
    assert.deepEqual(ordered, { ok: true, answer: { members: [], leader: 2, term: 1, added: 0 } });
  });
});

test("[FWD-2] what was certainly not carried out goes to the next leader (2 members)", async () => {
  await inWorld(async (world) => {
    world.lead(1);
    const reply = world.submit(PUT);
    const first = await world.taken(0);
    world.lead(1);
    first.done(notLeader);
    const again = await world.taken(0, 2);
    world.leader = 2;
    again.done(notLeader);
    const { done } = await world.taken(1);
    done(ok);
    assert.deepEqual(await reply, ok);
  });
});

test("[FWD-3] a command on its way to a leader that is gone is indefinite and not sent again; a read is (2 members)", async () => {
  await inWorld(async (world) => {
    world.lead(1);
    const [put, get] = [world.submit(PUT), world.submit(GET)];
    await world.taken(0, 2);
    world.lead(2);
    const reply = await put;
    assert.ok(!reply.ok);
    assert.deepEqual([reply.failure.code, reply.failure.outcome], ["LEADER_CHANGED", "indefinite"]);
    const read = await world.taken(1);
    assert.equal(read.request.kind, "range");
    const found: Reply = { ok: true, response: { revision: 5, kvs: [], more: false, count: 0 } };
    read.done(found);
    assert.deepEqual(await get, found);
    assert.equal(world.asked[1]?.length, 1, "the command was not sent again");
  });
});

test("[FWD-3] a command on its way when the member closes is indefinite; a read is not (2 members)", async () => {
  await inWorld(async (world) => {
    world.lead(1);
    const sent = [world.submit(PUT), world.submit(GET)];
    await world.taken(0, 2);
    world.forwarder.close();
    const told = (await Promise.all(sent)).map((reply) => {
      assert.ok(!reply.ok);
      return `${reply.failure.code} ${reply.failure.outcome}`;
    });
    assert.deepEqual(told, ["SHUTDOWN indefinite", "SHUTDOWN definite"]);
  });
});

test("[FWD-4] without a leader a command certainly did not happen, and says so in its time (2 members)", async () => {
  await inWorld(async (world) => {
    const reply = await world.submit(PUT);
    assert.ok(!reply.ok);
    assert.deepEqual([reply.failure.code, reply.failure.outcome], ["NOT_LEADER", "definite"]);
  });
});

test("[FWD-4] a leader that does not answer leaves a command indefinite (2 members)", async () => {
  await inWorld(async (world) => {
    world.lead(1);
    const reply = await world.submit(PUT);
    assert.ok(!reply.ok);
    assert.deepEqual([reply.failure.code, reply.failure.outcome], ["TIMEOUT", "indefinite"]);
    assert.equal(world.asked[0]?.length, 1);
  });
});
