/** What becomes of a member whose log or snapshot is damaged, under virtual time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../../base/bytes.ts";
import { segmentName, segmentNumbers } from "../../driver/log.ts";
import { snapshotNames } from "../../driver/snapshot-files.ts";
import { Calm, must, put } from "./calm.ts";
import type { Node } from "./node.ts";
import type { Shape } from "./run.ts";

const SHAPES: readonly Partial<Shape>[] = [
  { tailBytes: 1 << 20, snapshotLogBytes: 1 << 20 },
  { tailBytes: 1, chunkBytes: 1_000, snapshotLogBytes: 8 << 10 },
];

/** A cluster of which all members hold ninety keys and are down. */
async function filled(shape: Partial<Shape>): Promise<Calm> {
  const run = new Calm({ shape });
  for (let at = 0; at < 90; at++) await run.ok(await run.led(), put(`key-${at}`, "v".repeat(150)));
  await run.until("all are equal", () => run.isAgreed());
  for (const node of run.nodes) node.crash();
  return run;
}

/** The sectors of the newest segment that hold something. */
function usedSectors({ disk }: Node): { readonly name: string; readonly count: number } {
  const used = segmentNumbers(disk.names()).map((number) => {
    const bytes = disk.stable(segmentName(number));
    let count = bytes.length / 512;
    while (count > 0 && bytes.subarray((count - 1) * 512, count * 512).every((byte) => byte === 0))
      count--;
    return { name: segmentName(number), count };
  });
  return used.findLast(({ count }) => count > 0) ?? assert.fail("something is in the log");
}

function spoil(node: Node, name: string, at: number): void {
  node.disk.damage(name, (bytes) => {
    bytes[at] = (bytes[at] ?? 0) ^ 0x40;
  });
}

/** Starts all and lets the harmed member come to what the others have. */
async function mended(run: Calm, harmed: Node, keys: number): Promise<void> {
  for (const node of run.nodes) if (node.life === undefined) node.start();
  await run.led();
  await run.until("it is repaired", () => harmed.driver?.standing().isRepairing === false);
  await run.until("it has all", () => harmed.driver?.status().keys === keys && run.isAgreed());
  await run.sameState();
  await run.until("the mark is gone", () => !harmed.disk.names().includes("repair.json"));
  assert.ok(!must(harmed.driver).status().alarms.includes("CORRUPT"));
}

test("[REP-14] a member whose log is damaged anywhere but at its end gets it back from the others and keeps the damaged file (three members)", async () => {
  for (const shape of SHAPES) {
    const began = await filled(shape);
    const { count } = usedSectors(began.nodes[2] as Node);
    for (const sector of [0, 1, Math.floor(count / 2), count - 4]) {
      const run = await filled(shape);
      const harmed = run.nodes[2] as Node;
      const { name } = usedSectors(harmed);
      spoil(harmed, name, sector * 512 + 88);
      await mended(run, harmed, 90);
      assert.ok(harmed.disk.names().includes(`${name}.damaged`), harmed.disk.names().join());
      // It counts again: with another one gone it is needed, and it may lead.
      (run.nodes[0] as Node).crash();
      await run.ok(await run.led(run.nodes[0]), put("goes-on"));
      harmed.crash();
      harmed.start();
      await run.until("it is back", () => harmed.driver?.status().keys === 91);
    }
  }
});

test("[REP-14] a member whose snapshot is damaged gets the state from the others (three members)", async () => {
  const run = await filled(SHAPES[1] ?? {});
  const harmed = run.nodes[1] as Node;
  const [snapshot = ""] = snapshotNames(harmed.disk.names());
  spoil(harmed, snapshot, 3_000);
  await mended(run, harmed, 90);
  assert.ok(harmed.disk.names().includes(`${snapshot}.damaged`));
});

test("[REP-14] a member that loses power while it is repaired goes on with it (three members)", async () => {
  for (let moment = 1; moment < 60; moment += 3) {
    const run = await filled(SHAPES[moment % 2] ?? {});
    const harmed = run.nodes[2] as Node;
    spoil(harmed, usedSectors(harmed).name, 600);
    for (const node of run.nodes) node.start();
    await run.pass(moment * 4);
    harmed.crash();
    await run.pass(1_000);
    await mended(run, harmed, 90);
  }
});

test("[REP-22] members that are being repaired vote by what they had: what a majority lost and one has not is not lost (three members)", async () => {
  const run = new Calm();
  const leader = await run.led();
  const [behind, other] = run.others(leader) as [Node, Node];
  await run.ok(leader, put("a"));
  behind.crash();
  for (let at = 0; at < 20; at++)
    await run.ok(await run.led(behind), put(`late-${at}`, "v".repeat(300)));
  // A term more, so that the last record says how the log ended.
  for (const node of [leader, other]) node.crash();
  for (const node of [leader, other]) node.start();
  await run.ok(await run.led(behind), put("last"));
  for (const node of [leader, other]) node.crash();
  for (const node of [leader, other]) spoil(node, segmentName(1), 1_112);
  for (const node of run.nodes) node.start();
  await run.pass(10_000);
  assert.equal(run.leader(), undefined, "nobody leads without what was acknowledged");
  assert.ok([leader, other].every(({ driver }) => driver?.standing().isRepairing === true));
});

test("[REP-22] of a majority that is damaged each gets back what one still has (three members)", async () => {
  const run = await filled(SHAPES[0] ?? {});
  const [one, two] = run.nodes as [Node, Node];
  for (const node of [one, two]) spoil(node, usedSectors(node).name, 600);
  for (const node of run.nodes) node.start();
  await mended(run, one, 90);
  await mended(run, two, 90);
});

test("[REP-23] a member whose last record is damaged does not start: how it voted cannot be told; the others serve (three members)", async () => {
  const run = await filled(SHAPES[0] ?? {});
  const harmed = run.nodes[2] as Node;
  const { name, count } = usedSectors(harmed);
  harmed.harm = "damaged";
  spoil(harmed, name, (count - 1) * 512 + 40);
  for (const node of run.nodes) node.start();
  await run.until("it is refused", () => harmed.failure !== undefined);
  assert.match(harmed.failure ?? "", /remove this member.*empty directory/i);
  assert.ok(!harmed.disk.names().includes("repair.json"), "nothing was changed");
  await run.ok(await run.led(), put("goes-on"));
});

test("[REP-23] the same where its snapshot is damaged too: what to do is said of a member, not of a store that is alone (three members)", async () => {
  const run = await filled(SHAPES[1] ?? {});
  const harmed = run.nodes[2] as Node;
  const { name, count } = usedSectors(harmed);
  const [snapshot = ""] = snapshotNames(harmed.disk.names());
  harmed.harm = "damaged";
  spoil(harmed, name, (count - 1) * 512 + 40);
  spoil(harmed, snapshot, 3_000);
  for (const node of run.nodes) node.start();
  await run.until("it is refused", () => harmed.failure !== undefined);
  assert.match(harmed.failure ?? "", /snapshot.*remove this member.*empty directory/i);
});

test("[REP-23] who decides alone has nobody to get it from, and does not start (one member)", async () => {
  const run = new Calm({ members: 1 });
  for (let at = 0; at < 20; at++)
    await run.ok(await run.led(), { kind: "put", key: utf8(`k${at}`), value: utf8("v") });
  const [node] = run.nodes as [Node];
  node.crash();
  node.harm = "damaged";
  spoil(node, segmentName(1), 600);
  node.start();
  await run.until("it is refused", () => node.failure !== undefined);
  assert.match(node.failure ?? "", /remedy|remove|restore|sector/i);
  assert.ok(!node.disk.names().includes("repair.json"), "nothing was changed");
});
