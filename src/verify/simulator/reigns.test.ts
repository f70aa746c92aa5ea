/** Who has led when: one server in a term, and how often that changed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FORMATS } from "../../contract/formats.ts";
import type { MemberStanding } from "../../driver/face.ts";
import { Reigns } from "./reigns.ts";

function standing(role: MemberStanding["role"], term: number): MemberStanding {
  const leader = role === "leader" ? 1 : 0;
  return { id: 1, identity: "", role, term, leader, isRepairing: false, format: FORMATS.newest };
}

test("[SIM-LEAD-1] two leaders of one term are found; a restart, or a term without a leader, is no change", () => {
  const found: string[] = [];
  const reigns = new Reigns((rule) => found.push(rule));
  reigns.stands("a", standing("follower", 1));
  assert.equal(reigns.changes, 0);
  for (const term of [2, 2, 5]) reigns.stands("a", standing("leader", term));
  reigns.stands("b", standing("candidate", 6));
  assert.equal(reigns.changes, 1);
  reigns.stands("b", standing("leader", 7));
  assert.deepEqual([reigns.changes, found], [2, []]);
  reigns.stands("b", standing("leader", 5));
  assert.deepEqual(found, ["SIM-LEAD-1"]);
});
