/**
 * The matrix at the replica: every road of a request × every range × every set of permissions. What the oracle does not
 * permit is refused and changes nothing; what it permits is not refused.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Bytes } from "../../src/base/bytes.ts";
import type { KeyRange } from "../../src/contract/auth.ts";
import type { Reply, Request } from "../../src/contract/requests.ts";
import { OPEN_END } from "../../src/contract/requests.ts";
import { GRANTS, KEYS, keysOf, permitted, RANGES } from "./grid.ts";
import { Replica } from "./replica.ts";
import type { Road } from "./roads.ts";
import { BOUNDED, PROCEDURES, ROADS } from "./roads.ts";

const refusedFor = (reply: Reply): string | undefined =>
  reply.ok || reply.failure.code !== "PERMISSION_DENIED" ? undefined : reply.failure.code;

describe("authorisation", { timeout: 300_000 }, () => {
  let replica: Replica;
  let users: readonly string[];
  before(async () => {
    replica = await Replica.open(PROCEDURES);
    for (const key of KEYS) await replica.ask({ kind: "put", key, value: "secret" as Bytes });
    const made: string[] = [];
    for (const { roles } of GRANTS) made.push(await replica.user(roles));
    users = made;
  });
  after(async () => {
    await replica.driver.close();
  });

  async function cell(road: Road, at: number, range: KeyRange): Promise<"allowed" | "denied"> {
    const grant = GRANTS[at] as (typeof GRANTS)[number];
    const keys = road.single === true ? [range.key] : keysOf(range);
    const lease = road.leased === true ? await replica.lease(keys) : 0n;
    const allowed = road.needs.every((access) => permitted(grant, access, keys));
    const { revision } = replica.driver.status();
    const reply = await replica.ask(road.request(range, lease), replica.as(users[at] as string));
    const place = `${road.name}, ${JSON.stringify(range)}, ${grant.name}`;
    if (allowed) {
      assert.equal(refusedFor(reply), undefined, `refused what is permitted: ${place}`);
      return "allowed";
    }
    assert.equal(refusedFor(reply), "PERMISSION_DENIED", `a leak: ${place}`);
    assert.equal(replica.driver.status().revision, revision, `a write: ${place}`);
    return "denied";
  }

  for (const road of [...ROADS, ...BOUNDED]) {
    test(`[AUTH-3] ${road.name}: what is not permitted is refused (${RANGES.length} ranges, ${GRANTS.length} grants)`, async () => {
      const seen = { allowed: 0, denied: 0 };
      for (const range of RANGES) {
        if (road.single === true && range.end !== undefined) continue;
        if (BOUNDED.includes(road) && (range.end === undefined || range.end === OPEN_END)) continue;
        for (let at = 0; at < GRANTS.length; at++) {
          // The key that a put names beside its lease is one of the lease's.
          seen[await cell(road, at, { key: range.key, end: range.end })]++;
        }
      }
      assert.ok(seen.allowed > 10 && seen.denied > 10, JSON.stringify(seen));
    });
  }

  test(`[AUTH-3] a watch of what is not permitted never begins (${RANGES.length} ranges, ${GRANTS.length} grants)`, async () => {
    for (const { name: _, ...range } of RANGES) {
      if (range.end !== undefined && range.end !== OPEN_END && range.end <= range.key) continue;
      for (const [at, grant] of GRANTS.entries()) {
        const refused = await replica.watch(range, replica.as(users[at] as string));
        const expected = permitted(grant, "read", keysOf(range)) ? undefined : "PERMISSION_DENIED";
        assert.equal(refused?.code, expected, `${JSON.stringify(range)}, ${grant.name}`);
      }
    }
  });

  test("[AUTH-3] listing leases needs every key to be readable (grants)", async () => {
    for (const [at, grant] of GRANTS.entries()) {
      const reply = await replica.ask({ kind: "leases" }, replica.as(users[at] as string));
      const all = permitted(grant, "read", keysOf({ key: "\0" as Bytes, end: OPEN_END }));
      assert.equal(refusedFor(reply), all ? undefined : "PERMISSION_DENIED", grant.name);
    }
  });

  test("[AUTH-4] care of the store, of users and of due records is root's alone (grants)", async () => {
    const due = { key: "due/0000000000000001/x" as Bytes, value: "{}" as Bytes };
    const orders: readonly Request[] = [
      { kind: "compact", revision: 1 },
      { kind: "hash" },
      { kind: "hash", withAuth: true },
      { kind: "alarm", action: "activate", alarm: "CLOCK" },
      { kind: "alarm", action: "deactivate", alarm: "NOSPACE" },
      { kind: "auth", order: { kind: "disable" } },
      { kind: "auth", order: { kind: "addUser", name: "x" } },
      { kind: "authShow", of: "state" },
      { kind: "authShow", of: "users" },
      { kind: "authShow", of: "user", name: "root" },
      { kind: "authShow", of: "role", name: "root" },
      { kind: "put", ...due },
      { kind: "txn", compare: [], success: [], failure: [{ kind: "put", ...due }] },
      {
        kind: "run",
        procedure: "test/auth/put@1",
        args: JSON.stringify({ key: due.key }) as Bytes,
      },
      // A kind that this version does not know.
      { kind: "novel" } as never,
    ];
    for (const [at, grant] of GRANTS.entries()) {
      for (const request of orders) {
        const reply = await replica.ask(request, replica.as(users[at] as string));
        assert.equal(refusedFor(reply), "PERMISSION_DENIED", `${request.kind}, ${grant.name}`);
      }
      const maintain = replica.driver.refuses(
        { kind: "maintain" },
        replica.as(users[at] as string),
      );
      assert.equal(maintain?.code, "PERMISSION_DENIED");
    }
  });
});
