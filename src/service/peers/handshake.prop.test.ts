/** Who is let in by a member, over drawn members: each single difference that matters is refused, all else is welcome. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FORMATS } from "../../contract/formats.ts";
import type { PeerHello, RefusalReason } from "../../wire/native/peer-handshake.ts";
import { formatOf, peerVersions } from "../../wire/native/peer-handshake.ts";
import type { Acquaintance, Self } from "./handshake.ts";
import { helloOf, isKnown, judged } from "./handshake.ts";

const ids = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const identities = fc.bigInt({ min: 1n, max: (1n << 63n) - 1n }).map(String);

const SHOWN = { formats: FORMATS, name: "m", peerUrls: ["http://a:1"], clientUrls: [] };

interface Meeting {
  readonly dialler: Self;
  readonly self: Self;
  /** By which directory each knows the other; empty: by none. */
  readonly knownDialler: string;
  readonly knownSelf: string;
}

const meetings: fc.Arbitrary<Meeting> = fc
  .tuple(fc.uniqueArray(ids, { minLength: 2, maxLength: 2 }), identities, identities, identities)
  .chain(([[one, other], cluster, own, theirs]) =>
    fc.tuple(fc.boolean(), fc.boolean()).map(([isKnownHere, isKnownThere]) => ({
      dialler: { ...SHOWN, cluster, id: one as number, identity: theirs },
      self: { ...SHOWN, cluster, id: other as number, identity: own },
      knownDialler: isKnownHere ? theirs : "",
      knownSelf: isKnownThere ? own : "",
    })),
  );

const PEER_VERSIONS = peerVersions(FORMATS);

function acquaintance(identity: string, removed: readonly number[] = [], format = 0): Acquaintance {
  return { identityOf: () => identity, wasRemoved: (id) => removed.includes(id), format };
}

function hello({ dialler, self, knownSelf }: Meeting): PeerHello {
  return helloOf(dialler, { ...self, identity: knownSelf }, "prompt");
}

function reasonOf(
  meeting: Meeting,
  difference: Partial<PeerHello>,
  removed: readonly number[] = [],
): RefusalReason | undefined {
  const known = acquaintance(meeting.knownDialler, removed);
  const found = judged({ ...hello(meeting), ...difference }, meeting.self, known);
  return "reason" in found ? found.reason : undefined;
}

test("[PEER-3] members of one cluster that are who the other knows are welcome (any members)", () => {
  fc.assert(
    fc.property(meetings, (meeting) => {
      const known = acquaintance(meeting.knownDialler);
      assert.deepEqual(judged(hello(meeting), meeting.self, known), {
        version: PEER_VERSIONS.newest,
      });
      assert.equal(isKnown(meeting.self.id, meeting.knownSelf, meeting.self), undefined);
    }),
  );
});

test("[PEER-4] another cluster, another member, itself, a removed one are refused, each with its reason (any members)", () => {
  fc.assert(
    fc.property(meetings, identities, ids, (meeting, cluster, id) => {
      fc.pre(cluster !== meeting.self.cluster && id !== meeting.self.id);
      assert.equal(reasonOf(meeting, { cluster }), "cluster");
      assert.equal(reasonOf(meeting, { to: id }), "member");
      assert.equal(reasonOf(meeting, { from: meeting.self.id }), "member");
      assert.equal(reasonOf(meeting, {}, [meeting.dialler.id]), "removed");
    }),
  );
});

test("[PEER-5] a member whose directory is another than the one it is known by is refused, from either side (any members)", () => {
  fc.assert(
    fc.property(meetings, identities, (meeting, identity) => {
      fc.pre(identity !== meeting.dialler.identity && identity !== meeting.self.identity);
      const isKnownHere = meeting.knownDialler !== "";
      assert.equal(reasonOf(meeting, { identity }), isKnownHere ? "identity" : undefined);
      assert.equal(reasonOf(meeting, { identity: "" }), "identity");
      assert.equal(reasonOf(meeting, { toIdentity: identity }), "identity");
      assert.equal(isKnown(1, identity, meeting.self)?.reason, "identity");
      assert.equal(isKnown(1, "", { identity: "" })?.reason, "identity");
    }),
  );
});

test("[PEER-6] versions meet at the newest that both speak, and are refused where there is none (any ranges)", () => {
  const versions = fc.tuple(fc.nat(9), fc.nat(9)).map(([a, b]) => [Math.min(a, b), Math.max(a, b)]);
  fc.assert(
    fc.property(meetings, versions, (meeting, [oldest = 0, newest = 0]) => {
      const difference = { oldest, newest };
      const known = acquaintance(meeting.knownDialler);
      const found = judged({ ...hello(meeting), ...difference }, meeting.self, known);
      const common = Math.min(newest, PEER_VERSIONS.newest);
      const fits = common >= oldest && common >= PEER_VERSIONS.oldest;
      assert.deepEqual(
        "version" in found ? found.version : found.reason,
        fits ? common : "version",
      );
    }),
  );
});

test("[FMT-2] one that does not read what the cluster writes is refused, whatever else both speak (any formats)", () => {
  fc.assert(
    fc.property(meetings, fc.nat(9), fc.nat(9), (meeting, written, newest) => {
      const known = acquaintance(meeting.knownDialler, [], written);
      const wide = { ...meeting.self, formats: { oldest: 1, newest: 99 } };
      const found = judged({ ...hello(meeting), oldest: 0, newest }, wide, known);
      assert.equal(
        "reason" in found ? found.reason : "",
        formatOf(newest) < written ? "version" : "",
      );
      if ("reason" in found) assert.match(found.what, new RegExp(`writes format ${written}`));
    }),
  );
});
