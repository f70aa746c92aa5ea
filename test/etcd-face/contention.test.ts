/** `v3lockpb` and `v3electionpb` beside a real etcd. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Bytes } from "../../src/base/bytes.ts";
import type { LeaderResponse } from "../../src/wire/etcd/concurrency.ts";
import { ELECTION, LOCK } from "../../src/wire/etcd/concurrency.ts";
import { METHODS } from "../../src/wire/etcd/messages.ts";
import { etcdMissing } from "../etcd/etcd-process.ts";
import type { Conversation, GrpcClient } from "./grpc-client.ts";
import { RawClient } from "./grpc-client.ts";
import { frame } from "../../src/wire/grpc/framing.ts";
import { outcome, TwoServers } from "./two-servers.ts";

const b = (text: string): Bytes => text as Bytes;
/** Long enough for another's turn to come. */
const WAIT_MS = 80_000;

async function lease(client: GrpcClient, id: bigint, ttl = 60): Promise<bigint> {
  return (await client.call(METHODS.leaseGrant, { id, ttl })).id;
}

/** Resolves when `count` keys are under `prefix`. */
async function contenders(client: GrpcClient, prefix: string, count: number): Promise<void> {
  const range = { key: b(`${prefix}/`), rangeEnd: b(`${prefix}0`), countOnly: true };
  while ((await client.call(METHODS.range, range)).count !== count);
}

/** The present revision: a contender that came and went has raised it by two. */
async function revision(client: GrpcClient): Promise<number> {
  const { header } = await client.call(METHODS.range, { key: b("none") });
  return header?.revision ?? 0;
}

describe("Lock and Election beside etcd", { timeout: 240_000, skip: etcdMissing }, () => {
  let two: TwoServers;
  before(async () => {
    two = await TwoServers.start();
  });
  after(async () => {
    await two.stop();
  });

  const lock = (client: GrpcClient, name: string, id: bigint): Promise<unknown> =>
    outcome(client.call(LOCK.lock, { name: b(name), lease: id }, WAIT_MS));

  test("[V3L-1] a lock has one holder, the next in line follows (3 clients)", async () => {
    await two.agree("locks", async ({ client }) => {
      const ids = [101n, 102n, 103n];
      for (const id of ids) await lease(client, id);
      const seen: unknown[] = [await lock(client, "l", 101n)];
      seen.push(await lock(client, "l", 101n));
      const order: bigint[] = [];
      const waiting = [];
      for (const [at, id] of ids.slice(1).entries()) {
        waiting.push(lock(client, "l", id).then((answer) => [order.push(id), answer]));
        await contenders(client, "l", at + 2);
      }
      seen.push(await client.call(METHODS.range, { key: b("l/"), rangeEnd: b("l0") }));
      seen.push(await client.call(LOCK.unlock, { key: b("l/65") }));
      seen.push(await waiting[0], [...order]);
      // The second holder's lease ends: the third has its turn.
      await client.call(METHODS.leaseRevoke, { id: 102n });
      seen.push(await waiting[1], order);
      seen.push(await client.call(LOCK.unlock, { key: b("l/67") }));
      return seen;
    });
  });

  test("[V3L-2] refusals, and locks without a lease or with a negative one (2 servers)", async () => {
    await two.agree("refusals", async ({ client }) => {
      const seen: unknown[] = [
        await lock(client, "r", 404n),
        await outcome(client.call(LOCK.unlock, { key: b("") })),
        await client.call(LOCK.unlock, { key: b("nothing") }),
      ];
      await lease(client, -5n);
      seen.push(await lock(client, "minus", -5n));
      const { key } = await client.call(LOCK.lock, { name: b("own") });
      const [held] = (await client.call(METHODS.range, { key })).kvs;
      const name = `own/${BigInt(held?.lease ?? 0n).toString(16)}`;
      const { grantedTtl } = await client.call(METHODS.leaseTimeToLive, { id: held?.lease });
      return [...seen, key === name, grantedTtl];
    });
  });

  test("[V3L-3] a call that is given up leaves no contender (2 clients)", async () => {
    await two.agree("given up", async ({ client, endpoint }) => {
      await lease(client, 111n);
      await lease(client, 112n);
      const first = await lock(client, "g", 111n);
      const since = await revision(client);
      // On a busy machine the time may be over before the call has joined: then it says nothing.
      for (let timeMs = 300; (await revision(client)) < since + 2; timeMs *= 2) {
        const late = await client.refusal(LOCK.lock, { name: b("g"), lease: 112n }, timeMs);
        // Whether the client's clock or etcd's says so first is not certain, and they say it differently.
        assert.match(late.details, /deadline exceeded/i);
        await contenders(client, "g", 1);
      }
      const raw = new RawClient(endpoint);
      const stream = raw.open(LOCK.lock.path);
      stream.on("error", () => {});
      stream.write(frame(LOCK.lock.request, { name: b("g"), lease: 112n }));
      stream.end();
      await contenders(client, "g", 2);
      raw.close();
      await contenders(client, "g", 1);
      return [first];
    });
  });

  test("[V3E-1] a candidate campaigns, proclaims, resigns; the next one leads (2 clients)", async () => {
    await two.agree("election", async ({ client }) => {
      const seen: unknown[] = [];
      await lease(client, 121n);
      await lease(client, 122n);
      const name = b("e");
      const leader = (): Promise<unknown> => outcome(client.call(ELECTION.leader, { name }));
      seen.push(await leader());
      const one = await client.call(ELECTION.campaign, { name, lease: 121n, value: b("1") });
      seen.push(one, await leader());
      seen.push(
        await client.call(ELECTION.campaign, { name, lease: 121n, value: b("again") }),
        await leader(),
      );
      const two2 = outcome(
        client.call(ELECTION.campaign, { name, lease: 122n, value: b("2") }, WAIT_MS),
      );
      await contenders(client, "e", 2);
      seen.push(await client.call(ELECTION.proclaim, { leader: one.leader, value: b("1b") }));
      seen.push(await leader());
      seen.push(await client.call(ELECTION.resign, { leader: one.leader }));
      seen.push(await two2, await leader());
      seen.push(
        await outcome(client.call(ELECTION.proclaim, { leader: one.leader, value: b("late") })),
        await outcome(client.call(ELECTION.resign, { leader: one.leader })),
        await outcome(client.call(ELECTION.proclaim, { value: b("x") })),
        await outcome(client.call(ELECTION.resign, {})),
        await outcome(client.call(ELECTION.proclaim, { leader: { rev: 3 } })),
        await outcome(client.call(ELECTION.campaign, { name, lease: 404n })),
      );
      return seen;
    });
  });

  test("[V3E-2] an observer hears of every leader and every proclamation (1 observer)", async () => {
    await two.agree("observer", async ({ client }) => {
      const name = b("o");
      const heard = client.converse(ELECTION.observe) as Conversation<object, LeaderResponse>;
      heard.send({ name });
      heard.finish();
      await lease(client, 131n);
      await lease(client, 132n);
      const seen: unknown[] = [];
      // An election that never had a leader has one now; a first observation must have begun before.
      const first = await client.call(ELECTION.campaign, { name, lease: 131n, value: b("1") });
      seen.push((await heard.next()).kv);
      await client.call(ELECTION.proclaim, { leader: first.leader, value: b("2") });
      seen.push((await heard.next()).kv);
      const second = client.call(ELECTION.campaign, { name, lease: 132n, value: b("3") }, WAIT_MS);
      await contenders(client, "o", 2);
      await client.call(ELECTION.resign, { leader: first.leader });
      seen.push((await second).leader, (await heard.next()).kv);
      await client.call(METHODS.leaseRevoke, { id: 132n });
      await client.call(METHODS.put, { key: b("o/x"), value: b("by hand") });
      seen.push((await heard.next()).kv);
      heard.cancel();
      assert.equal((await heard.end())?.code, 1);
      return seen;
    });
  });
});
