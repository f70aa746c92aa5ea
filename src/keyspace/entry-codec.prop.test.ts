/** Log entries: read back as written, and damaged ones refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromArray, utf8 } from "../base/bytes.ts";
import { ByteWriter, Malformed } from "../base/codec.ts";
import { failure } from "../base/errors.ts";
import type { Reply } from "../contract/requests.ts";
import type { Change, Entry, MetaChange } from "./effects.ts";
import { decodeEntry, encodeEntry, loggedTime } from "./entry-codec.ts";

const plainly = { noNullPrototype: true };
const bytes = fc.uint8Array({ maxLength: 60 }).map((array) => fromArray(array));
const id = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const count = fc.maxSafeNat();
const only = <T extends string>(kind: T): fc.Arbitrary<T> => fc.constant(kind);

const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record(
    { kind: only("put"), key: bytes, value: bytes, lease: fc.oneof(fc.constant(0n), id) },
    plainly,
  ),
  fc.record({ kind: only("delete"), key: bytes }, plainly),
);
const kv = fc.record(
  {
    key: bytes,
    value: bytes,
    createRevision: count,
    modRevision: count,
    version: count,
    lease: id,
  },
  plainly,
);
const refused = failure("INVALID", {
  object: "lease 1",
  what: "is unknown",
  remedy: "Grant it.",
  details: { at: 1 },
});
const replied = fc.oneof(
  fc.record(
    { request: only("put"), response: fc.record({ revision: count, prevKv: kv }, plainly) },
    plainly,
  ),
  fc.record(
    {
      request: only("run"),
      response: fc.record({ revision: count, result: fc.json().map(utf8) }, plainly),
    },
    plainly,
  ),
  fc.record(
    {
      request: only("leaseGrant"),
      response: fc.record({ revision: count, id, ttlMs: count }, plainly),
    },
    plainly,
  ),
  fc.constant({ request: "leaseRevoke" as const, failure: refused }),
);
const name = fc.string({ unit: "grapheme" });
const permission = fc.oneof(
  fc.record({ access: fc.constantFrom("read", "write", "readwrite"), key: bytes }, plainly),
  fc.record({ access: only("read"), key: bytes, end: bytes }, plainly),
);
const meta: fc.Arbitrary<MetaChange> = fc.oneof(
  fc.record({ kind: only("callerOwned"), id, owner: name }, plainly),
  fc.record({ kind: only("authSet"), enabled: fc.boolean(), revision: count }, plainly),
  fc.record({ kind: fc.constantFrom("userGone", "roleGone"), name }, plainly),
  fc.record(
    {
      kind: only("userSet"),
      user: fc.oneof(
        fc.record({ name, roles: fc.array(name), since: count }, plainly),
        fc.record({ name, password: name, roles: fc.array(name), since: count }, plainly),
      ),
    },
    plainly,
  ),
  fc.record(
    {
      kind: only("roleSet"),
      role: fc.record({ name, permissions: fc.array(permission) }, plainly),
    },
    plainly,
  ),
  fc.record({ kind: only("leaseGranted"), id, ttlMs: count }, plainly),
  fc.record(
    { kind: fc.constantFrom("leaseRevoked", "leaseFenced", "callerOpened", "callerClosed"), id },
    plainly,
  ),
  fc.record({ kind: fc.constantFrom("compacted", "restored"), revision: count }, plainly),
  fc.record(
    {
      kind: only("alarmed"),
      alarm: fc.constantFrom("NOSPACE", "CORRUPT", "CLOCK"),
      on: fc.boolean(),
    },
    plainly,
  ),
  fc
    .tuple(id, count, count, replied)
    .map(([caller, sequence, firstUnacked, answer]): MetaChange => {
      const reply: Reply =
        "failure" in answer
          ? { ok: false, failure: answer.failure }
          : { ok: true, response: answer.response };
      return {
        kind: "replied",
        id: caller,
        sequence,
        firstUnacked,
        request: answer.request,
        reply,
      };
    }),
);
const entry: fc.Arbitrary<Entry> = fc.record(
  {
    index: count,
    term: count,
    time: fc.double({ min: 0, max: 2e12, noNaN: true }).map(loggedTime),
    transactions: fc.array(
      fc.record({ revision: count, changes: fc.array(change), meta: fc.array(meta) }, plainly),
    ),
  },
  plainly,
);

function encoded(value: Entry): Uint8Array {
  const writer = new ByteWriter();
  encodeEntry(writer, value);
  return writer.take();
}

test("[ENTRY-1] an entry is read back as it was written, its time to the last digit", () => {
  fc.assert(
    fc.property(entry, (value) => {
      const { time, transactions } = value;
      assert.deepEqual(decodeEntry(encoded(value)), { time, transactions });
    }),
    { numRuns: 400 },
  );
});

test("[ENTRY-2] every prefix of an entry, and an entry with bytes after it, is malformed", () => {
  fc.assert(
    fc.property(entry, fc.nat(), (value, cut) => {
      const array = encoded(value);
      assert.throws(() => decodeEntry(array, 0, cut % array.length), Malformed);
      assert.throws(() => decodeEntry(Uint8Array.of(...array, 0)), Malformed);
    }),
  );
});

test("[ENTRY-3] flipped bytes give an entry or Malformed, never another error", () => {
  fc.assert(
    fc.property(
      entry,
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      (value, flips) => {
        const array = encoded(value);
        for (const [at, byte] of flips) array[at % array.length] = byte;
        try {
          decodeEntry(array);
        } catch (error) {
          assert.ok(error instanceof Malformed, String(error));
        }
      },
    ),
    { numRuns: 2_000 },
  );
});

test("[ENTRY-4] logged times keep their order and never run ahead of the time they log", () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 2e12, noNaN: true }),
      fc.double({ min: 0, max: 10, noNaN: true }),
      (time, later) => {
        assert.ok(loggedTime(time) <= time && time - loggedTime(time) < 0.002);
        assert.ok(loggedTime(time) <= loggedTime(time + later));
      },
    ),
  );
});
