/**
 * The messages about the cluster and its care that only a server needs: members, hashes, defragmentation, the transfer
 * of leadership; names and numbers of `api/etcdserverpb/rpc.proto`.
 */
import type { Bytes } from "../../base/bytes.ts";
import type { Message } from "../protobuf.ts";
import * as pb from "../protobuf.ts";
import type { Headed, Method } from "./messages.ts";
import { Empty, header, HeaderOnly, method } from "./messages.ts";

export interface Member {
  readonly id: bigint;
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  readonly isLearner: boolean;
}
export const Member: Message<Member> = pb.message<Member>({
  id: pb.big64(1),
  name: pb.string(2),
  peerUrls: pb.strings(3),
  clientUrls: pb.strings(4),
  isLearner: pb.bool(5),
});

interface MemberAddRequest {
  readonly peerUrls: readonly string[];
  readonly isLearner: boolean;
}
const MemberAddRequest: Message<MemberAddRequest> = pb.message<MemberAddRequest>({
  peerUrls: pb.strings(1),
  isLearner: pb.bool(2),
});
interface MemberAddResponse extends Headed {
  readonly member: Member | undefined;
  readonly members: readonly Member[];
}
const MemberAddResponse: Message<MemberAddResponse> = pb.message<MemberAddResponse>({
  header,
  member: pb.nested(2, () => Member),
  members: pb.list(3, () => Member),
});

interface MemberId {
  readonly id: bigint;
}
const MemberId: Message<MemberId> = pb.message<MemberId>({ id: pb.big64(1) });

interface MemberUpdateRequest extends MemberId {
  readonly peerUrls: readonly string[];
}
const MemberUpdateRequest: Message<MemberUpdateRequest> = pb.message<MemberUpdateRequest>({
  id: pb.big64(1),
  peerUrls: pb.strings(2),
});

interface MemberListRequest {
  readonly linearizable: boolean;
}
const MemberListRequest: Message<MemberListRequest> = pb.message<MemberListRequest>({
  linearizable: pb.bool(1),
});
interface Members extends Headed {
  readonly members: readonly Member[];
}
const Members: Message<Members> = pb.message<Members>({
  header,
  members: pb.list(2, () => Member),
});

interface HashResponse extends Headed {
  readonly hash: number;
}
const HashResponse: Message<HashResponse> = pb.message<HashResponse>({ header, hash: pb.int32(2) });

interface MoveLeaderRequest {
  readonly targetId: bigint;
}
const MoveLeaderRequest: Message<MoveLeaderRequest> = pb.message<MoveLeaderRequest>({
  targetId: pb.big64(1),
});

/** `action`: validate, enable, cancel. */
export interface DowngradeRequest {
  readonly action: number;
  readonly version: string;
}
const DowngradeRequest: Message<DowngradeRequest> = pb.message<DowngradeRequest>({
  action: pb.int32(1),
  version: pb.string(2),
});
interface DowngradeResponse extends Headed {
  readonly version: string;
}
const DowngradeResponse: Message<DowngradeResponse> = pb.message<DowngradeResponse>({
  header,
  version: pb.string(2),
});

export interface SnapshotResponse extends Headed {
  readonly remainingBytes: number;
  readonly blob: Bytes;
}
const SnapshotResponse: Message<SnapshotResponse> = pb.message<SnapshotResponse>({
  header,
  remainingBytes: pb.int64(2),
  blob: pb.bytes(3),
});

export const CLUSTER: {
  readonly add: Method<MemberAddRequest, MemberAddResponse>;
  readonly remove: Method<MemberId, Members>;
  readonly update: Method<MemberUpdateRequest, Members>;
  readonly list: Method<MemberListRequest, Members>;
  readonly promote: Method<MemberId, Members>;
} = {
  add: method("Cluster/MemberAdd", MemberAddRequest, MemberAddResponse),
  remove: method("Cluster/MemberRemove", MemberId, Members),
  update: method("Cluster/MemberUpdate", MemberUpdateRequest, Members),
  list: method("Cluster/MemberList", MemberListRequest, Members),
  promote: method("Cluster/MemberPromote", MemberId, Members),
};

/** What `METHODS` has not of the service Maintenance. */
export const CARE: {
  readonly hash: Method<Empty, HashResponse>;
  readonly defragment: Method<Empty, Headed>;
  readonly moveLeader: Method<MoveLeaderRequest, Headed>;
  readonly downgrade: Method<DowngradeRequest, DowngradeResponse>;
  readonly snapshot: Method<Empty, SnapshotResponse>;
} = {
  hash: method("Maintenance/Hash", Empty, HashResponse),
  defragment: method("Maintenance/Defragment", Empty, HeaderOnly),
  snapshot: method("Maintenance/Snapshot", Empty, SnapshotResponse),
  moveLeader: method("Maintenance/MoveLeader", MoveLeaderRequest, HeaderOnly),
  downgrade: method("Maintenance/Downgrade", DowngradeRequest, DowngradeResponse),
};
