/** Errors about users: a server with users enabled, and who comes without the right to what is asked. */
import { utf8 } from "../../../src/base/bytes.ts";
import type { ErrorCode } from "../../../src/base/errors.ts";
import type { AuthOrder, Identity } from "../../../src/contract/auth.ts";
import { SYSTEM } from "../../../src/contract/auth.ts";
import type { Reply, Request } from "../../../src/contract/requests.ts";
import type { Driver } from "../../../src/driver/face.ts";
import { SOME_HASH } from "../../keyspace/auth-plan.ts";
import type { Row, Stage } from "./stage.ts";
import { refused, thrown } from "./stage.ts";

const read: Request = { kind: "range", key: utf8("a") };

function ask(driver: Driver, request: Request, identity: Identity): Promise<Reply> {
  return new Promise((done) => driver.submit(request, undefined, done, identity));
}

/** A server with users root and ann, who may do nothing. */
async function guarded(stage: Stage): Promise<{ readonly driver: Driver; readonly url: string }> {
  const server = await stage.server();
  const orders: readonly AuthOrder[] = [
    { kind: "addUser", name: "root", password: SOME_HASH },
    { kind: "grantRole", name: "root", role: "root" },
    { kind: "addUser", name: "ann" },
    { kind: "enable" },
  ];
  for (const order of orders) await ask(server.driver, { kind: "auth", order }, SYSTEM);
  return server;
}

export const userErrors = {
  UNAUTHENTICATED: [
    {
      how: "users are enabled and a client says nothing of who it is",
      outcome: "definite",
      object: /^client$/,
      what: /says of none who it is/,
      remedy: /^Give a user and password\.$/,
      exit: 3,
      provoke: async (stage) => {
        const { url } = await guarded(stage);
        const { keyspace } = (await stage.connect(url)).commitment;
        return thrown(() => keyspace.call(read));
      },
    },
  ],
  PERMISSION_DENIED: [
    {
      how: "a user asks for a key that none of its roles covers",
      outcome: "definite",
      object: /^key a$/,
      what: /^may not be read by user ann$/,
      remedy: /^Grant one of the user's roles/,
      exit: 3,
      provoke: async (stage) => {
        const { driver } = await guarded(stage);
        const { revision } = driver.users.state;
        return refused(await ask(driver, read, { kind: "user", name: "ann", revision }));
      },
    },
  ],
  AUTH_STALE: [
    {
      how: "a role changes between the look at the credentials and the request",
      outcome: "definite",
      object: /^client$/,
      what: /have changed since/,
      remedy: /^Ask again;/,
      exit: 3,
      provoke: async (stage) => {
        const { driver } = await guarded(stage);
        const { revision } = driver.users.state;
        await ask(driver, { kind: "auth", order: { kind: "addRole", name: "r" } }, SYSTEM);
        return refused(await ask(driver, read, { kind: "user", name: "ann", revision }));
      },
    },
  ],
  AUTH_REFUSED: [
    {
      how: "users are to be enabled without a root",
      outcome: "definite",
      object: /^users$/,
      what: /without a user root$/,
      remedy: /^Add the user root first\.$/,
      exit: 3,
      provoke: async (stage) => {
        const { keyspace } = (await stage.connect()).commitment;
        return thrown(() => keyspace.call({ kind: "auth", order: { kind: "enable" } }));
      },
    },
  ],
} satisfies Partial<Record<ErrorCode, readonly Row[]>>;
