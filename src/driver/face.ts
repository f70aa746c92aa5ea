/**
 * What the floors above see of a running replica: submit and watch. The embedded engine calls it in process, the
 * service on behalf of connections; a member of a cluster has the same face.
 */
import type { Failure } from "../base/errors.ts";
import type { Identity } from "../contract/auth.ts";
import type { CallerStamp, Reply, Request, StatusResponse } from "../contract/requests.ts";
import type { WatchRequest } from "../contract/keyspace.ts";
import type { Operation } from "../keyspace/auth/authority.ts";
import type { GivenView } from "../keyspace/auth/users.ts";
import type { HubHandle, WatchSink } from "../keyspace/watcher.ts";
import type { ByteStream, StreamHandler } from "../ports/network.ts";
import type { Role } from "../protocols/agreement/raft/inputs.ts";
import type { MemberId } from "../protocols/agreement/raft/messages.ts";
import type { MemberOrder } from "../replica/members.ts";
import type { PeerAddress } from "./peers.ts";

/** Where a member stands. */
export interface MemberStanding {
  readonly id: MemberId;
  /** Of its directory, decimal; empty in memory. */
  readonly identity: string;
  readonly role: Role;
  readonly term: number;
  /** Who leads; 0: nobody that it knows of. */
  readonly leader: MemberId;
  /** Part of what it held was damaged and is coming from the others. */
  readonly isRepairing: boolean;
  /** Of what its cluster writes; 0: not known yet. */
  readonly format: number;
}

/** A replica that runs. */
export interface Driver {
  readonly label: string;
  /**
   * Evaluates `request`; `done` is called once, when the answer may be released by the reply rule. With `caller`, a
   * repeated sequence gets the stored reply. Cost: one flush for what changes something, shared by all in flight.
   */
  submit(
    request: Request,
    caller: CallerStamp | undefined,
    done: (reply: Reply) => void,
    /** Who asks; by default nobody, who may do nothing once users are enabled. */
    identity?: Identity,
  ): void;
  /** Ends with PERMISSION_DENIED as soon as `identity` may no longer see the range. */
  watch(request: WatchRequest, sink: WatchSink, identity?: Identity): HubHandle;
  /** Why `identity` may not do what only a server does, if it may not; for requests, `submit` asks. */
  refuses(operation: Operation, identity?: Identity): Failure | undefined;
  /** Users and roles, committed, and tokens that were given. */
  readonly users: GivenView;
  /** The present state without a round through the log; for health and metrics. */
  status(): StatusResponse;
  /** Who is a member and where it is found, as committed. */
  members(): readonly PeerAddress[];
  /**
   * Changes who is a member, or who leads; answered like a request. Errors: NOT_LEADER, CONTENTION while another change is
   * under way or a learner has not caught up, INVALID, PERMISSION_DENIED; LEADER_CHANGED (indefinite).
   */
  order(order: MemberOrder, done: (reply: Reply) => void, identity?: Identity): void;
  /** Who this member is, and who leads as far as it knows. */
  standing(): MemberStanding;
  /** Calls `listener` whenever who leads changes, and when a repair is over. */
  onStanding(listener: (standing: MemberStanding) => void): void;
  /** Calls `listener` if the replica stops by itself (a failed flush, a bug): nothing more will be answered. */
  onStopped(listener: (failure: Failure) => void): void;
  /** The present state as framed records of a snapshot; `each` is awaited. */
  snapshot(each: (frame: Uint8Array) => Promise<void>): Promise<void>;
  /** Tells other processes where this one can be reached. */
  announce(url: string): Promise<void>;
  /** Gives `attach` the streams of other processes of this machine that open the same data directory. */
  accept(attach: (stream: ByteStream) => StreamHandler): void;
  /** Stops admitting, answers what is in flight, writes a snapshot, releases the directory. Idempotent. */
  close(): Promise<void>;
}
