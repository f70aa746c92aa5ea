/** Orders about the members of a cluster, and what they come to, as bytes. */
import type { Codec } from "../../base/codec.ts";
import {
  booleanCodec,
  listOf,
  optional,
  struct,
  textCodec,
  uintCodec,
  union,
} from "../../base/codec.ts";
import type { Failure } from "../../base/errors.ts";
import type { ClusterAnswer, ClusterOrder, MemberShown } from "../../contract/cluster.ts";
import { failureCodec } from "../../contract/request-codec.ts";

export type OrderReply =
  | { readonly ok: true; readonly answer: ClusterAnswer }
  | { readonly ok: false; readonly failure: Failure };

const empty: Codec<object> = struct<object>({});
const byId = struct<{ readonly id: number }>({ id: uintCodec });
const urls = listOf(textCodec);

export const memberCodec: Codec<MemberShown> = struct<MemberShown>({
  id: uintCodec,
  name: textCodec,
  peerUrls: urls,
  clientUrls: urls,
  learner: booleanCodec,
});

export const orderCodec: Codec<ClusterOrder> = union<ClusterOrder>({
  list: empty,
  add: struct({ name: textCodec, peerUrls: urls, learner: booleanCodec }),
  promote: byId,
  remove: byId,
  update: struct({ id: uintCodec, peerUrls: urls }),
  transfer: struct({ to: uintCodec }),
} as Parameters<typeof union<ClusterOrder>>[0]);

const answerCodec: Codec<ClusterAnswer> = struct<ClusterAnswer>({
  members: listOf(memberCodec),
  leader: uintCodec,
  term: uintCodec,
  added: uintCodec,
});

interface OrderReplyShape {
  readonly answer?: ClusterAnswer | undefined;
  readonly failure?: Failure | undefined;
}
const orderReplyShape: Codec<OrderReplyShape> = struct<OrderReplyShape>({
  answer: optional(answerCodec),
  failure: optional(failureCodec),
});

export const orderReplyCodec: Codec<OrderReply> = {
  encode: (writer, reply) =>
    orderReplyShape.encode(
      writer,
      reply.ok ? { answer: reply.answer } : { failure: reply.failure },
    ),
  decode: (reader) => {
    const { answer, failure } = orderReplyShape.decode(reader);
    if (failure !== undefined) return { ok: false, failure };
    return { ok: true, answer: answer ?? { members: [], leader: 0, term: 0, added: 0 } };
  },
};
