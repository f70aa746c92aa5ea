/** What clients of real members saw through kills and pauses, recorded and checked. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { utf8 } from "../../src/base/bytes.ts";
import type { Prng } from "../../src/base/prng.ts";
import { prng } from "../../src/base/prng.ts";
import type { Quorate } from "../../src/sdk/index.ts";
import { connect } from "../../src/sdk/index.ts";
import { check } from "../../src/verify/checker/check.ts";
import type { Header } from "../../src/verify/history/history.ts";
import { readLines, written } from "../../src/verify/history/lines.ts";
import { ProcessCluster } from "./processes.ts";
import { until } from "../until.ts";
import { drawnCall, Recording } from "./recording.ts";

const SCOPE = { key: utf8("h/"), end: utf8("h0") };
const FIELD = { prefix: "h/", scope: SCOPE };
const KEYS = 4;
const CLIENTS = 6;
const SEED = Number(process.env["QUORATE_SEED"] ?? 7);

describe("recorded histories", { timeout: 720_000 }, () => {
  let cluster: ProcessCluster;
  before(async () => {
    cluster = await ProcessCluster.start(3);
    await cluster.leader();
  });
  after(() => cluster.close());

  test(`[CLS-17] what clients saw while leaders were killed and stopped is linearizable (3 processes, ${CLIENTS} clients, seed ${SEED})`, async (t) => {
    const random = prng(SEED);
    const clients: Quorate[] = [];
    for (let at = 0; at < CLIENTS; at++) clients.push(await connect(cluster.url));
    const [first] = clients as [Quorate];
    const { revision } = await first.commitment.keyspace.call({ kind: "range", ...SCOPE });
    const header: Header = { unitMs: 1, marginMs: 100, since: revision, scope: [SCOPE] };
    const recording = new Recording();
    const enough = new AbortController();
    let isOver = false;
    const client = async (name: string, q: Quorate, own: Prng): Promise<void> => {
      for (let count = 0; !isOver; count++) {
        await recording.call(
          name,
          q.commitment.keyspace,
          drawnCall(own, FIELD, KEYS, `${name}-${count}`),
        );
        // So few that the search for a place for what had no answer stays short.
        await pause(2);
      }
    };
    const work = clients.map((q, at) => client(`c${at}`, q, prng(random.u32())));
    const { keyspace } = first.commitment;
    const name = { process: "w", watch: "w" };
    const watching = recording.watch(name, keyspace, SCOPE, revision + 1, enough.signal);
    const goesOn = async (count: number): Promise<void> => {
      const wanted = recording.answered + count;
      await until(
        () => recording.answered >= wanted,
        () => `${wanted - recording.answered} of ${count} answers are missing`,
      );
    };
    await goesOn(200);
    for (let round = 0; round < 4; round++) {
      const leader = await cluster.leader();
      const what = round % 2 === 0 ? "killed" : "stopped";
      recording.record({ type: "fault", fault: leader.name, what, phase: "begin" });
      if (what === "killed") await leader.kill();
      else leader.signal("SIGSTOP");
      await goesOn(200);
      if (what === "killed") await leader.start();
      else leader.signal("SIGCONT");
      recording.record({ type: "fault", fault: leader.name, what, phase: "end" });
      await goesOn(100);
    }
    isOver = true;
    await Promise.all(work);
    enough.abort();
    await watching;
    for (const q of clients) await q.close();
    const lines = written(recording.events, header);
    const report = check(readLines(lines));
    const { result, verdicts } = report;
    if (result !== "valid") {
      const file = join(tmpdir(), `quorate-history-${process.pid}.jsonl`);
      writeFileSync(file, lines);
      assert.fail(`${result}: ${JSON.stringify(verdicts)}; quorate check ${file}`);
    }
    const unanswered = recording.events.filter(({ type }) => type === "indefinite").length;
    assert.ok(verdicts.some((each) => each.check === "watch"));
    t.diagnostic(`${recording.answered} answers, ${unanswered} operations without one`);
  });
});
