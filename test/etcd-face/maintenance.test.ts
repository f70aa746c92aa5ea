/** `etcdserverpb.Maintenance` and `Cluster` beside a real etcd. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Bytes } from "../../src/base/bytes.ts";
import { CARE, CLUSTER } from "../../src/wire/etcd/cluster.ts";
import { METHODS } from "../../src/wire/etcd/messages.ts";
import { etcdMissing } from "../etcd/etcd-process.ts";
import type { GrpcClient } from "./grpc-client.ts";
import { outcome, TwoServers } from "./two-servers.ts";

const b = (text: string): Bytes => text as Bytes;
const [ACTIVATE, DEACTIVATE] = [1, 2];
const [NOSPACE, CORRUPT] = [1, 2];

/** Etcd 3.4 leaves the header of these answers out; later versions do not. */
const headless = (answer: unknown): unknown => ({ ...(answer as object), header: undefined });

describe("Maintenance beside etcd", { timeout: 240_000, skip: etcdMissing }, () => {
  let two: TwoServers;
  before(async () => {
    two = await TwoServers.start();
  });
  after(async () => {
    await two.stop();
  });
  const put = (client: GrpcClient): Promise<unknown> =>
    outcome(client.call(METHODS.put, { key: b("a"), value: b("1") }));

  test("[MNT-1] the status says who leads, and what is wrong (2 servers)", async () => {
    await two.agree("status", async ({ client, name }) => {
      const status = async (): Promise<unknown> => {
        const { version, dbSize, dbSizeInUse, raftIndex, raftAppliedIndex, ...rest } =
          await client.call(METHODS.status, {});
        assert.match(version, /^3\.\d+\.\d+$/);
        assert.ok(dbSize >= dbSizeInUse);
        assert.equal(raftIndex, raftAppliedIndex);
        const errors = rest.errors.map((each) => each.replace(/memberID:\d+/, "memberID:#"));
        assert.ok(rest.raftTerm > 0 && rest.raftTerm === rest.header?.raftTerm, name);
        return { ...rest, raftTerm: 0, errors };
      };
      const seen = [await status()];
      const { leader: memberId } = await client.call(METHODS.status, {});
      await client.call(METHODS.alarm, { action: ACTIVATE, memberId, alarm: NOSPACE });
      seen.push(await status());
      await client.call(METHODS.alarm, { action: DEACTIVATE, memberId, alarm: NOSPACE });
      seen.push(await status());
      return seen;
    });
  });

  test("[MNT-2] alarms are raised, listed and taken off; NOSPACE stops what grows (2 servers)", async () => {
    await two.agree("alarms", async ({ client }) => {
      const seen: unknown[] = [];
      const { leader: memberId } = await client.call(METHODS.status, {});
      const alarm = async (action: number, kind: number, member = memberId): Promise<void> => {
        const request = { action, memberId: member, alarm: kind };
        seen.push(headless(await outcome(client.call(METHODS.alarm, request))));
      };
      await put(client);
      await alarm(0, 0);
      await alarm(ACTIVATE, NOSPACE);
      await alarm(ACTIVATE, NOSPACE);
      await alarm(0, 0);
      await alarm(0, CORRUPT);
      seen.push(await put(client));
      seen.push(await outcome(client.call(METHODS.leaseGrant, { ttl: 10 })));
      const op = { put: { key: b("b"), value: b("1") } };
      seen.push(await outcome(client.call(METHODS.txn, { success: [op] })));
      const { header } = await client.call(METHODS.range, { key: b("a") });
      seen.push(await outcome(client.call(METHODS.deleteRange, { key: b("a") })));
      await client.call(METHODS.compact, { revision: header?.revision });
      await alarm(DEACTIVATE, NOSPACE, 7n);
      await alarm(0, 0);
      await alarm(DEACTIVATE, NOSPACE);
      await alarm(DEACTIVATE, NOSPACE);
      seen.push(await put(client));
      return seen;
    });
  });

  test("[MNT-3] hashes follow what is stored, and are refused where nothing is left (2 servers)", async () => {
    await two.agree("hashes", async ({ client }) => {
      const seen: unknown[] = [];
      const hash = async (revision = 0): Promise<number> => {
        const answer = await outcome(client.call(METHODS.hashKv, { revision }));
        const { hash: value = 0, ...rest } = answer as { readonly hash?: number };
        seen.push(rest);
        return value;
      };
      const first = await hash();
      const again = await hash();
      await put(client);
      const { header } = await client.call(METHODS.range, { key: b("a") });
      const revision = header?.revision ?? 0;
      const changed = await hash();
      seen.push([first === again, changed === first, (await hash(revision)) === changed]);
      await hash(revision + 1);
      await client.call(METHODS.compact, { revision, physical: true });
      await hash(revision);
      await hash(revision - 1);
      await put(client);
      await hash();
      const { hash: whole, ...rest } = await client.call(CARE.hash, {});
      return [...seen, whole !== 0, rest];
    });
  });

  test("[MNT-4] defragmentation and a transfer to itself succeed, to others not (2 servers)", async () => {
    await two.agree("care", async ({ client }) => {
      const { leader: targetId } = await client.call(METHODS.status, {});
      return [
        headless(await client.call(CARE.defragment, {})),
        headless(await outcome(client.call(CARE.moveLeader, { targetId }))),
        await outcome(client.call(CARE.moveLeader, { targetId: 7n })),
        await outcome(client.call(CARE.moveLeader, {})),
      ];
    });
  });

  test("[CLU-1] the one member is listed, with an address that clients can use (2 servers)", async () => {
    await two.agree("members", async ({ client, endpoint }) => {
      const { header, members } = await client.call(CLUSTER.list, {});
      return [
        header,
        members.map(({ clientUrls, ...rest }) => {
          assert.deepEqual(clientUrls, [`http://${endpoint}`]);
          return { ...rest, peerUrls: [] };
        }),
      ];
    });
  });

  test("[CLU-2] what would change the members is refused as etcd refuses it (2 servers)", async () => {
    await two.agree("changes", async ({ client }) => {
      const id = (await client.call(METHODS.status, {})).leader;
      const peerUrls = ["http://127.0.0.1:1"];
      return [
        await outcome(client.call(CLUSTER.remove, { id: 7n })),
        await outcome(client.call(CLUSTER.promote, { id: 7n })),
        await outcome(client.call(CLUSTER.promote, { id })),
        await outcome(client.call(CLUSTER.update, { id: 7n, peerUrls })),
        await outcome(client.call(CLUSTER.add, { peerUrls: ["zzz"] })),
        await outcome(client.call(CLUSTER.add, {})),
        await outcome(client.call(CLUSTER.remove, { id })),
      ];
    });
  });
});
