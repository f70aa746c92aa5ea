/** The table of streams beside a map: ids that share places, in any order of opening and closing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { prng } from "../../base/prng.ts";
import { ReceiveWindow } from "./receive-window.ts";
import type { StreamHost } from "./stream.ts";
import { Http2Stream } from "./stream.ts";
import { StreamTable } from "./stream-table.ts";

test("[H2-8] streams are found by their ids while they are open (random openings and closings)", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0x7fff_ffff }), (seed) => {
      const random = prng(seed);
      const table = new StreamTable();
      const twin = new Map<number, Http2Stream>();
      let id = -1;
      for (let step = 0; step < 300; step++) {
        if (random.chance(3, 5) || twin.size === 0) {
          // Many of them fall on one place.
          id += random.pick([2, 128, 256]);
          const stream = new Http2Stream(id, {} as StreamHost, 0, new ReceiveWindow(1));
          table.add(stream);
          twin.set(id, stream);
        } else {
          const stream = random.pick([...twin.values()]);
          table.remove(stream, "ended");
          twin.delete(stream.id);
          assert.equal(table.closing(stream.id), "ended");
          assert.equal(table.get(stream.id), undefined);
        }
        assert.equal(table.size, twin.size);
        for (const [each, stream] of twin) assert.equal(table.get(each), stream);
      }
      assert.deepEqual(new Set(table.all()), new Set(twin.values()));
    }),
    { numRuns: 60 },
  );
});
