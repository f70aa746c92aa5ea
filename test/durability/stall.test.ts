/** What goes on while a disk stands still, and when it goes on. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { prng } from "../../src/base/prng.ts";
import type { Failure } from "../../src/base/errors.ts";
import { FORMATS } from "../../src/contract/formats.ts";
import { procedureSet } from "../../src/contract/procedure.ts";
import type { Reply } from "../../src/contract/requests.ts";
import { openDriver } from "../../src/driver/driver.ts";
import type { Peers } from "../../src/driver/peers.ts";
import type { Clock } from "../../src/ports/clock.ts";
import { Cluster } from "../../src/service/cluster/cluster.ts";
import { forwarding } from "../../src/service/cluster/forwarding.ts";
import { Forwarder } from "../../src/service/peers/forwarder.ts";
import { Machine, put, SEGMENT_BYTES } from "./machine.ts";

/** As the clocks of hosts do, it moves between two looks. */
function moving(clock: Clock): Clock {
  let looks = 0;
  return {
    monotonicMs: () => clock.monotonicMs() + ++looks / 1e6,
    wallMs: () => clock.wallMs(),
    after: (delayMs, fire) => clock.after(delayMs, fire),
    soon: (fire) => clock.soon(fire),
  };
}

const nobody: Peers = {
  send: () => {},
  attach: () => {},
  members: () => {},
  suppose: () => {},
  close: () => Promise.resolve(),
};

test("[REP-12] [FWD-2] who decides alone goes on when its disk does, and carries out what waited (one simulated node)", async () => {
  const machine = new Machine();
  const clock = moving(machine.clock);
  const own = { name: "m1", clientUrls: [], peerUrls: ["http://h:1"] };
  const driver = await machine.until(
    openDriver({
      ...{ disk: machine.disk.mount(machine.clock), clock, entropy: prng(4) },
      ...{ procedures: procedureSet([]), label: "node", segmentBytes: SEGMENT_BYTES },
      cluster: {
        ...{ id: 1, name: "m1", clientUrls: [], clusterId: 9n, peers: nobody },
        initial: [{ id: 1, ...own, learner: false, identity: "" }],
      },
    }),
  );
  let stopped: Failure | undefined;
  driver.onStopped((reason) => (stopped = reason));
  const forwarder: Forwarder = new Forwarder({
    ...{ dial: () => Promise.reject(new Error("nobody")), clock, entropy: prng(5) },
    self: { id: 1, identity: "1", cluster: "9", formats: FORMATS, ...own },
    leader: () => cluster.leader(),
    here: (asked, done) => {
      assert.ok(asked.kind === "request");
      driver.submit(asked.request, asked.caller, done, asked.identity);
    },
  });
  const cluster: Cluster = new Cluster({ driver, clock, entropy: prng(6), forwarder, own });
  const asClients = forwarding(driver, forwarder);
  await machine.pass(2_000);
  assert.equal(driver.standing().role, "leader");
  machine.disk.slowMs = 1_000;
  driver.submit(put("before"), undefined, () => {});
  await machine.pass(700);
  machine.disk.slowMs = 0;
  assert.equal(driver.standing().leader, 0, "its disk stands still");
  let reply: Reply | undefined;
  asClients.submit(put("waits"), undefined, (said) => (reply = said));
  await machine.pass(5_000);
  assert.equal(stopped, undefined);
  assert.equal(reply?.ok, true);
});

test("[DRV-10] callers that are idle are closed in entries that fit the log, however long the disk stands still (one simulated node)", async () => {
  const machine = new Machine();
  const driver = await machine.open({ segmentBytes: 16 << 20, callerIdleMs: 5_000 });
  let stopped: Failure | undefined;
  driver.onStopped((reason) => (stopped = reason));
  let opened = 0;
  for (let id = 1n; id <= 20_000n; id++)
    driver.submit(
      { kind: "callerOpen", id: id << 40n },
      undefined,
      ({ ok }) => (opened += ok ? 1 : 0),
    );
  await machine.pass(500);
  assert.equal(opened, 20_000);
  await machine.pass(4_000);
  machine.disk.slowMs = 30_000;
  driver.submit(put("k"), undefined, () => {});
  await machine.pass(31_000);
  machine.disk.slowMs = 0;
  await machine.pass(60_000);
  assert.equal(stopped, undefined);
});
