/** Asks a member who the members are, before being one. */
import { toArray } from "../../base/bytes.ts";
import { Malformed } from "../../base/codec.ts";
import { fail } from "../../base/errors.ts";
import type { MemberShown } from "../../contract/cluster.ts";
import type { Clock } from "../../ports/clock.ts";
import type { StreamHandler } from "../../ports/network.ts";
import { FrameReader, FrameWriter } from "../../wire/native/framing.ts";
import type { PeerAnswer, PeerOpening } from "../../wire/native/peer-handshake.ts";
import {
  answerCodec,
  HANDSHAKE_BYTES_MAX,
  openingCodec,
  PEER_MAGIC,
} from "../../wire/native/peer-handshake.ts";
import type { DialPeer } from "./peer-dial.ts";

const ANSWER_MS = 2_000;

/** A cluster as one of its members tells of it. */
export interface ClusterTold {
  /** Decimal. */
  readonly cluster: string;
  readonly members: readonly MemberShown[];
}

/** Rejects with UNAVAILABLE (definite) if whoever is at `url` does not answer as a member does. */
export function askMember(url: string, dial: DialPeer, clock: Clock): Promise<ClusterTold> {
  return new Promise((resolve, reject) => {
    const over = new AbortController();
    const refuse = (cause: unknown): void => {
      cancelLate();
      over.abort();
      reject(silent(url, cause));
    };
    const cancelLate = clock.after(ANSWER_MS, () => refuse(new Error("no answer in time")));
    const reader = new FrameReader<PeerAnswer>(answerCodec, HANDSHAKE_BYTES_MAX);
    const handler: StreamHandler = {
      received: (bytes) => {
        try {
          reader.push(bytes);
          reader.take((answer) => {
            if (answer.kind !== "told") throw new Malformed("no answer to the question");
            cancelLate();
            resolve({ cluster: answer.cluster, members: answer.members });
            over.abort();
            return false;
          });
        } catch (error) {
          refuse(error);
        }
      },
      drained: () => {},
      closed: (reason) => refuse(reason ?? new Error("it ended the connection")),
    };
    const ask = new FrameWriter<PeerOpening>(openingCodec, HANDSHAKE_BYTES_MAX);
    ask.add({ kind: "ask" });
    dial(url, () => handler, over.signal).then((stream) => {
      over.signal.addEventListener("abort", () => stream.destroy());
      stream.write(toArray(PEER_MAGIC));
      stream.write(ask.take());
    }, refuse);
  });
}

function silent(url: string, cause: unknown): Error {
  return fail(
    "UNAVAILABLE",
    {
      object: `member at ${url}`,
      what: `does not say who the members are: ${cause instanceof Error ? cause.message : String(cause)}`,
      remedy: "Check that a member of the cluster listens there.",
      outcome: "definite",
    },
    cause,
  );
}
