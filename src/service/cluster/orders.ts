/** What is refused of orders about members before the Raft machine is asked. Pure. `details.reason` says which it is. */
import type { Failure } from "../../base/errors.ts";
import { failure } from "../../base/errors.ts";
import type { PeerAddress } from "../../driver/peers.ts";

const URL_OF_PEER = /^https?:\/\/(\[[^\]]+\]|[^:/]+):\d{1,5}$/;

/** What is wrong with urls at which a member is to be reached. */
export function addRefused(
  peerUrls: readonly string[],
  others: readonly PeerAddress[],
): Failure | undefined {
  const object = `member at ${peerUrls.join(",") || "no url"}`;
  if (peerUrls.length === 0 || !peerUrls.every((url) => URL_OF_PEER.test(url)))
    return failure("INVALID", {
      object,
      what: "is given no urls of the form http://HOST:PORT",
      remedy: "Give those at which the other members will reach it.",
      details: { reason: "badPeerUrls" },
    });
  const taken = others.find((each) => each.peerUrls.some((url) => peerUrls.includes(url)));
  if (taken === undefined) return undefined;
  return failure("INVALID", {
    object,
    what: `has a url of member ${taken.id}`,
    remedy: "Give other urls, or remove that member first.",
    details: { reason: "peerUrlExists" },
  });
}

export function promoteRefused(id: number, members: readonly PeerAddress[]): Failure | undefined {
  const member = members.find((each) => each.id === id);
  if (member === undefined) return unknown(id);
  if (member.learner) return undefined;
  return failure("INVALID", {
    object: `member ${id}`,
    what: "is no learner: it votes already",
    remedy: "List the members and choose a learner.",
    details: { reason: "notLearner" },
  });
}

export function updateRefused(
  id: number,
  peerUrls: readonly string[],
  members: readonly PeerAddress[],
): Failure | undefined {
  if (!members.some((each) => each.id === id)) return unknown(id);
  return addRefused(
    peerUrls,
    members.filter((each) => each.id !== id),
  );
}

/**
 * Whether removing `id` would leave too few members that have been started, or nobody, or too few that are reached now.
 * Who is not reached itself goes without the last: it takes no part in the quorum that there is.
 */
export function removeRefused(
  id: number,
  members: readonly PeerAddress[],
  isReached: (id: number) => boolean,
): Failure | undefined {
  const member = members.find((each) => each.id === id);
  if (member === undefined) return unknown(id);
  if (member.learner) return undefined;
  const voters = members.filter((each) => !each.learner && each.id !== id);
  const started = voters.filter(({ name }) => name !== "");
  if (started.length * 2 <= voters.length)
    return failure("INVALID", {
      object: `member ${id}`,
      what: `cannot be removed: of the ${voters.length} voters that would be left ${started.length} have been started`,
      remedy: "Start the others first, or remove those that were never started.",
      details: { reason: "notEnoughStarted" },
    });
  const reached = voters.filter((each) => isReached(each.id));
  if (reached.length * 2 > voters.length || !isReached(id)) return undefined;
  return failure("CONTENTION", {
    object: `member ${id}`,
    what: `cannot be removed now: of the ${voters.length} voters that would be left ${reached.length} can be reached`,
    remedy: "Bring the others back first, or remove those that are gone.",
    details: { reason: "unhealthy" },
  });
}

export function transferRefused(to: number, members: readonly PeerAddress[]): Failure | undefined {
  const member = members.find(({ id }) => id === to);
  if (member !== undefined && !member.learner) return undefined;
  return failure("INVALID", {
    object: `member ${to}`,
    what: member === undefined ? "is no member of this cluster" : "is a learner and cannot lead",
    remedy: "List the members and choose a voter.",
    details: { reason: "badTransferee" },
  });
}

function unknown(id: number): Failure {
  return failure("INVALID", {
    object: `member ${id}`,
    what: "is no member of this cluster",
    remedy: "List the members and correct the order.",
    details: { reason: "memberNotFound" },
  });
}

/** A server that was started by itself. */
export function alone(): Failure {
  return failure("CONFIG", {
    object: "cluster",
    what: "has one server, which other members could not reach",
    remedy: "Start it with --peer-listen, and add members then.",
    details: { reason: "oneMember" },
  });
}
