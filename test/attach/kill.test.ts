/**
 * The process that serves a data directory is killed under load of four, again and again. `QUORATE_KILLS` and
 * `QUORATE_SEED` change the run.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { prng } from "../../src/base/prng.ts";
import { connect } from "../../src/sdk/index.ts";
import type { Quorate } from "../../src/sdk/quorate.ts";
import type { Member } from "./crew.ts";
import { Crew } from "./crew.ts";
import { END, listKey } from "./layout.ts";

const KILLS = Number(process.env["QUORATE_KILLS"] ?? 100);
const SEED = Number(process.env["QUORATE_SEED"] ?? 1);
const MEMBERS = 4;
/** Longer than any take-over here. */
const TTL_MS = 30_000;
/** More than a member can have had in flight at a kill. */
const FRESH = 6;

/** What `member` was told to have happened has, once. */
async function assertOnce(q: Quorate, member: Member): Promise<void> {
  const { kvs } = await q.commitment.keyspace.call({
    kind: "range",
    key: listKey(member.name, ""),
    end: listKey(member.name, END),
  });
  const found = new Map(kvs.map((kv) => [Number(kv.key.split("/").at(-1)), kv.version]));
  for (const number of member.acknowledged)
    assert.equal(found.get(number), 1, `[ATT-3] ${member.name} ${number} of ${found.size}`);
  for (const [number, version] of found)
    assert.equal(version, 1, `[ATT-3] ${member.name} ${number} happened ${version} times`);
}

async function assertHeld(q: Quorate, member: Member): Promise<void> {
  const again = await q.lock(`own/${member.name}`).tryAcquire();
  assert.ok(!again.ok, `[ATT-4] the lock of ${member.name} was free`);
  assert.equal(again.holderToken, member.token, `[ATT-4] the lock of ${member.name}`);
}

test(`[ATT-2] [ATT-3] [ATT-4] ${KILLS} kills of the serving process lose nothing (${MEMBERS} processes)`, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "quorate-attach-"));
  const random = prng(SEED);
  const crew = new Crew(directory, TTL_MS);
  const all: Member[] = [];
  const add = (): void => void all.push(crew.add());
  const gapsMs: number[] = [];
  try {
    for (let count = 0; count < MEMBERS; count++) add();
    for (let kill = 0; kill < KILLS; kill++) {
      await crew.progress(FRESH + random.below(10));
      const serving = await crew.serving();
      for (const member of crew.alive) member.slowestMs = 0;
      await crew.kill(serving);
      // Now and then one of those that contend for the succession goes as well.
      const other = [...crew.alive][random.below(MEMBERS - 1)];
      const both = random.chance(1, 5) && other !== undefined;
      if (both) await crew.kill(other);
      await crew.progress(FRESH);
      gapsMs.push(Math.max(...[...crew.alive].map((member) => member.slowestMs)));
      add();
      if (both) add();
    }
    await crew.progress(FRESH);
    const q = await connect(`file:${directory}`);
    for (const member of crew.alive) await assertHeld(q, member);
    for (const member of crew.alive) member.tell({ kind: "end" });
    for (const member of crew.alive) assert.equal(await member.exited, 0, member.name);
    for (const member of all) await assertOnce(q, member);
    await q.close();
  } finally {
    for (const member of crew.alive) member.child.kill("SIGKILL");
    await rm(directory, { recursive: true, force: true });
  }
  assert.deepEqual(crew.faults, []);
  for (const { token, floor, name } of all)
    assert.ok(token === 0 || token > floor, `[ATT-4] ${name} has token ${token} after ${floor}`);
  for (const { ended, name } of crew.alive) {
    assert.equal(ended?.lost, false, `[ATT-4] ${name} lost its lock`);
    // Every change once, in order of its commit: commands that are in flight together may change places.
    const seen = ended?.seen ?? [];
    assert.equal(new Set(seen).size, seen.length, `[ATT-5] ${name} saw a change twice`);
    assert.equal(seen.length, ended?.sent, `[ATT-5] ${name} missed a change`);
  }
  const sorted = gapsMs.toSorted((a, b) => a - b);
  const at = (part: number): string =>
    (sorted[Math.floor((sorted.length - 1) * part)] ?? 0).toFixed(0);
  const count = all.reduce((sum, member) => sum + member.acknowledged.size, 0);
  t.diagnostic(
    `${count} acknowledged, ${crew.entered} times inside the shared lock; take-over as a caller sees it: p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, max ${at(1)} ms`,
  );
});
