/**
 * What `--output json` prints, verb by verb: programs are written against these shapes. A field may be added here; one that
 * goes, or changes its type, breaks them.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Shell } from "./shell.ts";

/** A document with the types of its values in their place; of a list the shape of its first item. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map(shapeOf);
  if (typeof value !== "object") return typeof value;
  if (value === null) return "null";
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, shapeOf(part)]));
}

const n = "number";
const s = "string";
const b = "boolean";
const kv = { key: s, value: s, createRevision: n, modRevision: n, version: n };
const facts = {
  revision: n,
  compactRevision: n,
  index: n,
  term: n,
  time: n,
  keys: n,
  leases: n,
  bytes: n,
};
const party = { who: s, service: s, host: s, pid: n, token: n, sinceMs: n };
const failed = {
  error: { code: s, outcome: s, retry: s, object: s, what: s, remedy: s },
};
const refusedOrder = { error: { ...failed.error, details: { reason: s } } };
const memberShown = { id: s, name: s, peerUrls: [], clientUrls: [s], learner: b };
const guarantee = { consistency: s, durability: s, time: s, fencing: s, watch: s };

/** Command, exit code, shape; in order, against one server. `LEASE` stands for the lease that was granted. */
const SHAPES: readonly (readonly [string, number, unknown])[] = [
  ["put k v", 0, { revision: n }],
  ["put k w --prev-kv", 0, { revision: n, prevKv: kv }],
  ["get k", 0, { revision: n, count: n, more: b, kvs: [kv] }],
  ["get none", 1, { revision: n, count: n, more: b, kvs: [] }],
  ["range a z", 0, { revision: n, count: n, more: b, kvs: [kv] }],
  ["watch k --rev 2 --events 1", 0, { kind: s, ...kv }],
  ["del k --prev-kv", 0, { revision: n, deleted: n, prevKvs: [kv] }],
  ["del k", 1, { revision: n, deleted: n }],
  ["lease grant 60", 0, { lease: s, ttlMs: n }],
  ["lease list", 0, { leases: [s] }],
  ["lease show LEASE", 0, { lease: s, grantedTtlMs: n, ttlMs: n, keys: [] }],
  ["lease revoke LEASE", 0, { lease: s, revision: n }],
  ["lease revoke LEASE", 3, failed],
  [
    "status",
    0,
    {
      revision: n,
      compactRevision: n,
      clusterId: s,
      memberId: s,
      leader: s,
      term: n,
      commitIndex: n,
      version: s,
      keys: n,
      bytes: n,
      quotaBytes: n,
      leases: n,
      watchers: n,
      alarms: [],
      time: n,
      procedures: [s],
      url: s,
      guarantee,
      roundTripMs: n,
    },
  ],
  ["cluster members", 0, { members: [memberShown], leader: s, term: n }],
  [
    "cluster status",
    0,
    { members: [{ name: s, id: s, role: s, term: n, applied: n, alarms: [], clientUrls: [s] }] },
  ],
  ["cluster add http://127.0.0.1:1", 2, refusedOrder],
  ["cluster promote default", 2, refusedOrder],
  ["cluster remove default", 2, refusedOrder],
  ["cluster transfer default", 0, { members: [memberShown], leader: s, term: n }],
  ["explain k", 1, { name: s, found: [] }],
  ["elect e --observe --events 1", 0, { election: s, leader: "null" }],
  ["compact", 0, { compactRevision: n }],
  ["defrag", 0, { bytes: n, quotaBytes: n, freed: n }],
  ["alarm list", 0, { alarms: [] }],
  ["snapshot save a.snap", 0, facts],
  ["snapshot inspect a.snap", 0, facts],
  ["snapshot restore a.snap --data-dir ./new", 0, facts],
  [
    "log inspect ./new",
    0,
    {
      directory: s,
      format: n,
      clusterId: s,
      memberId: s,
      directoryId: s,
      made: s,
      logId: n,
      segmentBytes: n,
      snapshots: [s],
      segments: [],
      damaged: b,
    },
  ],
  [
    "check history.jsonl",
    0,
    {
      file: s,
      format: s,
      events: n,
      operations: n,
      result: s,
      checks: [
        { check: s, result: s, counts: { registers: n, operations: n, steps: n }, violations: [] },
      ],
    },
  ],
  ["version", 0, { quorate: s, node: s, platform: s, arch: s }],
  ["help QUOTA", 0, { code: s, outcome: s, retry: s, cause: s, effect: s, remedy: s }],
  ["help get", 0, { help: s }],
  ["get", 2, failed],
  ["get k --limit x", 2, failed],
  ["lok", 2, failed],
  ["serve --listen nowhere", 2, failed],
];

const HISTORY = `{"quorate":"history","version":1}
{"type":"invoke","at":0,"process":"a","op":1,"call":{"kind":"write","value":"1"}}
`;

describe("documents", { timeout: 480_000 }, () => {
  const shell = new Shell();
  before(async () => {
    shell.environment["QUORATE_OUTPUT"] = "table";
    writeFileSync(join(shell.directory, "history.jsonl"), HISTORY);
    await shell.serve();
    shell.environment["QUORATE_OUTPUT"] = "json";
    shell.environment["FORCE_COLOR"] = "1";
  });
  after(() => shell.close());

  test("[CLI-19] each verb prints one document of its shape, without colours (one server)", async () => {
    let lease = "";
    for (const [line, code, shape] of SHAPES) {
      const ran = await shell.run(`quorate ${line.replace("LEASE", lease)}`);
      assert.equal(ran.code, code, `${line}: ${ran.stderr}`);
      const printed = code >= 2 ? ran.stderr : ran.stdout;
      const document = JSON.parse(printed) as { readonly lease?: string };
      assert.deepEqual(shapeOf(document), shape, line);
      assert.doesNotMatch(ran.stdout + ran.stderr, /\u001b/, line);
      if (code >= 2) assert.equal(ran.stdout, "", line);
      lease = document.lease ?? lease;
    }
  });

  test("[CLI-19] what is held, and who waits for it, as documents (one server)", async () => {
    const holder = shell.start("quorate lock a");
    const acquired: unknown = JSON.parse(await holder.until(/\n/));
    assert.deepEqual(shapeOf(acquired), { acquired: b, lock: s, token: n });
    const refused = await shell.run("quorate lock a --wait-ms 0");
    assert.equal(refused.code, 1);
    assert.deepEqual(shapeOf(JSON.parse(refused.stdout)), { acquired: b, reason: s, why: s });
    const permit = await shell.run("quorate semaphore p --permits 1 --weight 2 --wait-ms 0");
    assert.deepEqual([permit.code, shapeOf(JSON.parse(permit.stderr))], [2, failed]);
    const waiting = shell.start("quorate lock a");
    let explained: { readonly found: readonly { readonly waiters: readonly unknown[] }[] };
    do explained = JSON.parse((await shell.run("quorate explain lock/a")).stdout) as never;
    while (explained.found[0]?.waiters.length !== 1);
    const waiters = [{ ...party, position: n, why: s }];
    const found = [{ kind: s, name: s, object: s, holders: [party], waiters }];
    assert.deepEqual(shapeOf(explained), { name: s, found });
    const leader = shell.start("quorate elect e v");
    assert.deepEqual(shapeOf(JSON.parse(await leader.until(/\n/))), {
      leads: b,
      election: s,
      token: n,
    });
    const observed = await shell.run("quorate elect e --observe --events 1");
    assert.deepEqual(shapeOf(JSON.parse(observed.stdout)), {
      election: s,
      leader: { ...party, value: s },
    });
    for (const each of [waiting, holder, leader]) each.signal("SIGINT");
    for (const each of [waiting, holder, leader]) await each.ended;
  });
});
