/**
 * The messages of etcd's locks and elections: names and numbers of `v3lockpb/v3lock.proto` and
 * `v3electionpb/v3election.proto`.
 */
import type { Bytes } from "../../base/bytes.ts";
import type { Message } from "../protobuf.ts";
import * as pb from "../protobuf.ts";
import type { Headed, Method } from "./messages.ts";
import { header, HeaderOnly, KeyValue } from "./messages.ts";

interface LockRequest {
  readonly name: Bytes;
  readonly lease: bigint;
}
const LockRequest: Message<LockRequest> = pb.message<LockRequest>({
  name: pb.bytes(1),
  lease: pb.big64(2),
});
interface LockResponse extends Headed {
  readonly key: Bytes;
}
const LockResponse: Message<LockResponse> = pb.message<LockResponse>({ header, key: pb.bytes(2) });

interface UnlockRequest {
  readonly key: Bytes;
}
const UnlockRequest: Message<UnlockRequest> = pb.message<UnlockRequest>({ key: pb.bytes(1) });

/** Who leads: the key, and the revision that created it. */
export interface LeaderKey {
  readonly name: Bytes;
  readonly key: Bytes;
  readonly rev: number;
  readonly lease: bigint;
}
const LeaderKey: Message<LeaderKey> = pb.message<LeaderKey>({
  name: pb.bytes(1),
  key: pb.bytes(2),
  rev: pb.int64(3),
  lease: pb.big64(4),
});

interface CampaignRequest {
  readonly name: Bytes;
  readonly lease: bigint;
  readonly value: Bytes;
}
const CampaignRequest: Message<CampaignRequest> = pb.message<CampaignRequest>({
  name: pb.bytes(1),
  lease: pb.big64(2),
  value: pb.bytes(3),
});
interface CampaignResponse extends Headed {
  readonly leader: LeaderKey | undefined;
}
const CampaignResponse: Message<CampaignResponse> = pb.message<CampaignResponse>({
  header,
  leader: pb.nested(2, () => LeaderKey),
});

interface ProclaimRequest {
  readonly leader: LeaderKey | undefined;
  readonly value: Bytes;
}
const ProclaimRequest: Message<ProclaimRequest> = pb.message<ProclaimRequest>({
  leader: pb.nested(1, () => LeaderKey),
  value: pb.bytes(2),
});

interface LeaderRequest {
  readonly name: Bytes;
}
const LeaderRequest: Message<LeaderRequest> = pb.message<LeaderRequest>({ name: pb.bytes(1) });
export interface LeaderResponse extends Headed {
  readonly kv: KeyValue | undefined;
}
const LeaderResponse: Message<LeaderResponse> = pb.message<LeaderResponse>({
  header,
  kv: pb.nested(2, () => KeyValue),
});

interface ResignRequest {
  readonly leader: LeaderKey | undefined;
}
const ResignRequest: Message<ResignRequest> = pb.message<ResignRequest>({
  leader: pb.nested(1, () => LeaderKey),
});

export const LOCK: {
  readonly lock: Method<LockRequest, LockResponse>;
  readonly unlock: Method<UnlockRequest, Headed>;
} = {
  lock: { path: "/v3lockpb.Lock/Lock", request: LockRequest, response: LockResponse },
  unlock: { path: "/v3lockpb.Lock/Unlock", request: UnlockRequest, response: HeaderOnly },
};

const election = <Q extends object, S extends object>(
  name: string,
  request: Message<Q>,
  response: Message<S>,
): Method<Q, S> => ({ path: `/v3electionpb.Election/${name}`, request, response });

export const ELECTION: {
  readonly campaign: Method<CampaignRequest, CampaignResponse>;
  readonly proclaim: Method<ProclaimRequest, Headed>;
  readonly leader: Method<LeaderRequest, LeaderResponse>;
  readonly observe: Method<LeaderRequest, LeaderResponse>;
  readonly resign: Method<ResignRequest, Headed>;
} = {
  campaign: election("Campaign", CampaignRequest, CampaignResponse),
  proclaim: election("Proclaim", ProclaimRequest, HeaderOnly),
  leader: election("Leader", LeaderRequest, LeaderResponse),
  observe: election("Observe", LeaderRequest, LeaderResponse),
  resign: election("Resign", ResignRequest, HeaderOnly),
};
