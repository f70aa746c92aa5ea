/** Cryptographic hashing as a port: the pure floors have none of their own. */

/** One SHA-256 in the making. */
export interface Digest {
  add(bytes: Uint8Array): void;
  /** The hash of all that was added; once. */
  take(): Uint8Array;
}

/** Begins a SHA-256. */
export type Sha256 = () => Digest;
