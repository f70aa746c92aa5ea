/** What a replica says and keeps when messages come in an order that is rare. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteWriter } from "../../src/base/codec.ts";
import { utf8 } from "../../src/base/bytes.ts";
import { Base } from "../../src/keyspace/base.ts";
import { encodeEntry } from "../../src/keyspace/entry-codec.ts";
import type { Message, MessageBody } from "../../src/protocols/agreement/raft/messages.ts";
import { entryBytes } from "../../src/protocols/agreement/raft/messages.ts";
import type { ReplicaInput, ReplicaOutput } from "../../src/replica/inputs.ts";
import { Host, written } from "./host.ts";

const THREE = { voters: [1, 2, 3], outgoing: [], learners: [] };
const PUT = { kind: "put", key: utf8("k"), value: utf8("v") } as const;

/** Delivers what `arrives` until nothing is on its way; the rest is lost. */
function deliver(hosts: ReadonlyMap<number, Host>, arrives: (message: Message) => boolean): void {
  for (;;) {
    const wire = [...hosts.values()].flatMap((host) => host.sent.splice(0));
    if (wire.length === 0) return;
    for (const message of wire.filter(arrives))
      hosts.get(message.to)?.step({ kind: "message", message });
  }
}

test("[REP-1] [REP-3] what a new leader's first message replaces and commits is not acknowledged by the old one (3 members)", () => {
  const hosts = new Map(THREE.voters.map((id) => [id, new Host({ id, config: THREE })]));
  const [one, two, three] = [...hosts.values()] as [Host, Host, Host];
  one.step({ kind: "start" });
  deliver(hosts, () => true);
  assert.ok(one.replica.leading);

  // All connections of the leader break; it writes what nobody gets.
  for (const [at, host] of [two, three].entries()) {
    host.step({ kind: "connectionLost", member: 1 });
    one.step({ kind: "connectionLost", member: at + 2 });
  }
  const isCut = ({ from, to }: Message): boolean => from !== 1 && to !== 1;
  one.step({ kind: "request", id: 7, request: PUT, caller: undefined });
  one.step({ kind: "seal" });
  deliver(hosts, isCut);
  assert.equal(one.replies.get(7), undefined);

  // The others elect one of them, and commit its first entry.
  two.step({ kind: "tick", count: 1 });
  deliver(hosts, isCut);
  assert.ok(two.replica.leading);
  assert.equal(one.raft.role, "leader", "it does not know yet");

  // Another connection breaks, so what was lost is sent again; that is the first that the old leader hears.
  two.step({ kind: "connectionLost", member: 1 });
  deliver(hosts, ({ from, to, kind }) => from === 2 && to === 1 && kind === "append");
  assert.equal(one.raft.role, "follower");
  assert.equal(one.replica.base.get(utf8("k")), undefined, "it was replaced");
  const reply = one.replies.get(7);
  assert.ok(reply?.ok === false, "it is gone, and was acknowledged");
  assert.deepEqual([reply.failure.code, reply.failure.outcome], ["LEADER_CHANGED", "indefinite"]);
});

test("[REP-11] the log in memory stays bounded after a member was fed a snapshot (1 member, 1 learner)", () => {
  const tailBytes = 32 << 10;
  let made = 0;
  // Whoever asks for a snapshot that is not there gets the newest, written at once.
  const heed = (output: ReplicaOutput): readonly ReplicaInput[] => {
    if (output.kind !== "chunkRead") return written(output);
    const { index, offset, to } = output;
    const isThere = index === made;
    const data = isThere ? new Uint8Array(1) : undefined;
    const chunk = { kind: "chunkRead", to, index, offset, data, last: isThere } as const;
    if (isThere) return [chunk];
    made = host.replica.base.appliedIndex;
    return [{ kind: "snapshotTaken", index: made }, chunk];
  };
  const config = { voters: [1], outgoing: [], learners: [2] };
  const host: Host = new Host({ id: 1, config, tailBytes, heed });
  const { raft } = host;
  const put = (): void => {
    const request = { ...PUT, value: utf8("v".repeat(1_000)) };
    host.step({ kind: "request", id: 1, request, caller: undefined });
    host.step({ kind: "seal" });
  };
  const kept = (): number =>
    raft.log
      .slice(raft.log.first, raft.log.last, Infinity)
      .reduce((sum, entry) => sum + entryBytes(entry), 0);
  host.step({ kind: "start" });
  for (let at = 0; at < 200; at++) put();
  assert.ok(kept() <= tailBytes * 1.25 + 2_000, `${kept()} bytes before`);

  // The learner comes with nothing: it is fed the newest state, and then the log.
  host.hear(2, { kind: "heartbeatReply", round: 0 });
  assert.ok(made > 0 && host.sent.some(({ kind }) => kind === "chunk"), "it was sent a snapshot");
  host.hear(2, { kind: "appendReply", index: made });
  assert.equal(host.replica.isFeeding, false);
  for (let at = 0; at < 2_000; at++) {
    put();
    host.hear(2, { kind: "appendReply", index: raft.log.last });
  }
  assert.ok(kept() <= tailBytes * 2, `${kept()} bytes of the log are in memory, not ${tailBytes}`);
});

test("[REP-10] a copy of a command that may yet commit is not refused for certain when no more reads are taken (2 members)", () => {
  const config = { voters: [1, 2], outgoing: [], learners: [] };
  const host = new Host({ id: 1, config, readsMax: 4 });
  const { raft, replies } = host;
  host.step({ kind: "start" });
  host.hear(2, { kind: "preVoteReply", granted: true }, 1);
  host.hear(2, { kind: "voteReply", granted: true });
  host.hear(2, { kind: "appendReply", index: raft.log.last });
  assert.ok(host.replica.leading);
  host.step({ kind: "request", id: 1, request: { kind: "callerOpen", id: 7n }, caller: undefined });
  host.step({ kind: "seal" });
  host.hear(2, { kind: "appendReply", index: raft.log.last });
  assert.equal(replies.get(1)?.ok, true);

  // From here on nothing is heard of the other, which may have all that is sent.
  const caller = { id: 7n, sequence: 1, firstUnacked: 1 };
  host.step({ kind: "request", id: 2, request: PUT, caller });
  host.step({ kind: "seal" });
  for (let id = 10; id < 14; id++)
    host.step({ kind: "request", id, request: { kind: "range", key: PUT.key }, caller: undefined });
  host.step({ kind: "request", id: 3, request: PUT, caller });
  const reply = replies.get(3);
  assert.ok(reply?.ok === false);
  assert.deepEqual([reply.failure.code, reply.failure.outcome], ["OVERLOADED", "indefinite"]);
});

test("[RAFT-7-1] a snapshot that the log has overtaken does not take the place of one that waits for the disk (3 members)", () => {
  let ticket = 0;
  const heed = (output: ReplicaOutput): readonly ReplicaInput[] => {
    if (output.kind === "write") ({ ticket } = output);
    return [];
  };
  const host = new Host({ id: 2, config: THREE, heed });
  const chunk = (index: number, term: number, source: number): MessageBody => {
    const snapshot = { index, term, source, config: THREE };
    return { kind: "chunk", snapshot, offset: 0, data: new Uint8Array(1), last: true };
  };
  const come = (index: number, term: number): void => {
    const base = baseAt(index, term);
    host.step({ kind: "chunkWritten", index, next: 1, valid: true, base });
  };
  host.hear(1, chunk(10, 1, 1), 1);
  const first = ticket;
  assert.ok(first > 0, "term and vote are being written, slowly");
  come(10, 1);
  assert.ok(host.raft.log.awaitsInstall);
  host.hear(3, chunk(20, 2, 3), 2);
  const writer = new ByteWriter(64);
  encodeEntry(writer, { time: 1, transactions: [] });
  const data = writer.take();
  const entries = Array.from({ length: 10 }, (_, at) => {
    return { index: 11 + at, term: 2, kind: "data", data } as const;
  });
  host.hear(1, { kind: "append", prevIndex: 10, prevTerm: 1, entries, commit: 20 }, 3);
  come(20, 2);
  host.step({ kind: "written", ticket: first });
  assert.equal(host.replica.base.appliedIndex, 20);
});

/** The state that a snapshot at `index` brings. */
function baseAt(index: number, term: number): Base {
  const base = new Base();
  base.members.configure(THREE);
  for (let at = 1; at <= index; at++)
    base.apply({ index: at, term: at === index ? term : 1, time: 1, transactions: [] }, 0);
  return base;
}
