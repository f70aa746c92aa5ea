/** A minute of a storm over real members; `npm run storm` has longer ones. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { straceMissing } from "../storm/faults.ts";
import { Storm, wrongIn } from "../storm/storm.ts";
import { ProcessCluster } from "./processes.ts";

const SECONDS = Number(process.env["QUORATE_STORM_SECONDS"] ?? 60);
const SEED = Number(process.env["QUORATE_SEED"] ?? 1);

describe("a storm", { timeout: 600_000 + 3_000 * SECONDS }, () => {
  let cluster: ProcessCluster;
  before(async () => {
    cluster = await ProcessCluster.start(3, { linked: true });
    await cluster.leader();
  });
  after(() => cluster.close());

  test(`[CLS-21] kills, pauses, one-way partitions and failing disks lose nothing, break no order and no watch (3 processes, ${SECONDS} s, seed ${SEED})`, async (t) => {
    const { members, url, links } = cluster;
    const say = (what: string): void => t.diagnostic(what);
    const options = { seconds: SECONDS, seed: SEED, isQuiet: false, say };
    const report = await new Storm({ members, url, network: links }, options).run();
    // How much is done in a second is the script's to judge: here other tests run beside it.
    assert.deepEqual(wrongIn({ ...report, perSecond: Infinity }, false), []);
    const { operations, ownerships, told, faults } = report;
    assert.ok(operations > 10 * SECONDS && ownerships > 0 && told > 0, JSON.stringify(report));
    assert.ok(
      faults.kills > 0 && faults.stops > 0 && faults.partitions > 0,
      JSON.stringify(faults),
    );
    if (straceMissing() === false) assert.ok(faults.diskErrors > 0, JSON.stringify(faults));
    else t.diagnostic(`without failing disks: ${String(straceMissing())}`);
  });
});
