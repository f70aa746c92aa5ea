/** The tokens that a server gives, from etcd's `--auth-token`: `simple`, or `jwt` with its options. */
import type { KeyObject } from "node:crypto";
import { createPrivateKey, createPublicKey, createSecretKey } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { QuorateError } from "../base/errors.ts";
import { fail } from "../base/errors.ts";
import { hostClock } from "../host/clock.ts";
import { hostEntropy } from "../host/entropy.ts";
import type { Signing } from "../host/signed-tokens.ts";
import { isAlgorithm, signedTokens } from "../host/signed-tokens.ts";
import type { Tokens } from "../ports/tokens.ts";
import { simpleTokens } from "../service/auth/simple-tokens.ts";

/** How long a simple token lives after its last use, unless the options say. */
export const TOKEN_TTL_S = 300;
const KNOWN: ReadonlySet<string> = new Set(["sign-method", "pub-key", "priv-key", "ttl"]);
const FORMS = "Give simple, or jwt,sign-method=RS256,priv-key=FILE[,pub-key=FILE][,ttl=10m].";
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** Throws CONFIG. */
export async function tokensFor(text: string, ttlS: number = TOKEN_TTL_S): Promise<Tokens> {
  const [kind, ...pairs] = text.split(",");
  if (kind === "simple" && pairs.length === 0)
    return simpleTokens(hostClock, hostEntropy, ttlS * 1_000);
  if (kind !== "jwt") throw wrong(text, "is no kind of token that is known here", FORMS);
  const options = new Map<string, string>();
  for (const pair of pairs) {
    const [name = "", value = "", ...more] = pair.split("=");
    if (!KNOWN.has(name) || value === "" || more.length > 0 || options.has(name))
      throw wrong(text, `has ${JSON.stringify(pair)}, which is no option of it`, FORMS);
    options.set(name, value);
  }
  return signedTokens(await signingOf(text, options), hostClock);
}

async function signingOf(text: string, options: ReadonlyMap<string, string>): Promise<Signing> {
  const algorithm = options.get("sign-method") ?? "";
  if (!isAlgorithm(algorithm)) throw wrong(text, "has no sign-method that is known here", FORMS);
  const ttlMs = durationMs(options.get("ttl") ?? `${TOKEN_TTL_S}s`);
  if (ttlMs === undefined) throw wrong(text, "has a ttl that is no duration", "Give one as 10m.");
  const [privateFile, publicFile] = [options.get("priv-key"), options.get("pub-key")];
  if (algorithm.startsWith("HS")) {
    if (privateFile === undefined) throw wrong(text, "has no priv-key", FORMS);
    const secret = await read(text, privateFile, (content) => createSecretKey(content));
    return { algorithm, ttlMs, privateKey: secret };
  }
  const privateKey =
    privateFile === undefined
      ? undefined
      : await read(text, privateFile, (content) => createPrivateKey(content));
  const given =
    publicFile === undefined
      ? undefined
      : await read(text, publicFile, (content) => createPublicKey(content));
  const derived = privateKey === undefined ? undefined : createPublicKey(privateKey);
  const publicKey = given ?? derived;
  if (publicKey === undefined) throw wrong(text, "has neither priv-key nor pub-key", FORMS);
  if (derived !== undefined && !publicKey.equals(derived))
    throw wrong(text, "has a priv-key and a pub-key of two pairs", "Give two of one pair.");
  if (publicKey.asymmetricKeyType !== familyOf(algorithm))
    throw wrong(text, `has a key that is not for ${algorithm}`, "Give one that is.");
  return { algorithm, ttlMs, privateKey, publicKey };
}

function familyOf(algorithm: string): string {
  if (algorithm === "EdDSA") return "ed25519";
  return algorithm.startsWith("ES") ? "ec" : "rsa";
}

/** As Go writes durations: `1h30m`. */
function durationMs(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, number, unit = ""] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g))
    sum += Number(number) * (UNIT_MS[unit] ?? 0);
  return sum > 0 ? sum : undefined;
}

async function read(
  text: string,
  file: string,
  parse: (content: Buffer) => KeyObject,
): Promise<KeyObject> {
  try {
    return parse(await readFile(file));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw wrong(text, `names ${file}, which holds no key that can be read: ${why}`, FORMS);
  }
}

function wrong(text: string, what: string, remedy: string): QuorateError {
  return fail("CONFIG", { object: `auth-token ${text}`, what, remedy });
}
