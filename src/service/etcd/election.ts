/**
 * `v3electionpb.Election`: the oldest candidate under a name leads, and its value is what it proclaims.
 *
 * Deviations: a candidate whose key has gone while it waited is told that it does not lead, where etcd makes it leader;
 * an observer goes on when compaction has passed it.
 */
import type { Bytes } from "../../base/bytes.ts";
import { QuorateError } from "../../base/errors.ts";
import { isPassedBy } from "../../contract/keyspace.ts";
import type { KeyValue } from "../../contract/requests.ts";
import type { LeaderKey, LeaderResponse } from "../../wire/etcd/concurrency.ts";
import { ELECTION } from "../../wire/etcd/concurrency.ts";
import { said } from "../../wire/etcd/statuses.ts";
import { GRPC, RpcStatus } from "../../wire/grpc/status.ts";
import type { Init } from "../../wire/protobuf.ts";
import type { StreamMethod, UnaryMethod } from "../grpc/method.ts";
import { unary } from "../grpc/method.ts";
import { serverStream } from "../grpc/server-stream.ts";
import type { Contender } from "./contender.ts";
import {
  firstPut,
  giveUp,
  join,
  leave,
  oldest,
  prefixOf,
  throughClient,
  turn,
  unchanged,
} from "./contender.ts";
import type { EtcdContext } from "./context.ts";

const notLeader = (): RpcStatus => new RpcStatus(GRPC.unknown, "election: not leader");
const noLeader = (): RpcStatus => new RpcStatus(GRPC.unknown, "election: no leader");

function contenderOf(leader: LeaderKey | undefined): Contender {
  if (leader === undefined) throw new RpcStatus(GRPC.unknown, '"leader" field must be provided');
  const { name, key, lease, rev } = leader;
  if (key === "") throw said("emptyKey");
  return { prefix: prefixOf(name), key, lease, created: rev };
}

export function electionMethods(
  context: EtcdContext,
): readonly (readonly [string, UnaryMethod | StreamMethod])[] {
  return [
    unary(
      ELECTION.campaign,
      throughClient(async ({ name, lease, value }, { signal }) => {
        const { contender, revision, before } = await join(context, prefixOf(name), lease, value);
        try {
          if (before !== undefined && before.value !== value)
            await proclaim(context, contender, value);
          if ((await turn(context, contender, signal)) === undefined) throw notLeader();
        } catch (error) {
          return await giveUp(context, contender, error);
        }
        const { key, created: rev } = contender;
        const leader = { name, key, rev, lease: contender.lease };
        return { header: context.header(revision), leader };
      }),
    ),
    unary(
      ELECTION.proclaim,
      throughClient(async ({ leader, value }) => {
        const revision = await proclaim(context, contenderOf(leader), value);
        return { header: context.header(revision) };
      }),
    ),
    unary(
      ELECTION.resign,
      throughClient(async ({ leader }) => {
        const revision = await leave(context, contenderOf(leader));
        return { header: context.header(revision) };
      }),
    ),
    unary(
      ELECTION.leader,
      throughClient(async ({ name }) => {
        const { kv, revision } = await oldest(context, prefixOf(name));
        if (kv === undefined) throw noLeader();
        return { header: context.header(revision), kv };
      }),
    ),
    serverStream(ELECTION.observe, ({ name }, send, signal) =>
      observe(context, prefixOf(name), send, signal),
    ),
  ];
}

async function proclaim(
  context: EtcdContext,
  { key, created, lease }: Contender,
  value: Bytes,
): Promise<number> {
  const { succeeded, revision } = await context.submit({
    kind: "txn",
    compare: [unchanged(key, created)],
    success: [{ kind: "put", key, value, lease }],
    failure: [],
  });
  if (!succeeded) throw notLeader();
  return revision;
}

type Tell = (message: Init<LeaderResponse>) => Promise<void>;

/** Tells who leads, and every proclamation, until the call is over. */
async function observe(
  context: EtcdContext,
  prefix: Bytes,
  send: Tell,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const found = await oldest(context, prefix);
      const from = found.revision + 1;
      const kv = found.kv ?? (await firstPut(context, prefix, from, signal));
      if (kv === undefined) continue;
      const revision = found.kv === undefined ? kv.modRevision : found.revision;
      await send({ header: context.header(revision), kv });
      await follow(context, kv, revision + 1, send, signal);
    } catch (error) {
      // The present state says enough.
      if (!QuorateError.is(error) || !isPassedBy(error.failure)) throw error;
    }
  }
}

/** Tells what the leader proclaims until its key goes. */
async function follow(
  context: EtcdContext,
  { key }: KeyValue,
  from: number,
  send: Tell,
  signal: AbortSignal,
): Promise<void> {
  for await (const { events, revision } of context.watch({ key, startRevision: from }, signal)) {
    for (const { kind, kv } of events) {
      if (kind === "delete") return;
      await send({ header: context.header(revision), kv });
    }
  }
}
