/**
 * Signed tokens (JWT, RFC 7519): whoever has the public key can check one, no server need remember it. Claims as
 * etcd's: `username`, `revision`, `exp`. The algorithm is the configured one, whatever a token's head says.
 */
import type { KeyObject } from "node:crypto";
import { constants, createHmac, sign, timingSafeEqual, verify } from "node:crypto";
import type { Clock } from "../ports/clock.ts";
import type { Claim, Tokens } from "../ports/tokens.ts";

export interface Signing {
  /** `RS256` … `EdDSA`. */
  readonly algorithm: string;
  /** Of HS…: the secret. */
  readonly privateKey?: KeyObject | undefined;
  readonly publicKey?: KeyObject | undefined;
  readonly ttlMs: number;
}

/** Whether `name` is an algorithm that is known here. */
export function isAlgorithm(name: string): boolean {
  return /^((RS|PS|ES|HS)(256|384|512)|EdDSA)$/.test(name);
}

const encoded = (text: string): string => Buffer.from(text, "utf8").toString("base64url");

export function signedTokens(signing: Signing, clock: Clock): Tokens {
  const head = encoded(JSON.stringify({ alg: signing.algorithm, typ: "JWT" }));
  return {
    renewed: false,
    assign: ({ name, revision }) => {
      const exp = Math.floor((clock.wallMs() + signing.ttlMs) / 1_000);
      const text = `${head}.${encoded(JSON.stringify({ username: name, revision, exp }))}`;
      const signature = signatureOf(signing, text);
      return signature === undefined ? undefined : `${text}.${signature.toString("base64url")}`;
    },
    claim: (token) => {
      const [front, body, tail, ...more] = token.split(".");
      if (front === undefined || body === undefined || tail === undefined || more.length > 0)
        return undefined;
      const { alg } = parsed(front) as { readonly alg?: unknown };
      if (alg !== signing.algorithm) return undefined;
      if (!isSigned(signing, `${front}.${body}`, Buffer.from(tail, "base64url"))) return undefined;
      return claimOf(parsed(body), clock.wallMs() / 1_000);
    },
  };
}

function claimOf(body: object, nowS: number): Claim | undefined {
  const { username, revision, exp } = body as Readonly<Record<string, unknown>>;
  if (typeof username !== "string" || typeof exp !== "number" || !(exp > nowS)) return undefined;
  return Number.isSafeInteger(revision)
    ? { name: username, revision: revision as number }
    : undefined;
}

/** JSON in base64url; what is none says nothing. */
function parsed(part: string): object {
  try {
    const read: unknown = JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
    return typeof read === "object" && read !== null ? read : {};
  } catch {
    return {};
  }
}

function hashOf({ algorithm }: Signing): string | null {
  return algorithm === "EdDSA" ? null : `sha${algorithm.slice(2)}`;
}

/** How Node is told of the key, by the algorithm's family. */
function keyed({ algorithm }: Signing, key: KeyObject): Parameters<typeof sign>[2] {
  if (algorithm.startsWith("PS")) {
    const saltLength = constants.RSA_PSS_SALTLEN_DIGEST;
    return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength };
  }
  return algorithm.startsWith("ES") ? { key, dsaEncoding: "ieee-p1363" } : key;
}

function signatureOf(signing: Signing, text: string): Buffer | undefined {
  const { algorithm, privateKey } = signing;
  if (privateKey === undefined) return undefined;
  const hash = hashOf(signing);
  if (algorithm.startsWith("HS"))
    return createHmac(hash ?? "", privateKey)
      .update(text)
      .digest();
  return sign(hash, Buffer.from(text), keyed(signing, privateKey));
}

function isSigned(signing: Signing, text: string, signature: Buffer): boolean {
  const { algorithm, publicKey } = signing;
  if (algorithm.startsWith("HS")) {
    const expected = signatureOf(signing, text);
    if (expected === undefined || expected.length !== signature.length) return false;
    return timingSafeEqual(expected, signature);
  }
  if (publicKey === undefined) return false;
  const key = keyed(signing, publicKey) as Parameters<typeof verify>[2];
  return verify(hashOf(signing), Buffer.from(text), key, signature);
}
