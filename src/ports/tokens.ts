/** Tokens as a port: what a client shows instead of its password. */

/** Who was found good, and at which auth revision. */
export interface Claim {
  readonly name: string;
  readonly revision: number;
}

export interface Tokens {
  /** A token for whoever has just shown a good password; undefined: this server can only check them. */
  assign(claim: Claim): string | undefined;
  /** Lets the other members of a cluster know a token that was assigned here; absent: nobody needs to be told. */
  share?(token: string, claim: Claim): Promise<unknown>;
  /** Whose token it is; undefined if it is none of ours or has expired. */
  claim(token: string): Claim | undefined;
  /** Tokens are good for what the user may do now, and not only for what it could do when they were made. */
  readonly renewed: boolean;
}
