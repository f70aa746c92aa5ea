/** Tokens: simple ones that live while they are used, signed ones that say themselves whose they are; hashes. */
import assert from "node:assert/strict";
import { createHmac, generateKeyPairSync, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { prng } from "../../src/base/prng.ts";
import { QuorateError } from "../../src/base/errors.ts";
import { hostPasswords } from "../../src/host/passwords.ts";
import type { Signing } from "../../src/host/signed-tokens.ts";
import { signedTokens } from "../../src/host/signed-tokens.ts";
import type { Clock } from "../../src/ports/clock.ts";
import { parsePasswordHash } from "../../src/ports/passwords.ts";
import { tokensFor } from "../../src/server/auth-tokens.ts";
import { SOME_HASH } from "../keyspace/auth-plan.ts";
import type { AuthOrder } from "../../src/contract/auth.ts";
import { FORMATS } from "../../src/contract/formats.ts";
import type { StatusResponse } from "../../src/contract/requests.ts";
import type { MemberStanding } from "../../src/driver/face.ts";
import { hostSha256 } from "../../src/host/digest.ts";
import { Users } from "../../src/keyspace/auth/users.ts";
import type { Tokens } from "../../src/ports/tokens.ts";
import { sharedTokens } from "../../src/service/auth/shared-tokens.ts";
import { simpleTokens } from "../../src/service/auth/simple-tokens.ts";

const ann = { name: "ann", revision: 7 };
const random = prng(5);
const entropy = { u32: (): number => random.below(2 ** 32) };

/** A clock whose wall stands where it is put. */
class Wall {
  ms = 1_000_000_000_000;
  readonly clock = { wallMs: () => this.ms, monotonicMs: () => this.ms } as Clock;
}

test("[AUTH-14] a simple token lives while it is used, and is letters and a number (1 process)", () => {
  const wall = new Wall();
  const tokens = simpleTokens(wall.clock, entropy, 300_000);
  const token = tokens.assign(ann) ?? "";
  assert.match(token, /^[a-zA-Z]{16}\.1$/);
  for (let used = 0; used < 5; used++) {
    wall.ms += 299_999;
    assert.deepEqual(tokens.claim(token), ann);
  }
  const [letters = "", index = ""] = token.split(".");
  const flipped = letters.startsWith("a") ? "b" : "a";
  for (const wrong of ["", ".", ".1", "1", letters, `${letters}.2`, `${letters}.01`])
    assert.equal(tokens.claim(wrong), undefined, wrong);
  assert.equal(tokens.claim(`${flipped}${letters.slice(1)}.${index}`), undefined);
  assert.equal(tokens.claim(`${letters}x.${index}`), undefined);
  wall.ms += 300_000;
  assert.equal(tokens.claim(token), undefined);
  assert.equal(simpleTokens(wall.clock, entropy, 1_000).claim(token), undefined, "another server");
});

test("[AUTH-14] a token of another member is taken while it is young, lives while it is used here, and is told by its hash alone (1 process)", async () => {
  const wall = new Wall();
  const users = new Users();
  const told: AuthOrder[] = [];
  const standing = { format: FORMATS.newest } as MemberStanding;
  const one = (given: Users): Tokens =>
    sharedTokens({
      own: simpleTokens(wall.clock, entropy, 300_000),
      driver: {
        users: given,
        standing: () => standing,
        status: () => ({ time: wall.ms }) as StatusResponse,
      },
      order: (order, done) => {
        told.push(order);
        if (order.kind === "giveToken")
          users.giveToken(order.digest, { ...order, time: wall.ms, atMs: wall.ms });
        done();
      },
      clock: wall.clock,
      sha256: hostSha256,
      ttlMs: 300_000,
    });
  const [gives, takes, late] = [one(users), one(users), one(users)];
  const token = gives.assign(ann) ?? "";
  assert.equal(takes.claim(token), undefined, "before it was told");
  await gives.share?.(token, ann);
  assert.ok(!JSON.stringify(told).includes(token.slice(0, 16)), "nobody can use what is told");
  for (let used = 0; used < 3; used++) {
    wall.ms += 299_999;
    assert.deepEqual(takes.claim(token), ann);
  }
  assert.equal(late.claim(token), undefined, "it was given long ago");
  wall.ms += 300_000;
  assert.equal(takes.claim(token), undefined);
  users.forgetTokens();
  const another = gives.assign(ann) ?? "";
  Object.assign(standing, { format: FORMATS.newest - 1 });
  await gives.share?.(another, ann);
  assert.equal(takes.claim(another), undefined, "a member of the version before is not told");
  assert.deepEqual(gives.claim(another), ann);
});

test("[AUTH-14] of very many tokens the one unused for longest goes first (1 process)", () => {
  const wall = new Wall();
  const tokens = simpleTokens(wall.clock, entropy, 300_000);
  const first = tokens.assign(ann) ?? "";
  const second = tokens.assign(ann) ?? "";
  for (let at = 2; at < 100_000; at++) tokens.assign(ann);
  assert.deepEqual(tokens.claim(first), ann);
  tokens.assign(ann);
  assert.equal(tokens.claim(second), undefined);
  assert.deepEqual(tokens.claim(first), ann);
});

const pairs = {
  RSA: generateKeyPairSync("rsa", { modulusLength: 2048 }),
  EC256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
  EC384: generateKeyPairSync("ec", { namedCurve: "P-384" }),
  ED: generateKeyPairSync("ed25519"),
};
const PAIRS: Readonly<Record<string, (typeof pairs)[keyof typeof pairs]>> = {
  RS256: pairs.RSA,
  RS512: pairs.RSA,
  PS256: pairs.RSA,
  ES256: pairs.EC256,
  ES384: pairs.EC384,
  EdDSA: pairs.ED,
};

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const read = (token: string, at: number): unknown =>
  JSON.parse(Buffer.from(token.split(".")[at] ?? "", "base64url").toString());

for (const [algorithm, pair] of Object.entries(PAIRS)) {
  test(`[AUTH-15] a token signed with ${algorithm} is good for as long as it says, and for nothing else (no server)`, () => {
    const wall = new Wall();
    const signing: Signing = { algorithm, ttlMs: 60_000, ...pair };
    const tokens = signedTokens(signing, wall.clock);
    const token = tokens.assign(ann) ?? "";
    assert.deepEqual(read(token, 0), { alg: algorithm, typ: "JWT" });
    const exp = wall.ms / 1_000 + 60;
    assert.deepEqual(read(token, 1), { username: "ann", revision: 7, exp });
    assert.deepEqual(tokens.claim(token), ann);
    const { privateKey: _, ...verifying } = signing;
    const others = signedTokens(verifying, wall.clock);
    assert.deepEqual(others.claim(token), ann, "the public key is enough to check");
    assert.equal(others.assign(ann), undefined, "and not to sign");
    const [head = "", body = "", signature = ""] = token.split(".");
    const forged = part({ username: "root", revision: 7, exp });
    for (const wrong of [
      `${head}.${forged}.${signature}`,
      `${head}.${body}.`,
      `${head}.${body}`,
      `${token}.x`,
      `${part({ alg: "none" })}.${forged}.`,
      `${head}.${body}.${Buffer.alloc(64).toString("base64url")}`,
      "",
      "..",
    ])
      assert.equal(tokens.claim(wrong), undefined, wrong);
    // A public key is no secret: who signs with it as if it were one is refused.
    const secret = pair.publicKey.export({ type: "spki", format: "pem" });
    const hs = `${part({ alg: "HS256", typ: "JWT" })}.${forged}`;
    const hmac = createHmac("sha256", secret).update(hs).digest("base64url");
    assert.equal(tokens.claim(`${hs}.${hmac}`), undefined);
    wall.ms += 60_000;
    assert.equal(tokens.claim(token), undefined, "expired");
  });
}

test("[AUTH-15] a token whose head names another algorithm is refused, however it is signed (no server)", () => {
  const wall = new Wall();
  const tokens = signedTokens({ algorithm: "RS256", ttlMs: 60_000, ...pairs.RSA }, wall.clock);
  const body = part({ username: "ann", revision: 7, exp: wall.ms / 1_000 + 60 });
  const signed = (alg: string): string => {
    const text = `${part({ alg, typ: "JWT" })}.${body}`;
    const signature = sign("sha256", Buffer.from(text), pairs.RSA.privateKey);
    return `${text}.${signature.toString("base64url")}`;
  };
  assert.deepEqual(tokens.claim(signed("RS256")), ann);
  for (const alg of ["none", "HS256", "RS384", "PS256", "rs256"])
    assert.equal(tokens.claim(signed(alg)), undefined, alg);
});

describe("tokens as they are configured", () => {
  const directory = mkdtempSync(join(tmpdir(), "quorate-tokens-"));
  after(() => rmSync(directory, { recursive: true, force: true }));
  const file = (name: string, content: string | Buffer): string => {
    writeFileSync(join(directory, name), content);
    return join(directory, name);
  };
  const key = file("key", pairs.RSA.privateKey.export({ type: "pkcs8", format: "pem" }));
  const pub = file("pub", pairs.RSA.publicKey.export({ type: "spki", format: "pem" }));
  const other = file("other", pairs.EC256.publicKey.export({ type: "spki", format: "pem" }));
  const secret = file("secret", "a secret of some length");

  test("[AUTH-15] etcd's options are taken (files)", async () => {
    for (const text of [
      "simple",
      `jwt,sign-method=RS256,priv-key=${key}`,
      `jwt,sign-method=RS256,priv-key=${key},pub-key=${pub},ttl=1h30m`,
      `jwt,sign-method=HS256,priv-key=${secret},ttl=10s`,
    ]) {
      const tokens = await tokensFor(text);
      assert.deepEqual(tokens.claim(tokens.assign(ann) ?? ""), ann, text);
    }
    const checking = await tokensFor(`jwt,sign-method=RS256,pub-key=${pub}`);
    assert.equal(checking.assign(ann), undefined);
  });

  test("[AUTH-15] what cannot be meant is CONFIG, and names it (files)", async () => {
    for (const text of [
      "",
      "none",
      "simple,x=1",
      "jwt",
      "jwt,sign-method=none",
      "jwt,sign-method=RS256",
      `jwt,sign-method=RS256,priv-key=${key},priv-key=${key}`,
      `jwt,sign-method=RS256,priv-key=${key},ttl=soon`,
      `jwt,sign-method=RS256,priv-key=${key},ttl=0s`,
      `jwt,sign-method=RS256,priv-key=${key},colour=red`,
      `jwt,sign-method=RS256,priv-key=${secret}`,
      `jwt,sign-method=RS256,priv-key=${directory}/missing`,
      `jwt,sign-method=RS256,priv-key=${key},pub-key=${other}`,
      `jwt,sign-method=RS256,pub-key=${other}`,
      `jwt,sign-method=HS256,pub-key=${pub}`,
    ])
      await assert.rejects(tokensFor(text), (error) => QuorateError.is(error, "CONFIG"), text);
  });
});

test("[AUTH-16] a password is kept as a hash that says how it was made, and no two are alike (1 process)", async () => {
  const [one, two] = await Promise.all([hostPasswords.hash("pass"), hostPasswords.hash("pass")]);
  assert.notEqual(one, two);
  assert.ok(parsePasswordHash(one ?? "") !== undefined);
  assert.equal(await hostPasswords.matches("pass", one), true);
  assert.equal(await hostPasswords.matches("Pass", one), false);
  assert.equal(await hostPasswords.matches("", one), false);
  assert.equal(await hostPasswords.matches("pass", undefined), false);
  assert.equal(await hostPasswords.matches("pass", "pass"), false);
  const costly = one?.replace("ln=14", "ln=30") ?? "";
  assert.equal(parsePasswordHash(costly), undefined, "a hash cannot ask for any cost");
  const queued = Array.from({ length: 300 }, () => hostPasswords.matches("x", SOME_HASH));
  const settled = await Promise.allSettled(queued);
  const refused = settled.filter((each) => each.status === "rejected");
  assert.ok(refused.length > 0 && refused.length < 60, `${refused.length} turned away`);
  assert.ok(refused.every(({ reason }) => QuorateError.is(reason, "OVERLOADED")));
});
