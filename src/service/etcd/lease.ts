/**
 * `etcdserverpb.Lease`: grants in whole seconds. Keeping a lease alive that is gone answers with no time left, which is
 * no error; asking for one gives -1.
 */
import { METHODS } from "../../wire/etcd/messages.ts";
import type { LeaseId, LeaseKeepAliveResponse } from "../../wire/etcd/messages.ts";
import { statusOf } from "../../wire/etcd/statuses.ts";
import type { Incoming, Outgoing, StreamMethod, UnaryMethod } from "../grpc/method.ts";
import { stream, unary } from "../grpc/method.ts";
import type { EtcdContext } from "./context.ts";

/** Rounded down: nobody may believe in more time than there is. */
function seconds(ms: number): number {
  return Math.floor(ms / 1_000);
}

export function leaseMethods(
  context: EtcdContext,
): readonly (readonly [string, UnaryMethod | StreamMethod])[] {
  return [
    unary(METHODS.leaseGrant, async ({ ttl, id }) => {
      const granted = await context.submit({ kind: "leaseGrant", id, ttlMs: ttl * 1_000 });
      const header = context.header(granted.revision);
      return { header, id: granted.id, ttl: seconds(granted.ttlMs) };
    }),
    unary(METHODS.leaseRevoke, async ({ id }) => {
      const { revision } = await context.submit({ kind: "leaseRevoke", id });
      return { header: context.header(revision) };
    }),
    stream(METHODS.leaseKeepAlive, (outgoing) => keepAlive(context, outgoing)),
    unary(METHODS.leaseTimeToLive, async ({ id, keys }) => {
      const found = await context.submit({ kind: "leaseTimeToLive", id, keys });
      return {
        header: context.header(found.revision),
        id,
        ttl: found.ttlMs < 0 ? -1 : seconds(found.ttlMs),
        grantedTtl: seconds(found.grantedTtlMs),
        keys: found.keys,
      };
    }),
    unary(METHODS.leaseLeases, async () => {
      const { revision, ids } = await context.submit({ kind: "leases" });
      return { header: context.header(revision), leases: ids.map((id) => ({ id })) };
    }),
  ];
}

function keepAlive(
  context: EtcdContext,
  outgoing: Outgoing<LeaseKeepAliveResponse>,
): Incoming<LeaseId> {
  let asked = 0;
  let finished = false;
  const settle = (): void => {
    if (finished && asked === 0) outgoing.end();
  };
  return {
    received: ({ id }) => {
      asked++;
      context.submit({ kind: "leaseKeepAlive", id }).then(
        ({ revision, ttlMs }) => {
          outgoing.send({ header: context.header(revision), id, ttl: seconds(ttlMs) });
          asked--;
          settle();
        },
        (error: unknown) => outgoing.end(statusOf(error)),
      );
    },
    finished: () => {
      finished = true;
      settle();
    },
    drained: () => {},
    closed: () => {},
  };
}
