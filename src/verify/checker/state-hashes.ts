/**
 * State hashes: members that have applied the same revision, with the same compacted one, have the same state.
 *
 * Source: etcd's HashKV and its corruption check.
 */
import type { History, Placed, StateHash } from "../history/history.ts";
import { Findings, type Verdict } from "./verdict.ts";

export function checkStates({ states }: History): Verdict | undefined {
  if (states.length === 0) return undefined;
  const findings = new Findings();
  const known = new Map<string, Placed<StateHash>>();
  for (const each of states) {
    const { member, revision, compactRevision = 0, hash, place } = each;
    const at = `${revision}/${compactRevision}`;
    const other = known.get(at);
    if (other === undefined) known.set(at, each);
    else if (other.hash !== hash)
      findings.add({
        rule: "HIST-STATE",
        what: `at revision ${revision} the state of ${other.member} has hash ${other.hash}, that of ${member} ${hash}`,
        place,
        operations: [],
      });
  }
  const members = new Set(states.map(({ member }) => member)).size;
  return findings.verdict("state", { members, hashes: states.length, revisions: known.size });
}
