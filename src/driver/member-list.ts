/** The members of a cluster as those who connect them want them: everybody whom the configuration names. */
import type { Members } from "../keyspace/members.ts";
import type { PeerAddress } from "./peers.ts";

export function addressesOf(members: Members): readonly PeerAddress[] {
  const { voters, outgoing, learners } = members.membership;
  const ids = [...new Set([...voters, ...outgoing, ...learners])].sort((a, b) => a - b);
  return ids.map((id) => {
    const record = members.record(id);
    return {
      id,
      name: record?.name ?? "",
      peerUrls: record?.peerUrls ?? [],
      clientUrls: record?.clientUrls ?? [],
      identity: record?.identity ?? "",
      learner: learners.includes(id),
    };
  });
}
