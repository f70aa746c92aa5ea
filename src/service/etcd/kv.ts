/** `etcdserverpb.KV`: ranges, puts, deletes, transactions, compaction. */
import { REQUEST_BYTES_MAX } from "../../keyspace/validate.ts";
import { METHODS } from "../../wire/etcd/messages.ts";
import { said } from "../../wire/etcd/statuses.ts";
import type { Call, UnaryMethod } from "../grpc/method.ts";
import { unary } from "../grpc/method.ts";
import type { EtcdContext } from "./context.ts";
import { deleteOf, putOf, rangeOf, txnOf } from "./requests.ts";
import { txnMessage } from "./responses.ts";

/** What goes through the log is bounded as a whole. */
function bounded({ requestBytes }: Call): void {
  if (requestBytes > REQUEST_BYTES_MAX) throw said("tooLarge");
}

export function kvMethods(context: EtcdContext): readonly (readonly [string, UnaryMethod])[] {
  return [
    unary(METHODS.range, async (message) => {
      const { revision, kvs, more, count } = await context.submit(rangeOf(message));
      return { header: context.header(revision), kvs, more, count };
    }),
    unary(METHODS.put, async (message, call) => {
      const request = putOf(message);
      bounded(call);
      const { revision, prevKv } = await context.submit(request);
      return { header: context.header(revision), prevKv };
    }),
    unary(METHODS.deleteRange, async (message, call) => {
      const request = deleteOf(message);
      bounded(call);
      const { revision, deleted, prevKvs } = await context.submit(request);
      return { header: context.header(revision), deleted, prevKvs };
    }),
    unary(METHODS.txn, async (message, call) => {
      const request = txnOf(message);
      bounded(call);
      const response = await context.submit(request);
      return txnMessage(response, context.header(response.revision));
    }),
    unary(METHODS.compact, async ({ revision, physical }) => {
      const answer = await context.submit({ kind: "compact", revision, physical });
      return { header: context.header(answer.revision) };
    }),
  ];
}
