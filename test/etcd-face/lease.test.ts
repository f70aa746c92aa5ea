/** `etcdserverpb.Lease` beside a real etcd. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Bytes } from "../../src/base/bytes.ts";
import { METHODS } from "../../src/wire/etcd/messages.ts";
import type { Init } from "../../src/wire/protobuf.ts";
import type {
  LeaseGrantRequest,
  LeaseId,
  LeaseTimeToLiveResponse,
} from "../../src/wire/etcd/messages.ts";
import { etcdMissing } from "../etcd/etcd-process.ts";
import { outcome, TwoServers } from "./two-servers.ts";

const b = (text: string): Bytes => text as Bytes;

describe("Lease beside etcd", { timeout: 240_000, skip: etcdMissing }, () => {
  let two: TwoServers;
  before(async () => {
    two = await TwoServers.start();
  });
  after(async () => {
    await two.stop();
  });

  test("[LSE-1] grants, refusals and questions are etcd's (2 servers)", async () => {
    await two.agree("grants", async ({ client }) => {
      const seen: unknown[] = [];
      const grant = async (request: Init<LeaseGrantRequest>): Promise<unknown> => {
        const answer = await outcome(client.call(METHODS.leaseGrant, request));
        seen.push(answer);
        return answer;
      };
      await grant({ ttl: 100, id: 5n });
      await grant({ ttl: 100, id: 5n });
      await grant({ ttl: 0, id: 6n });
      await grant({ ttl: -7, id: -6n });
      await grant({ ttl: 9_000_000_001, id: 8n });
      await grant({ ttl: 9_000_000_000, id: 9n });
      await grant({ ttl: Number.MAX_SAFE_INTEGER, id: 10n });
      await grant({ ttl: Number.MIN_SAFE_INTEGER, id: 11n });
      const chosen = (await grant({ ttl: 50 })) as { readonly id: bigint };
      assert.ok(chosen.id > 0n);
      const live = (id: bigint, keys = false): Promise<unknown> =>
        outcome(client.call(METHODS.leaseTimeToLive, { id, keys }));
      await client.call(METHODS.put, { key: b("l/b"), value: b("1"), lease: 5n });
      await client.call(METHODS.put, { key: b("l/a"), value: b("1"), lease: 5n });
      // The second that is passing is not the same on both; etcd lists keys in no order.
      const round = (found: unknown): unknown => {
        const { ttl, keys, ...rest } = found as LeaseTimeToLiveResponse;
        return { ...rest, keys: keys.toSorted(), ttl: ttl < 0 ? ttl : Math.ceil((ttl + 1) / 10) };
      };
      seen.push(round(await live(5n)), round(await live(5n, true)), await live(404n, true));
      await client.call(METHODS.put, { key: b("l/b"), value: b("2") });
      seen.push(round(await live(5n, true)));
      const { leases } = await client.call(METHODS.leaseLeases, {});
      seen.push(
        leases
          .map(({ id }) => id)
          .toSorted((one, other) => (one < other ? -1 : 1))
          .slice(0, 5),
      );
      for (const id of [5n, 5n, 404n])
        seen.push(await outcome(client.call(METHODS.leaseRevoke, { id })));
      seen.push(await client.call(METHODS.range, { key: b("l/"), rangeEnd: b("l0") }));
      return seen;
    });
  });

  test("[LSE-2] a stream keeps leases alive, and says of one that is gone that no time is left (2 servers)", async () => {
    await two.agree("keep alive", async ({ client }) => {
      const seen: unknown[] = [];
      await client.call(METHODS.leaseGrant, { ttl: 30, id: 31n });
      const stream = client.converse<LeaseId, object>(METHODS.leaseKeepAlive);
      for (const id of [31n, 32n, 31n]) {
        stream.send({ id });
        seen.push(await stream.next());
      }
      stream.finish();
      seen.push(await stream.end());
      return seen;
    });
  });

  test("[LSE-3] a lease that ends takes its keys in one revision (2 servers)", async () => {
    await two.agree("expiry", async ({ client }) => {
      const { id } = await client.call(METHODS.leaseGrant, { ttl: 1 });
      for (const key of ["e/b", "e/a"])
        await client.call(METHODS.put, { key: b(key), value: b("1"), lease: id });
      const watch = client.converse(METHODS.watch);
      watch.send({ create: { key: b("e/"), rangeEnd: b("e0"), prevKv: true } });
      await watch.next();
      const { events, header } = await watch.next();
      watch.cancel();
      return [events, header, await client.call(METHODS.leaseTimeToLive, { id })];
    });
  });
});
