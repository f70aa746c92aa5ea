/** A sample of the matrix beside a real etcd: the same users, the same calls, the same cells refused. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Bytes } from "../../src/base/bytes.ts";
import { AUTH } from "../../src/wire/etcd/auth.ts";
import { METHODS } from "../../src/wire/etcd/messages.ts";
import { GrpcClient } from "../etcd-face/grpc-client.ts";
import { outcome, TwoServers } from "../etcd-face/two-servers.ts";
import { etcdMissing } from "../etcd/etcd-process.ts";
import { GRANTS, RANGES } from "./grid.ts";

const ACCESS = ["read", "write", "readwrite"];
/** Passwords take a while on both: every third grant. */
const SOME = GRANTS.filter((_, at) => at % 3 === 1);

describe("authorisation beside etcd", { timeout: 480_000, skip: etcdMissing }, () => {
  let two: TwoServers;
  before(async () => {
    two = await TwoServers.start();
  });
  after(async () => {
    await two.stop();
  });

  test(`[AUTH-1] ranges and permissions mean what they mean to etcd (${RANGES.length} ranges, ${SOME.length} grants, 2 servers)`, async () => {
    const seen = await two.agree("cells", async ({ client, endpoint }) => {
      await client.call(AUTH.userAdd, { name: "root", password: "p" });
      await client.call(AUTH.userGrantRole, { user: "root", role: "root" });
      for (const [at, { roles }] of SOME.entries()) {
        await client.call(AUTH.userAdd, { name: `u${at}`, password: "p" });
        for (const [number, permissions] of roles.entries()) {
          const name = `u${at} r${number}`;
          await client.call(AUTH.roleAdd, { name });
          for (const { access, key, end: rangeEnd } of permissions) {
            const perm = { permType: ACCESS.indexOf(access), key, rangeEnd };
            await client.call(AUTH.roleGrantPermission, { name, perm });
          }
          await client.call(AUTH.userGrantRole, { user: `u${at}`, role: name });
        }
      }
      await client.call(AUTH.enable, {});
      const cells: unknown[] = [];
      for (const [at, { name: grant }] of SOME.entries()) {
        const user = new GrpcClient(endpoint);
        user.show((await user.call(AUTH.authenticate, { name: `u${at}`, password: "p" })).token);
        for (const { name: _, key, end: rangeEnd } of RANGES) {
          // What a range without keys needs, etcd leaves to how its tree happens to lie.
          if (rangeEnd !== undefined && rangeEnd !== "\0" && rangeEnd <= key) continue;
          const value = "v" as Bytes;
          const calls = [
            user.call(METHODS.range, { key, rangeEnd, countOnly: true }),
            user.call(METHODS.put, { key, value }),
            user.call(METHODS.put, { key, value, prevKv: true }),
            user.call(METHODS.deleteRange, { key, rangeEnd }),
            user.call(METHODS.deleteRange, { key, rangeEnd, prevKv: true }),
            user.call(METHODS.txn, { compare: [{ key, rangeEnd }] }),
            user.call(METHODS.txn, { success: [{ range: { key, rangeEnd } }] }),
            user.call(METHODS.txn, { failure: [{ deleteRange: { key, rangeEnd } }] }),
            user.call(METHODS.txn, { failure: [{ put: { key, value } }] }),
          ];
          const refused = calls.map(async (call) => {
            const { code } = (await outcome(call)) as { readonly code?: number };
            return code ?? 0;
          });
          cells.push([grant, key, rangeEnd, await Promise.all(refused)]);
        }
        user.close();
      }
      return cells;
    });
    const codes = seen.flatMap((cell) => (cell as readonly unknown[])[3] as readonly number[]);
    const [denied, allowed] = [7, 0].map((code) => codes.filter((each) => each === code).length);
    assert.ok((denied ?? 0) > 200 && (allowed ?? 0) > 200, JSON.stringify({ denied, allowed }));
    assert.equal((denied ?? 0) + (allowed ?? 0), codes.length);
  });
});
