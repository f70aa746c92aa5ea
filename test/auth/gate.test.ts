/** The gate: who somebody is by a certificate, by a token, and by a password that changes while it is looked at. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { QuorateError } from "../../src/base/errors.ts";
import type { Bytes } from "../../src/base/bytes.ts";
import type { Reply } from "../../src/contract/requests.ts";
import { hostClock } from "../../src/host/clock.ts";
import { hostEntropy } from "../../src/host/entropy.ts";
import type { Passwords } from "../../src/ports/passwords.ts";
import { Gate } from "../../src/service/auth/gate.ts";
import { simpleTokens } from "../../src/service/auth/simple-tokens.ts";
import { SOME_HASH } from "../keyspace/auth-plan.ts";
import { Replica } from "./replica.ts";

const OTHER_HASH = SOME_HASH.replace("BBBB", "CCCC");
const tokens = simpleTokens(hostClock, hostEntropy, 300_000);

/** Passwords that are their own hashes; `looking` is called while one is looked at. */
function openly(looking: (password: string) => Promise<void> = async () => {}): Passwords {
  return {
    hash: async (password) => password,
    matches: async (password, hash) => {
      await looking(password);
      return password === hash;
    },
  };
}

const code = (reply: Reply): string => (reply.ok ? "ok" : reply.failure.code);

test("[AUTH-19] a certificate's name is a user, a token counts for more, and neither for nobody (1 replica)", async () => {
  const replica = await Replica.open();
  const access = "readwrite" as const;
  await replica.user([[{ access, key: "a" as Bytes }]], "ann");
  const gate = new Gate(replica.driver, openly(), tokens);
  await replica.order({ kind: "addUser", name: "bob", password: SOME_HASH });
  const token = await gate.login("bob", SOME_HASH);
  const ask = async (credentials: Parameters<Gate["identify"]>[0]): Promise<string> =>
    code(await replica.ask({ kind: "range", key: "a" as Bytes }, gate.identify(credentials)));
  assert.equal(await ask({}), "UNAUTHENTICATED");
  assert.equal(await ask({ peerName: "ann" }), "ok");
  assert.equal(await ask({ peerName: "none" }), "UNAUTHENTICATED");
  assert.equal(await ask({ token }), "PERMISSION_DENIED");
  assert.equal(await ask({ token, peerName: "ann" }), "PERMISSION_DENIED");
  assert.equal(await ask({ token: "bad", peerName: "ann" }), "UNAUTHENTICATED");
  await replica.order({ kind: "disable" });
  assert.equal(await ask({ token: "bad" }), "ok");
  await assert.rejects(gate.login("bob", SOME_HASH), (error) =>
    QuorateError.is(error, "AUTH_REFUSED"),
  );
  await replica.driver.close();
});

test("[AUTH-19] a password counts only if its user is still the same when it has been looked at (1 replica)", async () => {
  const replica = await Replica.open();
  await replica.order({ kind: "addUser", name: "ann", password: SOME_HASH });
  let looks = 0;
  const changing = new Gate(
    replica.driver,
    openly(async () => {
      if (looks++ > 0) return;
      await replica.order({ kind: "changePassword", name: "ann", password: OTHER_HASH });
    }),
    tokens,
  );
  await assert.rejects(changing.login("ann", SOME_HASH), (error) =>
    QuorateError.is(error, "UNAUTHENTICATED"),
  );
  assert.equal(looks, 2, "the new password was looked at as well");
  const deleting = new Gate(
    replica.driver,
    openly(async () => {
      if (replica.driver.users.user("ann") !== undefined)
        await replica.order({ kind: "deleteUser", name: "ann" });
    }),
    tokens,
  );
  await assert.rejects(deleting.login("ann", OTHER_HASH), (error) =>
    QuorateError.is(error, "UNAUTHENTICATED"),
  );
  await replica.driver.close();
});
