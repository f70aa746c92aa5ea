/**
 * `etcdserverpb.Cluster`: who the members are, and changes of that, wherever they are decided.
 *
 * Deviation: who is added learns first, also where etcd would let it vote at once; it votes when it has caught up.
 */
import { QuorateError } from "../../base/errors.ts";
import type { ClusterAnswer, ClusterOrder, MemberShown } from "../../contract/cluster.ts";
import { CLUSTER } from "../../wire/etcd/cluster.ts";
import type { Member } from "../../wire/etcd/cluster.ts";
import type { Header } from "../../wire/etcd/messages.ts";
import { said } from "../../wire/etcd/statuses.ts";
import type { Init } from "../../wire/protobuf.ts";
import type { UnaryMethod } from "../grpc/method.ts";
import { unary } from "../grpc/method.ts";
import type { EtcdContext } from "./context.ts";

export function clusterMethods(context: EtcdContext): readonly (readonly [string, UnaryMethod])[] {
  const order = async (wanted: ClusterOrder): Promise<ClusterAnswer> => {
    context.demand({ kind: wanted.kind === "list" ? "attend" : "maintain" });
    return await ordered(context, wanted);
  };
  /** Etcd's answers about members carry no revision either. */
  const told = (
    members: readonly MemberShown[],
  ): { readonly header: Init<Header>; readonly members: Init<Member>[] } => ({
    header: context.ids(),
    members: members.map(memberOf),
  });
  return [
    unary(CLUSTER.list, async ({ linearizable }) => {
      context.demand({ kind: "attend" });
      if (!linearizable) return told(context.cluster.members());
      return told((await order({ kind: "list" })).members);
    }),
    unary(CLUSTER.add, async ({ peerUrls, isLearner: learner }) => {
      const answer = await order({ kind: "add", name: "", peerUrls, learner });
      const added = answer.members.find(({ id }) => id === answer.added);
      const member = added === undefined ? undefined : memberOf({ ...added, learner });
      return { ...told(answer.members), member };
    }),
    unary(CLUSTER.remove, async ({ id }) =>
      told((await order({ kind: "remove", id: known(id) })).members),
    ),
    unary(CLUSTER.update, async ({ id, peerUrls }) =>
      told((await order({ kind: "update", id: known(id), peerUrls })).members),
    ),
    unary(CLUSTER.promote, async ({ id }) => {
      try {
        return told((await order({ kind: "promote", id: known(id) })).members);
      } catch (error) {
        if (QuorateError.is(error, "CONTENTION")) throw said("learnerNotReady");
        throw error;
      }
    }),
  ];
}

/** Has `order` carried out. Rejects with `QuorateError`. */
function ordered({ cluster }: EtcdContext, order: ClusterOrder): Promise<ClusterAnswer> {
  return new Promise((resolve, reject) => {
    cluster.order(order, (reply) => {
      if (reply.ok) resolve(reply.answer);
      else reject(new QuorateError(reply.failure));
    });
  });
}

/** Ids of ours are safe integers: what is none is nobody's. */
function known(id: bigint): number {
  return id > 0n && id <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(id) : 0;
}

function memberOf({ id, name, peerUrls, clientUrls, learner }: MemberShown): Init<Member> {
  return { id: BigInt(id), name, peerUrls, clientUrls, isLearner: learner };
}

/** Makes another member lead: asked of the one that leads, as in etcd. */
export async function moveLeader(context: EtcdContext, target: bigint): Promise<void> {
  if (!context.cluster.isLeader) throw said("notLeader");
  await ordered(context, { kind: "transfer", to: known(target) });
}
