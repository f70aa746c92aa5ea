/** A replica in memory with users enabled, and whoever asks it. */
import assert from "node:assert/strict";
import type { Bytes } from "../../src/base/bytes.ts";
import type { Failure } from "../../src/base/errors.ts";
import type { AuthOrder, Identity, KeyRange, Permission } from "../../src/contract/auth.ts";
import { SYSTEM } from "../../src/contract/auth.ts";
import type { Procedure } from "../../src/contract/procedure.ts";
import { procedureSet } from "../../src/contract/procedure.ts";
import type { Reply, Request } from "../../src/contract/requests.ts";
import { openDriver } from "../../src/driver/driver.ts";
import type { Driver } from "../../src/driver/face.ts";
import { hostClock } from "../../src/host/clock.ts";
import { hostEntropy } from "../../src/host/entropy.ts";
import { SOME_HASH } from "../keyspace/auth-plan.ts";

export class Replica {
  readonly driver: Driver;
  #leases = 1n;
  #users = 0;

  private constructor(driver: Driver) {
    this.driver = driver;
  }
  static async open(procedures: readonly Procedure<never, unknown>[] = []): Promise<Replica> {
    const driver = await openDriver({
      clock: hostClock,
      entropy: hostEntropy,
      procedures: procedureSet(procedures),
      label: "matrix",
    });
    const replica = new Replica(driver);
    await replica.order({ kind: "addUser", name: "root", password: SOME_HASH });
    await replica.order({ kind: "grantRole", name: "root", role: "root" });
    await replica.order({ kind: "enable" });
    return replica;
  }
  ask(request: Request, identity: Identity = SYSTEM): Promise<Reply> {
    return new Promise((done) => this.driver.submit(request, undefined, done, identity));
  }
  async order(order: AuthOrder): Promise<void> {
    const reply = await this.ask({ kind: "auth", order });
    assert.ok(reply.ok, reply.ok ? "" : reply.failure.what);
  }
  as(name: string): Identity {
    return { kind: "user", name, revision: this.driver.users.state.revision };
  }

  async user(
    roles: readonly (readonly Permission[])[],
    name = `user ${this.#users++}`,
  ): Promise<string> {
    await this.order({ kind: "addUser", name });
    for (const [at, permissions] of roles.entries()) {
      const role = `${name}, role ${at}`;
      await this.order({ kind: "addRole", name: role });
      for (const permission of permissions)
        await this.order({ kind: "grantPermission", name: role, permission });
      await this.order({ kind: "grantRole", name, role });
    }
    return name;
  }

  /** A fresh lease that holds `keys`. */
  async lease(keys: readonly Bytes[]): Promise<bigint> {
    const id = this.#leases++;
    await this.ask({ kind: "leaseGrant", id, ttlMs: 60_000 });
    const puts = keys.map((key) => this.ask({ kind: "put", key, value: "" as Bytes, lease: id }));
    await Promise.all(puts);
    return id;
  }

  /** How a watch began, or why it did not. */
  watch(range: KeyRange, identity: Identity): Promise<Failure | undefined> {
    return new Promise((resolve) => {
      const handle = this.driver.watch(
        { ...range, startRevision: 1, prevKv: true },
        {
          started: () => {
            handle.cancel();
            resolve(undefined);
          },
          batch: () => assert.fail("a batch before the start"),
          ended: resolve,
        },
        identity,
      );
    });
  }
}
