/**
 * `v3lockpb.Lock`: a lock is held by the oldest contender under its name, for as long as the contender's lease lives.
 *
 * The keys are those of etcd's concurrency package, so everything that locks with it excludes, and is excluded by,
 * whoever calls this.
 */
import { EMPTY } from "../../base/bytes.ts";
import { LOCK } from "../../wire/etcd/concurrency.ts";
import { said } from "../../wire/etcd/statuses.ts";
import { GRPC, RpcStatus } from "../../wire/grpc/status.ts";
import type { UnaryMethod } from "../grpc/method.ts";
import { unary } from "../grpc/method.ts";
import { giveUp, join, prefixOf, throughClient, turn } from "./contender.ts";
import type { EtcdContext } from "./context.ts";

export function lockMethods(context: EtcdContext): readonly (readonly [string, UnaryMethod])[] {
  return [
    unary(
      LOCK.lock,
      throughClient(async ({ name, lease }, { signal }) => {
        const { contender } = await join(context, prefixOf(name), lease, EMPTY);
        try {
          const revision = await turn(context, contender, signal);
          if (revision === undefined) throw expired();
          return { header: context.header(revision), key: contender.key };
        } catch (error) {
          return await giveUp(context, contender, error);
        }
      }),
    ),
    unary(
      LOCK.unlock,
      throughClient(async ({ key }) => {
        if (key === "") throw said("emptyKey");
        const { revision } = await context.submit({ kind: "deleteRange", key });
        return { header: context.header(revision) };
      }),
    ),
  ];
}

const expired = (): RpcStatus => new RpcStatus(GRPC.unknown, "mutex: session is expired");
