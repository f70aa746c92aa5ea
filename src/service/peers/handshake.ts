/**
 * Who is let in by a member: pure decisions about a hello and about the answer to one.
 *
 * Invariants: I1 a member that is known by one directory is refused under any other: it may have forgotten a vote or
 * entries that it acknowledged, and would let a majority decide twice. I2 one of another cluster, one that was removed, and
 * one that reaches somebody else than it believes, or does not read what the cluster writes, are refused. I3 whoever is not known yet is let in: a member that was
 * away hears of the others' new members from these. Model: no member lies; who can connect at all is TLS's to say.
 */
import type { Formats } from "../../contract/formats.ts";
import type { PeerAddress } from "../../driver/peers.ts";
import type { MemberId } from "../../protocols/agreement/raft/messages.ts";
import type { Lane, PeerHello, Refusal } from "../../wire/native/peer-handshake.ts";
import { formatOf, peerVersions } from "../../wire/native/peer-handshake.ts";

/** Who a member is to the others. */
export interface Self {
  /** Decimal. */
  readonly cluster: string;
  readonly id: MemberId;
  /** Of the directory that it writes to, decimal. */
  readonly identity: string;
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  readonly formats: Formats;
}

/** What a member knows of the others. */
export interface Acquaintance {
  /** By which directory that member is known; empty: by none. */
  identityOf(member: MemberId): string;
  wasRemoved(member: MemberId): boolean;
  /** Of what the cluster writes; 0: not known yet. */
  readonly format: number;
}

/** What to say first to `to`. */
export function helloOf(
  self: Self,
  to: Pick<PeerAddress, "id" | "identity">,
  lane: Lane,
): PeerHello {
  const { id: from, formats, ...shown } = self;
  const toIdentity = to.identity;
  return { kind: "hello", ...peerVersions(formats), ...shown, from, to: to.id, toIdentity, lane };
}

/** The version to speak with whoever says `hello`, or why it is refused. */
export function judged(
  hello: PeerHello,
  self: Self,
  known: Acquaintance,
): { readonly version: number } | Refusal {
  const { oldest, newest } = peerVersions(self.formats);
  const version = Math.min(newest, hello.newest);
  if (version < Math.max(oldest, hello.oldest)) {
    const theirs = `${hello.oldest} to ${hello.newest}`;
    return refused(
      "version",
      `it speaks versions ${theirs}, member ${self.id} ${oldest} to ${newest}`,
    );
  }
  if (hello.cluster !== self.cluster)
    return refused("cluster", `it is of cluster ${hello.cluster}, not of ${self.cluster}`);
  if (hello.to !== self.id)
    return refused("member", `it believes to reach member ${hello.to}; this is member ${self.id}`);
  if (hello.from === self.id)
    return refused("member", `it says that it is member ${self.id}, who is here`);
  if (hello.toIdentity !== "" && hello.toIdentity !== self.identity)
    return refused("identity", replaced(self.id));
  if (known.wasRemoved(hello.from))
    return refused("removed", `member ${hello.from} was removed from the cluster`);
  const reads = formatOf(hello.newest);
  if (reads < known.format)
    return refused(
      "version",
      `it reads formats up to ${reads}, and the cluster writes format ${known.format} by now: run the version that the others run`,
    );
  const identity = known.identityOf(hello.from);
  if (hello.identity === "" || (identity !== "" && identity !== hello.identity))
    return refused("identity", replaced(hello.from));
  return { version };
}

/** Whether whoever answered as `member` is the one that is known by `identity`. */
export function isKnown(
  member: MemberId,
  identity: string,
  answered: { readonly identity: string },
): Refusal | undefined {
  const same = answered.identity !== "" && (identity === "" || identity === answered.identity);
  return same ? undefined : refused("identity", replaced(member));
}

function replaced(member: MemberId): string {
  return `member ${member} is known by another data directory: what it promised may be lost, so remove it and add it anew`;
}

function refused(reason: Refusal["reason"], what: string): Refusal {
  return { reason, what };
}
