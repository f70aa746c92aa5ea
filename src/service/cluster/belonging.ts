/**
 * A member's part in its cluster, over connections that somebody else makes: who carries out what clients of this member,
 * or other members for theirs, ask of the one that leads. What a server with sockets and a simulated one have in common.
 */
import type { Driver } from "../../driver/face.ts";
import type { Self } from "../peers/handshake.ts";
import { Forwarder } from "../peers/forwarder.ts";
import type { PeerPorts } from "../peers/peer-dial.ts";
import type { PeerLinks } from "../peers/peer-links.ts";
import { Cluster } from "./cluster.ts";

export interface Belonging {
  readonly cluster: Cluster;
  readonly forwarder: Forwarder;
}

/** Begins to speak with the others for `driver`, whose messages go by `links`. */
export function belong(
  driver: Driver,
  links: PeerLinks,
  self: Omit<Self, "identity">,
  ports: PeerPorts,
): Belonging {
  const { identity } = driver.standing();
  const { name, clientUrls, peerUrls } = self;
  const { dial, clock, entropy } = ports;
  const forwarder: Forwarder = new Forwarder({
    ...{ dial, clock, entropy },
    self: { ...self, identity },
    leader: () => cluster.leader(),
    here: (asked, done) => {
      if (asked.kind === "order") cluster.carryOut(asked.order, done);
      else driver.submit(asked.request, asked.caller, done, asked.identity);
    },
  });
  const own = { name, clientUrls, peerUrls };
  const isReached = (id: number): boolean => links.stateOf(id).isConnected;
  const cluster: Cluster = new Cluster({ driver, clock, entropy, forwarder, isReached, own });
  links.answerBy({
    submit: (request, caller, done, who) => driver.submit(request, caller, done, who),
    order: (order, done) => cluster.carryOut(order, done),
  });
  links.begin(identity);
  return { cluster, forwarder };
}
