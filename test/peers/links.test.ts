/** Members over loopback sockets: they elect, commit, part and meet again; who is not meant is turned away. */
import assert from "node:assert/strict";
import { connect as connectNet, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { test } from "node:test";
import type { Message } from "../../src/protocols/agreement/raft/messages.ts";
import type { DialPeer } from "../../src/service/peers/peer-dial.ts";
import { QUEUE_BYTES_MAX } from "../../src/service/peers/outgoing.ts";
import type { RefusalReason } from "../../src/wire/native/peer-handshake.ts";
import type { SocketMemberOptions } from "./socket-member.ts";
import { elected, SocketMember } from "./socket-member.ts";
import { until } from "../until.ts";

async function cluster(
  count: number,
  options: (id: number) => SocketMemberOptions = () => ({}),
): Promise<readonly SocketMember[]> {
  const ids = Array.from({ length: count }, (_, at) => at + 1);
  const members = await Promise.all(ids.map((id) => SocketMember.open(id, ids, options(id))));
  for (const member of members) member.start(members);
  return members;
}

async function ended(members: readonly SocketMember[]): Promise<void> {
  await Promise.all(members.map((member) => member.close()));
}

const committed = (members: readonly SocketMember[], text: string): Promise<unknown> =>
  until(
    () => members.every(({ sim }) => sim.state.includes(text)),
    () => members.map(({ state }) => state).join(", "),
  );

function reasons(member: SocketMember): ReadonlySet<RefusalReason> {
  return new Set(member.refusals.map(({ refusal }) => refusal.reason));
}

for (const count of [2, 3])
  test(`[PEER-7] members elect one leader and commit over sockets (${count} members)`, async () => {
    const members = await cluster(count);
    try {
      const leader = await elected(members);
      for (let at = 0; at < 100; at++) assert.ok(leader.propose(`entry ${at}`)?.ok);
      await committed(members, "entry 99");
      assert.equal(new Set(members.map(({ sim }) => sim.state)).size, 1);
      for (const member of members)
        for (const other of members)
          if (other !== member)
            assert.equal(member.identified.get(other.id), String(1_000 + other.id));
    } finally {
      await ended(members);
    }
  });

test("[PEER-8] a leader that is cut off is told at once of each lost connection, and another is elected (3 members)", async () => {
  // Each member's dials can be cut and forbidden.
  const open = new Set<{ destroy(): void }>();
  let isCut: (from: number, url: string) => boolean = () => false;
  const cutting =
    (id: number) =>
    (dial: DialPeer): DialPeer =>
    async (url, attach, signal) => {
      if (isCut(id, url)) throw new Error("cut");
      return await dial(
        url,
        (stream) => {
          const entry = {
            destroy: () => {
              if (isCut(id, url)) stream.destroy();
            },
          };
          open.add(entry);
          return attach(stream);
        },
        signal,
      );
    };
  const members = await cluster(3, (id) => ({ dial: cutting(id) }));
  try {
    const first = await elected(members);
    const others = members.filter((each) => each !== first);
    const url = first.address.peerUrls[0];
    isCut = (from, to): boolean => from === first.id || to === url;
    for (const each of open) each.destroy();
    await until(
      () => others.every(({ lost }) => lost.includes(first.id)) && first.lost.length >= 2,
      () => JSON.stringify(members.map(({ lost }) => lost)),
    );
    const second = await elected(others);
    assert.ok(second.propose("while apart")?.ok);
    await committed(others, "while apart");
    await until(
      () => !first.isLeader,
      () => first.state,
    );
    assert.ok(!first.sim.state.includes("while apart"));
    isCut = (): boolean => false;
    await committed(members, "while apart");
  } finally {
    await ended(members);
  }
});

test("[PEER-9] what a member that does not read is sent is bounded, and heartbeats do not wait behind it (2 members)", async () => {
  // Passes a handshake on and then stops reading, until it is told to go on.
  let isStalling = true;
  const [one, other] = [await SocketMember.open(1, [1, 2]), await SocketMember.open(2, [1, 2])];
  const stalled: Socket[] = [];
  const proxy = createServer((socket) => {
    let passed = 0;
    const port = Number(new URL(other.address.peerUrls[0] ?? "").port);
    const target = connectTo(port);
    target.on("data", (bytes) => socket.write(bytes));
    target.on("error", () => socket.destroy());
    socket.on("error", () => target.destroy());
    socket.on("close", () => target.destroy());
    target.on("close", () => socket.destroy());
    socket.on("data", (bytes) => {
      passed += bytes.length;
      target.write(bytes);
      if (isStalling && passed > 4_096) {
        socket.pause();
        stalled.push(socket);
      }
    });
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const { port } = proxy.address() as AddressInfo;
  try {
    const address = { ...other.address, peerUrls: [`http://127.0.0.1:${port}`] };
    one.links.members([one.address, address]);
    other.links.members([one.address, other.address]);
    await until(
      () => one.links.stateOf(2).isConnected,
      () => JSON.stringify(one.links.stateOf(2)),
    );
    const heard: Message[] = [];
    other.links.attach({
      received: (message) => heard.push(message),
      lost: () => {},
      identified: () => {},
    });
    const data = new Uint8Array(1 << 20);
    const append = (index: number): Message => ({
      ...{ from: 1, to: 2, term: 1, kind: "append", prevIndex: index - 1, prevTerm: 1, commit: 0 },
      entries: [{ index, term: 1, kind: "data", data }],
    });
    for (let index = 1; index <= 200; index++) one.links.send([append(index)]);
    await until(
      () => stalled.length > 0,
      () => "nobody reads",
    );
    for (let index = 201; index <= 400; index++) one.links.send([append(index)]);
    const bound = QUEUE_BYTES_MAX.bulk + QUEUE_BYTES_MAX.prompt;
    assert.ok(one.links.stateOf(2).queuedBytes <= bound, `${one.links.stateOf(2).queuedBytes}`);
    one.links.send([{ from: 1, to: 2, term: 1, kind: "heartbeat", commit: 0, round: 9 }]);
    await until(
      () => heard.some((message) => message.kind === "heartbeat" && message.round === 9),
      () => `${heard.length} messages`,
    );
    // The newest are kept: once it reads again, they arrive.
    isStalling = false;
    for (const socket of stalled) socket.resume();
    await until(
      () => heard.some((message) => message.kind === "append" && message.prevIndex === 399),
      () => `${heard.length} messages`,
    );
    const indexes = heard.flatMap((message) =>
      message.kind === "append" ? message.prevIndex : [],
    );
    assert.ok(indexes.length < 400, "some were dropped");
    assert.deepEqual(
      indexes,
      indexes.toSorted((a, b) => a - b),
      "in order",
    );
  } finally {
    await ended([one, other]);
    proxy.close();
  }
});

test("[PEER-4] a member of another cluster is refused with the reason, and dials again (2 members)", async () => {
  const members = await cluster(2, (id) => ({ cluster: String(id) }));
  try {
    await until(
      () => members.every((member) => reasons(member).has("cluster")),
      () => JSON.stringify(members.map(({ refusals }) => refusals)),
    );
    assert.ok(members.every(({ sim }) => sim.raft.leader === 0));
    assert.ok(members.every(({ identified }) => identified.size === 0));
  } finally {
    await ended(members);
  }
});

test("[PEER-5] a member that comes back without its storage is refused by those who knew it (3 members)", async () => {
  const members = await cluster(3);
  const leader = await elected(members);
  const victim = members.find((each) => each !== leader) ?? assert.fail("there are three");
  const rest = members.filter((each) => each !== victim);
  await victim.close();
  const reborn = await SocketMember.open(victim.id, [1, 2, 3], { identity: "5" });
  try {
    const all = [...rest, reborn];
    reborn.start(all);
    for (const each of rest) each.links.members(all.map(({ address }) => address));
    await until(
      () => all.every((member) => reasons(member).has("identity")),
      () => JSON.stringify(all.map(({ refusals }) => refusals)),
    );
    assert.ok(leader.propose("without it")?.ok);
    await committed(rest, "without it");
    assert.equal(reborn.sim.raft.log.last, 0, "it was told nothing");
    assert.equal(reborn.sim.raft.leader, 0);
  } finally {
    await ended([...rest, reborn]);
  }
});

test("[PEER-10] a removed member is refused and told so; one that nobody knows yet is let in (3 members)", async () => {
  const members = await cluster(3);
  const stranger = await SocketMember.open(4, []);
  try {
    await elected(members);
    const [one, two, removed] = members as [SocketMember, SocketMember, SocketMember];
    for (const each of [one, two]) each.links.members([one.address, two.address]);
    await until(
      () => reasons(removed).has("removed"),
      () => JSON.stringify(removed.refusals),
    );
    assert.ok(removed.lost.includes(one.id));
    stranger.links.members([one.address]);
    await until(
      () => one.links.stateOf(4).isConnected,
      () => JSON.stringify(stranger.refusals),
    );
  } finally {
    await ended([...members, stranger]);
  }
});

function connectTo(port: number): Socket {
  return connectNet({ host: "127.0.0.1", port });
}

test("[PEER-13] whom an older state does not name yet was not removed: a member that joins goes on hearing it (3 members)", async () => {
  const opened = await Promise.all([1, 2, 3].map((id) => SocketMember.open(id, [])));
  const [joining, old, recent] = opened as [SocketMember, SocketMember, SocketMember];
  const addresses = opened.map(({ address }) => address);
  try {
    joining.links.suppose(addresses);
    for (const each of [old, recent]) each.links.members(addresses);
    await until(
      () => recent.links.stateOf(1).isConnected && joining.links.stateOf(3).isConnected,
      () => JSON.stringify(recent.refusals),
    );
    // The snapshot that it gets was made before the third one came.
    joining.links.members([joining.address, old.address]);
    assert.ok(!joining.links.wasRemoved(3));
    const heard = new Promise<Message>((received) =>
      joining.links.attach({ received, lost: () => {}, identified: () => {} }),
    );
    recent.links.send([{ from: 3, to: 1, term: 1, kind: "heartbeat", commit: 0, round: 4 }]);
    assert.equal((await heard).from, 3);
    // What the configuration itself named before was.
    joining.links.members([joining.address]);
    assert.ok(joining.links.wasRemoved(2));
  } finally {
    await ended(opened);
  }
});
