/**
 * Passwords as a port: hashing takes a while and memory, on purpose, so it is asynchronous and bounded. What is kept is
 * the hash; in clear a password is nowhere.
 *
 * A hash says itself how it was made: `$scrypt$ln=14,r=8,p=1$<salt>$<hash>`, both in unpadded base64 (the PHC string
 * format). Its cost is bounded, because whoever may add users chooses the hash that a login must compute.
 */

/** Errors: OVERLOADED when too many wait. */
export interface Passwords {
  /** A fresh hash of `password`. */
  hash(password: string): Promise<string>;
  /** Whether `password` is the one that was hashed; takes as long when `hash` is absent. */
  matches(password: string, hash: string | undefined): Promise<boolean>;
}

/** What a hash says of how it was made. */
export interface PasswordHash {
  /** Binary logarithm of scrypt's N. */
  readonly logN: number;
  readonly salt: string;
  readonly hash: string;
}

/** Of scrypt's memory: 128 · 8 · 2^logN bytes. */
const LOG_N_MAX = 15;
const FORM = /^\$scrypt\$ln=(\d{1,2}),r=8,p=1\$([A-Za-z0-9+/]{22,44})\$([A-Za-z0-9+/]{43})$/;

/** Reads a hash; undefined if it is none that is taken. */
export function parsePasswordHash(text: string): PasswordHash | undefined {
  const [, logN, salt, hash] = FORM.exec(text) ?? [];
  if (salt === undefined || hash === undefined || !(Number(logN) <= LOG_N_MAX)) return undefined;
  return Number(logN) < 1 ? undefined : { logN: Number(logN), salt, hash };
}
