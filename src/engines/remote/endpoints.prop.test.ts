/** Where a client goes next, over drawn endpoints. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Address } from "../../ports/network.ts";
import { Endpoints } from "./endpoints.ts";

const addresses = fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 });
const addressOf = (port: number): Address => ({ kind: "tcp", host: "h", port });
const urlOf = (port: number): string => `http://h:${port}`;
const portOf = (address: Address): number => (address.kind === "tcp" ? address.port : 0);

test("[REM-10] each endpoint, given or told, has its turn, and given ones are never forgotten (any endpoints)", () => {
  fc.assert(
    fc.property(addresses, fc.array(addresses), fc.nat(20), (given, told, tries) => {
      const endpoints = new Endpoints(given.map(addressOf));
      assert.equal(portOf(endpoints.next()), given[0], "the first is tried first");
      for (const ports of told) {
        endpoints.learn(ports.map(urlOf));
        for (let at = 0; at < tries; at++) endpoints.next();
        const all = new Set([...given, ...ports]);
        const tried = Array.from({ length: all.size }, () => portOf(endpoints.next()));
        assert.deepEqual(new Set(tried), all);
      }
    }),
  );
});

test("[REM-11] who leads is next, once, unless it is where the client is (any endpoints)", () => {
  fc.assert(
    fc.property(addresses, fc.integer({ min: 1, max: 9 }), (given, leader) => {
      const endpoints = new Endpoints(given.map(addressOf));
      const current = endpoints.next();
      const isElsewhere = portOf(current) !== leader;
      assert.equal(endpoints.prefer([urlOf(leader)], current), isElsewhere);
      if (isElsewhere) assert.equal(portOf(endpoints.next()), leader);
      const rest = Array.from({ length: endpoints.all.length }, () => portOf(endpoints.next()));
      assert.deepEqual(new Set(rest), new Set(endpoints.all.map(portOf)));
      assert.equal(endpoints.prefer([], current), false);
    }),
  );
});

test("[REM-10] urls that are none, and those told over a local socket, are not heeded (any)", () => {
  const local = new Endpoints([{ kind: "local", path: "/d" }]);
  local.learn(["http://h:1"]);
  assert.equal(local.prefer(["http://h:1"], undefined), false);
  assert.deepEqual(local.next(), { kind: "local", path: "/d" });
  const endpoints = new Endpoints([addressOf(1)]);
  endpoints.learn(["", "h:1", "http://", "http://h:70000", "http://[::1]:7", "quorate://g"]);
  assert.deepEqual(endpoints.all.slice(1), [
    { kind: "tcp", host: "::1", port: 7 },
    { kind: "tcp", host: "g", port: 2379 },
  ]);
});
