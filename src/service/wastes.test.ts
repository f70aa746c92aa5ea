/** Streams that came to nothing, counted by where they came from. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { networkOf, Wastes } from "./wastes.ts";

/** How many of `tries` at one instant were allowed. */
function allowed(wastes: Wastes, address: string, nowMs: number, tries: number): number {
  let count = 0;
  for (let at = 0; at < tries; at++) if (wastes.wasted(address, nowMs)) count++;
  return count;
}

test("[H2-11] what an address wastes counts over all its connections, and who comes back waits a second", () => {
  const wastes = new Wastes();
  assert.equal(wastes.penaltyMs("10.0.0.1", 0), 0);
  assert.equal(allowed(wastes, "10.0.0.1", 0, 12_000), 12_000);
  assert.equal(allowed(wastes, "10.0.0.1", 0, 12_000), 8_000);
  assert.equal(wastes.penaltyMs("10.0.0.1", 0), 1_000);
  assert.equal(wastes.penaltyMs("::ffff:10.0.0.1", 400), 600);
  assert.equal(wastes.penaltyMs("10.0.0.2", 0), 0, "another has its own");
  assert.equal(allowed(wastes, "10.0.0.2", 0, 20_000), 20_000);
  assert.equal(wastes.penaltyMs("10.0.0.1", 1_000), 0);
  // What was refused counts too: it is regained at 2,000/s.
  assert.equal(allowed(wastes, "10.0.0.1", 1_000, 1), 0);
  assert.equal(allowed(wastes, "10.0.0.1", 12_000, 30_000), 19_999);
});

test("[H2-11] what is kept of addresses is bounded, and those beyond it are counted together (10,000 addresses)", () => {
  const wastes = new Wastes();
  const address = (at: number): string => `10.1.${at >> 8}.${at & 255}`;
  for (let at = 0; at < 4_096; at++) assert.equal(allowed(wastes, address(at), 0, 5), 5);
  // All those that follow share one allowance.
  let shared = 0;
  for (let at = 4_096; at < 10_000; at++) shared += allowed(wastes, address(at), 0, 5);
  assert.equal(shared, 20_000);
  assert.equal(wastes.penaltyMs(address(9_999), 0), 1_000);
  assert.equal(wastes.penaltyMs(address(0), 0), 0);
  // When they have regained what they spent they make room.
  assert.equal(allowed(wastes, address(9_999), 60_000, 20_000), 20_000);
  assert.equal(wastes.penaltyMs(address(9_999), 60_000), 0);
});

test("[H2-11] an address of IPv6 counts by its network", () => {
  for (const [address, network] of [
    ["127.0.0.1", "127.0.0.1"],
    ["::ffff:127.0.0.1", "127.0.0.1"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
    ["2001:db8:1:2::6", "2001:db8:1:2"],
    ["2001:db8::6", "2001:db8:0:0"],
    ["2001:db8::3:4:5:6", "2001:db8:0:0"],
    ["fe80::1", "fe80:0:0:0"],
    ["::1", "0:0:0:0"],
    ["", ""],
  ] as const)
    assert.equal(networkOf(address), network);
});
