/** A message of the Raft machine on one line, for traces and counterexamples. */
import { fromArray } from "../../base/bytes.ts";
import { entryText } from "../../protocols/agreement/raft/fingerprint.ts";
import type { Message } from "../../protocols/agreement/raft/messages.ts";

export function messageText(message: Message): string {
  const head = `${message.from}→${message.to} t${message.term} ${message.kind}`;
  switch (message.kind) {
    case "preVote":
    case "vote":
      return `${head} log ends ${message.lastIndex}/${message.lastTerm}`;
    case "preVoteReply":
    case "voteReply":
      return `${head} ${message.granted ? "granted" : "refused"}`;
    case "append": {
      const entries = message.entries.map(entryText).join("").trim();
      return `${head} after ${message.prevIndex}/${message.prevTerm} [${entries}] commit ${message.commit}`;
    }
    case "appendReply":
      return `${head} up to ${message.index}`;
    case "appendRefused":
      return `${head} at ${message.prevIndex}, perhaps ${message.hintIndex}/${message.hintTerm}`;
    case "heartbeat":
      return `${head} commit ${message.commit} round ${message.round}`;
    case "heartbeatReply":
      return `${head} round ${message.round}`;
    case "chunk": {
      const { index, term } = message.snapshot;
      const last = message.last ? " (last)" : "";
      return `${head} of ${index}/${term} at ${message.offset} "${fromArray(message.data)}"${last}`;
    }
    case "chunkReply":
      return `${head} of ${message.index} next ${message.next}`;
    case "timeoutNow":
    case "outdated":
      return head;
  }
}
