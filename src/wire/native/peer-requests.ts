/**
 * What one member asks of another on behalf of a client, as bytes.
 *
 * Whose request it is goes with it: members trust each other, and the one that leads decides what that user may do.
 */
import type { Codec } from "../../base/codec.ts";
import {
  intCodec,
  oneOf,
  optional,
  struct,
  textCodec,
  uintCodec,
  union,
} from "../../base/codec.ts";
import type { Identity } from "../../contract/auth.ts";
import type { ClusterOrder } from "../../contract/cluster.ts";
import { callerStampCodec, requestCodec } from "../../contract/request-codec.ts";
import type { CallerStamp, Reply, Request } from "../../contract/requests.ts";
import type { OrderReply } from "./cluster-orders.ts";
import { orderCodec, orderReplyCodec } from "./cluster-orders.ts";
import { replyCodec } from "./messages.ts";

/** What a member asks of the one that leads. */
export type PeerRequest =
  | {
      readonly kind: "request";
      readonly id: number;
      readonly request: Request;
      readonly caller?: CallerStamp | undefined;
      readonly identity: Identity;
    }
  | { readonly kind: "order"; readonly id: number; readonly order: ClusterOrder };

export type PeerReply =
  | {
      readonly kind: "reply";
      readonly id: number;
      readonly of: Request["kind"];
      readonly reply: Reply;
    }
  | { readonly kind: "ordered"; readonly id: number; readonly reply: OrderReply };

const empty: Codec<object> = struct<object>({});

const identityCodec: Codec<Identity> = union<Identity>({
  system: empty,
  nobody: empty,
  user: struct({ name: textCodec, revision: intCodec }),
  refused: struct({ reason: oneOf(["badToken", "badPassword", "changed"]) }),
} as Parameters<typeof union<Identity>>[0]);

export const peerRequestCodec: Codec<PeerRequest> = union<PeerRequest>({
  request: struct<Omit<Extract<PeerRequest, { kind: "request" }>, "kind">>({
    id: uintCodec,
    request: requestCodec,
    caller: optional(callerStampCodec),
    identity: identityCodec,
  }),
  order: struct({ id: uintCodec, order: orderCodec }),
} as Parameters<typeof union<PeerRequest>>[0]);

export const peerReplyCodec: Codec<PeerReply> = union<PeerReply>({
  reply: replyCodec,
  ordered: struct({ id: uintCodec, reply: orderReplyCodec }),
} as Parameters<typeof union<PeerReply>>[0]);
