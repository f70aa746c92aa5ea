/**
 * What a simulated cluster has promised, looked at in the end.
 *
 * Nothing acknowledged is lost; a command repeated under its stamp happened once; what clients saw is explained by one order of
 * everything (`checker`), which must come to a verdict; members that have applied as much are in the same state, to the
 * byte. That nobody is told of a revision below one that was told before he asked, and that who is sure to own is alone, is
 * seen while it happens.
 */
import { assert } from "../../base/assert.ts";
import { utf8 } from "../../base/bytes.ts";
import type { Reply, Request } from "../../contract/requests.ts";
import { check } from "../checker/check.ts";
import { historyOf } from "../history/builder.ts";
import { stateSum } from "../state-sum.ts";
import type { Facts } from "./asker.ts";
import { SCOPE, TTL_MAX_MS } from "./keyspace-client.ts";
import type { Node } from "./node.ts";
import type { Recording } from "./recording.ts";

/** Revision of an empty store. */
const SINCE = 1;
/** What a tick and the way to the disk may take of a lease, ms. */
const MARGIN_MS = 5;

type Ask = (request: Request) => Promise<Reply>;

/** What was acknowledged is there. */
export async function checkKept(ask: Ask, facts: Facts): Promise<void> {
  const read = async (key: string): Promise<number> => {
    const reply = await ask({ kind: "range", key: utf8(key) });
    assert(reply.ok && "kvs" in reply.response, "a key can be read");
    return Number(reply.response.kvs[0]?.value ?? "0");
  };
  for (const [key, number] of facts.numbers) {
    const found = await read(key);
    assert(found >= number, `${key} is ${found}, ${number} was acknowledged`);
  }
  const { counted, uncertain } = facts;
  const found = await read("count");
  assert(
    counted <= found && found <= counted + uncertain,
    `the count is ${found}, ${counted} were acknowledged and ${uncertain} are uncertain`,
  );
  const leases = await ask({ kind: "leases" });
  assert(leases.ok && "ids" in leases.response, "leases can be read");
  const there = new Set(leases.response.ids);
  for (const id of facts.leases) assert(there.has(id), `lease ${id} was acknowledged`);
}

/** What the recorded history comes to; `drift` of clocks, in a hundred. Returns what was looked at. */
export function checkHistory(
  { events }: Recording,
  drift: number,
): Readonly<Record<string, number>> {
  if (events.length === 0) return {};
  const marginMs = MARGIN_MS + (TTL_MAX_MS * drift) / 100;
  const history = historyOf(events, { unitMs: 1, marginMs, since: SINCE, scope: [SCOPE] });
  const { result, verdicts } = check(history);
  const wrong = verdicts.find((each) => each.result !== "valid");
  const what = wrong?.violations[0];
  assert(
    result === "valid",
    `the history is ${result}: ${wrong?.check} ${what?.rule ?? ""} ${what?.what ?? ""}`,
  );
  return Object.assign({}, ...verdicts.map(({ counts }) => counts)) as Record<string, number>;
}

/** The snapshots of these members are the same bytes; returns their checksum. */
export async function sameState(members: readonly Node[]): Promise<number> {
  const sums: { readonly id: number; readonly sum: number; readonly index: number }[] = [];
  for (const { id, driver } of members) {
    const index = driver?.status().commitIndex ?? 0;
    const sum = driver === undefined ? 0 : await stateSum(driver);
    sums.push({ id, sum, index });
  }
  const [first, ...others] = sums;
  assert(first !== undefined, "there is a member");
  for (const { id, sum, index } of others)
    if (index === first.index)
      assert(
        sum === first.sum,
        `members ${first.id} and ${id} are in different states at ${index}`,
      );
  return first.sum;
}

/** These members, which have committed as much, name the same members. */
export function sameMembers(members: readonly Node[]): void {
  const named = members.map(({ id, raft }) => {
    const config = raft?.log.configAt(raft.log.commit);
    return { id, commit: raft?.log.commit, config: JSON.stringify(config) };
  });
  for (const { id, commit, config } of named)
    for (const other of named)
      assert(
        commit !== other.commit || config === other.config,
        `member ${id} takes ${config} for the members at ${commit}, member ${other.id} ${other.config}`,
      );
}
