/**
 * The members of a cluster and what can be asked about them, as plain data: what the wires carry and the command line
 * shows. A member is known by a safe integer above zero, never used again.
 */

/** A member as clients may know it. */
export interface MemberShown {
  readonly id: number;
  /** Empty until it has been started. */
  readonly name: string;
  /** Where the other members reach it. */
  readonly peerUrls: readonly string[];
  /** Where clients reach it. */
  readonly clientUrls: readonly string[];
  /** It gets the log and counts for nothing. */
  readonly learner: boolean;
}

/** What can be asked of a cluster. */
export type ClusterOrder =
  /** The members, as of now. */
  | { readonly kind: "list" }
  /** Takes a member in. It learns first; unless `learner`, it votes as soon as it has caught up. */
  | {
      readonly kind: "add";
      readonly name: string;
      readonly peerUrls: readonly string[];
      readonly learner: boolean;
    }
  /** A learner that has caught up votes from now on. */
  | { readonly kind: "promote"; readonly id: number }
  | { readonly kind: "remove"; readonly id: number }
  | { readonly kind: "update"; readonly id: number; readonly peerUrls: readonly string[] }
  /** Another voter is to lead. */
  | { readonly kind: "transfer"; readonly to: number };

/** What an order came to. */
export interface ClusterAnswer {
  readonly members: readonly MemberShown[];
  /** Who leads; 0 if it is not known. */
  readonly leader: number;
  readonly term: number;
  /** Who was added; 0 if nobody. */
  readonly added: number;
}
