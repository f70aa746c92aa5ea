/** What a message does: first by its term, then by its kind. */
import { unreachable } from "../../../base/assert.ts";
import type { Core } from "./core.ts";
import {
  heardFromLeader,
  isRefusedUnheard,
  onPreVote,
  onPreVoteReply,
  onVote,
  onVoteReply,
} from "./election.ts";
import type { Message } from "./messages.ts";
import { NOBODY } from "./messages.ts";
import { onRoundAnswered } from "./reads.ts";
import {
  onAppend,
  onAppendRefused,
  onAppendReply,
  onHeartbeat,
  onHeartbeatReply,
} from "./replication.ts";
import { onChunk, onChunkReply } from "./snapshot.ts";
import { onTimeoutNow } from "./transfer.ts";

export function receive(core: Core, message: Message): void {
  if (message.to !== core.id || message.from === core.id) return;
  if (message.term < core.term) {
    refuseOld(core, message);
    return;
  }
  if (message.term > core.term) {
    if ((message.kind === "vote" || message.kind === "preVote") && isRefusedUnheard(core, message))
      return;
    const isAsking =
      message.kind === "preVote" || (message.kind === "preVoteReply" && message.granted);
    if (!isAsking) core.becomeFollower(message.term, NOBODY);
  }
  dispatch(core, message);
}

/** Whoever is behind learns it; a leader that is behind would otherwise go on unheard. */
function refuseOld(core: Core, message: Message): void {
  switch (message.kind) {
    case "append":
    case "heartbeat":
    case "chunk":
      core.send(message.from, { kind: "outdated" });
      return;
    case "preVote":
      core.send(message.from, { kind: "preVoteReply", granted: false });
      return;
    case "vote":
      core.send(message.from, { kind: "voteReply", granted: false });
      return;
    default:
      return;
  }
}

function dispatch(core: Core, message: Message): void {
  switch (message.kind) {
    case "preVote":
      onPreVote(core, message);
      return;
    case "preVoteReply":
      onPreVoteReply(core, message);
      return;
    case "vote":
      onVote(core, message);
      return;
    case "voteReply":
      onVoteReply(core, message);
      return;
    case "append":
      heardFromLeader(core, message.from);
      onAppend(core, message);
      return;
    case "heartbeat":
      heardFromLeader(core, message.from);
      onHeartbeat(core, message);
      return;
    case "chunk":
      heardFromLeader(core, message.from);
      onChunk(core, message);
      return;
    case "timeoutNow":
      if (core.role === "follower" && message.from === core.leader) onTimeoutNow(core);
      return;
    case "appendReply":
    case "appendRefused":
    case "heartbeatReply":
    case "chunkReply":
      if (core.role === "leader") onReply(core, message);
      return;
    case "outdated":
      return;
    default:
      unreachable(message);
  }
}

type Reply = Extract<
  Message,
  { readonly kind: "appendReply" | "appendRefused" | "heartbeatReply" | "chunkReply" }
>;

function onReply(core: Core, reply: Reply): void {
  switch (reply.kind) {
    case "appendReply":
      onAppendReply(core, reply);
      return;
    case "appendRefused":
      onAppendRefused(core, reply);
      return;
    case "heartbeatReply":
      onHeartbeatReply(core, reply);
      onRoundAnswered(core, reply);
      return;
    case "chunkReply":
      onChunkReply(core, reply);
      return;
    default:
      unreachable(reply);
  }
}
