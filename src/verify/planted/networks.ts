/** Mistakes that show in what a member says to the others, as networks that say it so. */
import type { PeerHandler, Peers } from "../../driver/peers.ts";
import type { Configuration, Message } from "../../protocols/agreement/raft/messages.ts";

/** What is sent instead of a message; undefined: nothing. */
type Says = (message: Message) => Message | undefined;

function saying(peers: Peers, says: Says): Peers {
  return {
    ...peers,
    send: (messages) => peers.send(messages.flatMap((message) => says(message) ?? [])),
  };
}

/** Whoever leads a term that is over is not told. */
export function tellsNobodyOutdated(peers: Peers): Peers {
  return saying(peers, (message) => (message.kind === "outdated" ? undefined : message));
}

/** A refusal names an index that was not asked about, so that the leader takes it for a late one. */
export function refusesElsewhere(peers: Peers): Peers {
  return saying(peers, (message) =>
    message.kind === "appendRefused" ? { ...message, prevIndex: message.prevIndex + 1 } : message,
  );
}

/** Any chunk is said to be the last one. */
export function endsSnapshotsEarly(peers: Peers): Peers {
  return saying(peers, (message) =>
    message.kind === "chunk" ? { ...message, last: true } : message,
  );
}

/** A snapshot goes with the members that the cluster began with. */
export function sendsFirstConfiguration(peers: Peers): Peers {
  let first: Configuration | undefined;
  const changed = saying(peers, (message) => {
    if (message.kind !== "chunk") return message;
    return {
      ...message,
      snapshot: { ...message.snapshot, config: first ?? message.snapshot.config },
    };
  });
  return {
    ...changed,
    members: (members, remembered) => {
      const ids = (learner: boolean): readonly number[] =>
        members.filter((each) => each.learner === learner).map(({ id }) => id);
      if (members.length > 0) first ??= { voters: ids(false), outgoing: [], learners: ids(true) };
      peers.members(members, remembered);
    },
  };
}

/** Whoever connects members is not told by which directory each is known. */
export function hidesIdentities(peers: Peers): Peers {
  return {
    ...peers,
    members: (members, remembered) =>
      peers.members(
        members.map((each) => ({ ...each, identity: "" })),
        remembered,
      ),
  };
}

/** A message that overlaps what is committed is acknowledged to its end, and not taken. */
export function acknowledgesLate(peers: Peers): Peers {
  let commit = 0;
  const received = (handler: PeerHandler, message: Message): void => {
    handler.received(message);
    if (message.kind === "append") {
      const { prevIndex, entries, from, to, term } = message;
      const index = prevIndex + entries.length;
      if (prevIndex < commit && index > commit)
        peers.send([{ kind: "appendReply", from: to, to: from, term, index }]);
    }
    if (message.kind === "append" || message.kind === "heartbeat")
      commit = Math.max(commit, message.commit);
    if (message.kind === "chunk") commit = Math.max(commit, message.snapshot.index);
  };
  return {
    ...peers,
    attach: (handler) =>
      peers.attach({
        received: (message) => received(handler, message),
        lost: (member) => handler.lost(member),
        identified: (member, shown) => handler.identified(member, shown),
      }),
  };
}
