/**
 * Simple tokens: random, known to this server alone, gone when it restarts. `<16 letters>.<index>`, as etcd's.
 *
 * Invariants: I1 a token expires when it has not been used for its time to live. I2 there is a bounded number of them:
 * the one unused for longest goes first. The letters are compared in constant time; the index finds the token.
 */
import type { Clock } from "../../ports/clock.ts";
import type { Entropy } from "../../ports/entropy.ts";
import type { Claim, Tokens } from "../../ports/tokens.ts";

const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const LENGTH = 16;
/** Largest multiple of the number of letters below 2^32: what is drawn above it would favour some. */
const UNBIASED: number = Math.floor(2 ** 32 / LETTERS.length) * LETTERS.length;
const TOKENS_MAX = 100_000;

interface Token {
  readonly letters: string;
  readonly claim: Claim;
  expiresAt: number;
}

export function simpleTokens(clock: Clock, entropy: Entropy, ttlMs: number): Tokens {
  /** Least recently used first. */
  const tokens = new Map<string, Token>();
  let made = 0;
  const use = (index: string, token: Token): void => {
    token.expiresAt = clock.monotonicMs() + ttlMs;
    tokens.delete(index);
    tokens.set(index, token);
  };
  const dropOld = (): void => {
    for (const [index, { expiresAt }] of tokens) {
      if (expiresAt > clock.monotonicMs() && tokens.size < TOKENS_MAX) return;
      tokens.delete(index);
    }
  };
  return {
    renewed: true,
    assign: (claim) => {
      dropOld();
      const letters = Array.from({ length: LENGTH }, () => letter(entropy)).join("");
      const index = String(++made);
      use(index, { letters, claim, expiresAt: 0 });
      return `${letters}.${index}`;
    },
    claim: (text) => {
      const dot = text.indexOf(".");
      const index = text.slice(dot + 1);
      const token = tokens.get(index);
      if (token === undefined || !equal(token.letters, text.slice(0, Math.max(0, dot))))
        return undefined;
      if (token.expiresAt <= clock.monotonicMs()) {
        tokens.delete(index);
        return undefined;
      }
      use(index, token);
      return token.claim;
    },
  };
}

function letter(entropy: Entropy): string {
  for (;;) {
    const drawn = entropy.u32();
    if (drawn < UNBIASED) return LETTERS[drawn % LETTERS.length] as string;
  }
}

/** In a time that depends on the length alone. */
function equal(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let at = 0; at < a.length; at++) difference |= a.charCodeAt(at) ^ b.charCodeAt(at);
  return difference === 0;
}
