/**
 * The gate: finds out who somebody is, by a password, a token or a certificate. What they may do is the replica's to say.
 *
 * Invariants: I1 a password is good only if its user is still the same when it has been looked at. I2 a token is good
 * only while its user has the password that it was given for. I3 while users are not enabled nobody is asked.
 */
import { QuorateError } from "../../base/errors.ts";
import { fail } from "../../base/errors.ts";
import type { Identity } from "../../contract/auth.ts";
import { NOBODY } from "../../contract/auth.ts";
import type { Driver } from "../../driver/face.ts";
import { authRefused, unauthenticated } from "../../keyspace/auth/refusals.ts";
import type { User } from "../../keyspace/auth/users.ts";
import type { Passwords } from "../../ports/passwords.ts";
import type { Tokens } from "../../ports/tokens.ts";

/** What a client shows of itself. */
export interface Credentials {
  readonly token?: string | undefined;
  /** The common name of the certificate that the connection was made with. */
  readonly peerName?: string | undefined;
}

export class Gate {
  readonly #driver: Driver;
  readonly #tokens: Tokens;
  readonly passwords: Passwords;

  constructor(driver: Driver, passwords: Passwords, tokens: Tokens) {
    this.#driver = driver;
    this.#tokens = tokens;
    this.passwords = passwords;
  }

  /** Who shows these credentials, now. A token counts for more than a certificate. */
  identify({ token, peerName }: Credentials): Identity {
    const { users } = this.#driver;
    const { enabled, revision } = users.state;
    if (!enabled) return NOBODY;
    if (token === undefined)
      return peerName === undefined ? NOBODY : { kind: "user", name: peerName, revision };
    const claim = this.#tokens.claim(token.replace(/^Bearer /, ""));
    const user = claim === undefined ? undefined : users.user(claim.name);
    if (claim === undefined || user === undefined || user.since > claim.revision)
      return { kind: "refused", reason: "badToken" };
    return {
      kind: "user",
      name: claim.name,
      revision: this.#tokens.renewed ? revision : claim.revision,
    };
  }

  /** A token for whoever has the password. Throws AUTH_REFUSED, UNAUTHENTICATED, OVERLOADED, CONFIG. */
  async login(name: string, password: string): Promise<string> {
    const { state } = this.#driver.users;
    if (!state.enabled) throw new QuorateError(authRefused("notEnabled", "login"));
    await this.#check(name, password);
    const claim = { name, revision: this.#driver.users.state.revision };
    const token = this.#tokens.assign(claim);
    if (token !== undefined) {
      await this.#tokens.share?.(token, claim);
      return token;
    }
    throw fail("CONFIG", {
      object: "login",
      what: "this server has no private key: it checks tokens and makes none",
      remedy: "Get a token from whoever has the key, or start the server with priv-key.",
    });
  }

  /**
   * Who comes with this password, also while users are not enabled; ask `still` whenever it matters. Throws
   * UNAUTHENTICATED, OVERLOADED.
   */
  async recognise(name: string, password: string): Promise<Identity> {
    const { since } = await this.#check(name, password);
    return { kind: "user", name, revision: since };
  }

  /** A user who was recognised, as of now. */
  still(known: Extract<Identity, { readonly kind: "user" }>): Identity {
    const { users } = this.#driver;
    if (users.user(known.name)?.since !== known.revision)
      return { kind: "refused", reason: "changed" };
    return { ...known, revision: users.state.revision };
  }

  /** The user, who has this password. Throws UNAUTHENTICATED. */
  async #check(name: string, password: string): Promise<User> {
    for (;;) {
      const user = this.#driver.users.user(name);
      const good = await this.passwords.matches(password, user?.password);
      // Looking took a while: it counts if the user is still the one that was looked at.
      const now = this.#driver.users.user(name);
      if (now?.since !== user?.since) continue;
      if (good && now !== undefined) return now;
      throw new QuorateError(unauthenticated("badPassword", "login"));
    }
  }
}
