/**
 * Hashes of passwords by scrypt. A hash takes 16 MiB and some 50 ms of one of Node's few helper threads, which also
 * write the log: two at a time, a bounded number waits.
 */
import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { fail } from "../base/errors.ts";
import type { Passwords } from "../ports/passwords.ts";
import { parsePasswordHash } from "../ports/passwords.ts";

const LOG_N = 14;
const SALT_BYTES = 16;
const HASH_BYTES = 32;
const AT_ONCE = 2;
const WAITING_MAX = 256;

const base64 = (bytes: Buffer): string => bytes.toString("base64").replace(/=+$/, "");
/** Compared with when there is no user of the name: that takes as long. */
const NOBODYS = `$scrypt$ln=${LOG_N},r=8,p=1$${"A".repeat(22)}$${"A".repeat(43)}`;

let running = 0;
const waiting: (() => void)[] = [];

async function turn<T>(work: () => Promise<T>): Promise<T> {
  if (running >= AT_ONCE) {
    if (waiting.length >= WAITING_MAX) {
      throw fail("OVERLOADED", {
        object: "login",
        what: `${WAITING_MAX} passwords wait to be looked at`,
        remedy: "Log in less often: keep connections and tokens.",
      });
    }
    await new Promise<void>((resolve) => waiting.push(resolve));
  } else running++;
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next === undefined) running--;
    else next();
  }
}

function derive(password: string, salt: Buffer, logN: number): Promise<Buffer> {
  const options = { N: 2 ** logN, r: 8, p: 1, maxmem: 2 ** (logN + 11) + (1 << 20) };
  return turn(
    () =>
      new Promise((resolve, reject) => {
        scrypt(password, salt, HASH_BYTES, options, (error, key) => {
          if (error === null) resolve(key);
          else reject(error);
        });
      }),
  );
}

export const hostPasswords: Passwords = {
  hash: async (password) => {
    const salt = randomBytes(SALT_BYTES);
    const hash = await derive(password, salt, LOG_N);
    return `$scrypt$ln=${LOG_N},r=8,p=1$${base64(salt)}$${base64(hash)}`;
  },
  matches: async (password, stored) => {
    const parsed = parsePasswordHash(stored ?? NOBODYS);
    if (parsed === undefined) return false;
    const hash = await derive(password, Buffer.from(parsed.salt, "base64"), parsed.logN);
    const expected = Buffer.from(parsed.hash, "base64");
    const same = hash.length === expected.length && timingSafeEqual(hash, expected);
    return same && stored !== undefined;
  },
};
