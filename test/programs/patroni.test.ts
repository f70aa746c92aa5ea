/**
 * Patroni keeps in etcd who leads a PostgreSQL cluster. Debian's, unmodified, with two members, through the deaths of the
 * store and of the primary: the same story on `quorate etcd` and on a real etcd, so that a difference shows as ours.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { text, utf8 } from "../../src/base/bytes.ts";
import { prefixEnd } from "../../src/mechanisms/selection/contention/layout.ts";
import type { KeyValue } from "../../src/wire/etcd/messages.ts";
import { METHODS } from "../../src/wire/etcd/messages.ts";
import { GrpcClient } from "../etcd-face/grpc-client.ts";
import type { EtcdCommand, EtcdProcess } from "../etcd/etcd-process.ts";
import { ETCD, etcdMissing, QUORATE_ETCD, startEtcd } from "../etcd/etcd-process.ts";
import type { Listed } from "./patroni-member.ts";
import { PatroniMember, patroniMissing, SCOPE } from "./patroni-member.ts";
import type { Premises } from "./premises.ts";
import { openPremises } from "./premises.ts";
import { untilTold } from "./until.ts";

const PREFIX = utf8(`/service/${SCOPE}/`);
const STATE = ["config", "initialize", "leader", "members/one", "members/two", "status", "sync"];
/** What Patroni writes only when something happens: a death of the store is nothing that does. */
const SETTLED = ["config", "initialize", "leader", "sync"];

/** The store, two members, and who of them is what. */
class Cluster {
  readonly #premises: Premises = openPremises();
  #store: EtcdProcess | undefined;
  #client: GrpcClient | undefined;
  #members: readonly PatroniMember[] = [];
  /** Watches that the store has without anybody who asked for one. */
  #ownWatches = 0;
  primary!: PatroniMember;
  standby!: PatroniMember;

  get store(): EtcdProcess {
    return this.#store ?? assert.fail("the store was not started");
  }

  get client(): GrpcClient {
    return this.#client ?? assert.fail("the store was not started");
  }

  async start(command: EtcdCommand): Promise<void> {
    this.#store = await startEtcd(command, this.#premises.directory);
    this.#client = new GrpcClient(this.store.endpoint);
    this.#ownWatches = await this.#watches();
    this.#members = await Promise.all(
      ["one", "two"].map((name) =>
        PatroniMember.make(name, this.#premises.directory, this.store.endpoint),
      ),
    );
    for (const member of this.#members) member.start();
  }

  async stop(): Promise<void> {
    this.#client?.close();
    await this.#premises.close();
    await this.#store?.stop();
  }

  /** What Patroni has in the store, by the end of its key. */
  async state(): Promise<ReadonlyMap<string, KeyValue>> {
    const request = { key: PREFIX, rangeEnd: prefixEnd(PREFIX) };
    const { kvs } = await this.client.call(METHODS.range, request);
    return new Map(kvs.map((each) => [text(each.key).slice(PREFIX.length), each]));
  }

  async leaderKey(): Promise<KeyValue | undefined> {
    return (await this.state()).get("leader");
  }

  /** Both members follow the store over an open stream, besides asking it. */
  async bothWatch(): Promise<void> {
    await untilTold(
      "both members watch",
      async () => (await this.#watches()) - this.#ownWatches === 2,
    );
  }

  async #watches(): Promise<number> {
    const page = await (await fetch(`http://${this.store.endpoint}/metrics`)).text();
    return Number(/^etcd_debugging_mvcc_watcher_total (\d+)$/m.exec(page)?.[1]);
  }

  /** `patronictl list` shows a leader and a standby that streams from it, on this timeline. */
  async settled(timeline: number, leader?: PatroniMember): Promise<void> {
    const list = await untilTold(
      `a leader and a synchronous standby on timeline ${timeline}`,
      async () => {
        const list = await (this.#members[0] ?? assert.fail()).list();
        const well = list.length === 2 && list.every((each) => runs(each) && each.TL === timeline);
        const roles = list.map(({ Role }) => Role).toSorted();
        return well && roles.join() === "Leader,Sync Standby" && list;
      },
      90_000,
    );
    const named = (role: string): PatroniMember => {
      const name = list.find(({ Role }) => Role === role)?.Member;
      return this.#members.find((each) => each.name === name) ?? assert.fail(name);
    };
    this.primary = named("Leader");
    this.standby = named("Sync Standby");
    if (leader !== undefined) assert.equal(this.primary.name, leader.name);
  }

  /** For the report of a step that failed. */
  logs(): string {
    return this.#members.map((each) => `${each.name}:\n${each.log().slice(-5_000)}`).join("\n");
  }

  /** A row that was acknowledged is on the standby's disk as well. */
  async write(row: number): Promise<void> {
    await this.primary.query(`insert into kept values (${row})`);
  }

  async bothHave(rows: readonly number[]): Promise<void> {
    const sql = "select n from kept order by n";
    assert.deepEqual((await this.primary.query(sql)).split("\n").map(Number), rows);
    await untilTold("the standby shows the same", async () => {
      return (await this.standby.query(sql)) === rows.join("\n");
    });
  }
}

function runs({ State }: Listed): boolean {
  return State === "running" || State === "streaming";
}

async function started(member: PatroniMember): Promise<string> {
  return await member.query("select pg_postmaster_start_time(), pg_is_in_recovery()");
}

function story(name: string, command: EtcdCommand, skip: string | false): void {
  describe(name, { concurrency: 1, timeout: 400_000, skip }, () => {
    const cluster = new Cluster();
    let failed = false;
    before(() => cluster.start(command));
    after(() => cluster.stop());

    /** One that failed leaves nothing for those after it to begin with. */
    const step = (title: string, run: () => Promise<void>): void => {
      test(`${title} (${name}, 2 members)`, async (t) => {
        if (failed) return t.skip("a step before this one failed");
        failed = true;
        await run().catch((error: unknown) => {
          t.diagnostic(cluster.logs());
          throw error;
        });
        failed = false;
      });
    };

    step("[PRG-1] a cluster bootstraps: a primary and a standby that streams", async () => {
      await cluster.settled(1);
      await cluster.bothWatch();
      await cluster.primary.query("create table kept (n int)");
      await cluster.write(1);
      await cluster.bothHave([1]);
    });

    step(
      "[PRG-2] the store is killed and comes back: nothing is lost, nobody steps down",
      async () => {
        const processes = await Promise.all([started(cluster.primary), started(cluster.standby)]);
        const logs = [cluster.primary, cluster.standby].map((each) => ({
          each,
          from: each.log().length,
        }));
        const had = await untilTold("Patroni's state is complete", async () => {
          const state = await cluster.state();
          return [...state.keys()].join() === STATE.join() && state;
        });
        await cluster.store.kill();
        for (const { each, from } of logs)
          await untilTold(`${each.name} notices`, () =>
            each.log().includes("watchprefix failed", from),
          );
        await cluster.store.restart();
        const has = await cluster.state();
        assert.deepEqual([...has.keys()], STATE);
        for (const [key, was] of had) {
          const is = has.get(key) ?? assert.fail(`${key} is gone`);
          if (SETTLED.includes(key)) assert.deepEqual(is, was, key);
          assert.equal(is.createRevision, was.createRevision, key);
          assert.equal(is.lease, was.lease, key);
          assert.ok(is.modRevision >= was.modRevision, key);
        }
        await cluster.bothWatch();
        await cluster.write(2);
        const position = Number(
          await cluster.primary.query("select pg_current_wal_flush_lsn() - '0/0'::pg_lsn"),
        );
        await untilTold("the primary says to the store how far it is", async () => {
          const state = await cluster.state();
          const status = state.get("status") ?? assert.fail([...state.keys()].join());
          const { optime } = JSON.parse(text(status.value)) as { optime: number };
          return optime >= position;
        });
        const { primary } = cluster;
        await cluster.settled(1, primary);
        assert.deepEqual(
          await Promise.all([started(cluster.primary), started(cluster.standby)]),
          processes,
          "the same processes of PostgreSQL in the same roles",
        );
        const leader = (await cluster.leaderKey()) ?? assert.fail("nobody leads");
        assert.equal(leader.createRevision, had.get("leader")?.createRevision, "never given up");
        await cluster.bothHave([1, 2]);
      },
    );

    step(
      "[PRG-3] the primary is killed: the standby leads once the lease has ended, with every row",
      async () => {
        const { primary, standby } = cluster;
        await cluster.write(3);
        const was = (await cluster.leaderKey()) ?? assert.fail("nobody leads");
        assert.equal(text(was.value), primary.name);
        await primary.kill();
        const began = performance.now();
        const { ttl } = await cluster.client.call(METHODS.leaseTimeToLive, { id: was.lease });
        assert.ok(ttl > 0, "the lease of the dead lasts");
        await untilTold("the standby takes the leader key", async () => {
          const leader = await cluster.leaderKey();
          return leader !== undefined && text(leader.value) === standby.name;
        });
        const took = performance.now() - began;
        assert.ok(took >= ttl * 1_000, `${took} ms, of a lease with ${ttl} s left`);
        const gone = await cluster.client.call(METHODS.leaseTimeToLive, { id: was.lease });
        assert.equal(gone.ttl, -1);
        const promoted = "select not pg_is_in_recovery()";
        await untilTold("it is promoted", async () => (await standby.query(promoted)) === "t");
        assert.equal(await standby.query("select n from kept order by n"), "1\n2\n3");
      },
    );

    step("[PRG-4] the old primary comes back as the standby of the new one", async () => {
      const [dead, leader] = [cluster.primary, cluster.standby];
      dead.start();
      await cluster.settled(2, leader);
      await cluster.bothWatch();
      await cluster.write(4);
      await cluster.bothHave([1, 2, 3, 4]);
    });

    step("[PRG-5] patronictl: switchover, edit-config, pause, resume, history", async () => {
      const [from, to] = [cluster.primary, cluster.standby];
      const planned = ["--leader", from.name, "--candidate", to.name, "--force"];
      await to.ctl("switchover", SCOPE, ...planned);
      await cluster.settled(3, to);
      await cluster.write(5);
      await cluster.bothHave([1, 2, 3, 4, 5]);

      await to.ctl("edit-config", SCOPE, "--force", "-p", "work_mem=7MB");
      for (const member of [from, to])
        await untilTold(`${member.name} takes the setting`, async () => {
          return (await member.query("show work_mem")) === "7MB";
        });

      await to.ctl("pause", SCOPE, "--wait");
      assert.match(await to.ctl("list", SCOPE), /Maintenance mode: on/);
      await to.ctl("resume", SCOPE, "--wait");
      assert.doesNotMatch(await to.ctl("list", SCOPE), /Maintenance mode/);
      assert.match(await to.ctl("show-config", SCOPE), /work_mem: 7MB/);

      const history = await to.ctl("history", SCOPE, "-f", "json");
      assert.deepEqual(
        (JSON.parse(history) as readonly Record<string, unknown>[]).map((each) => [
          each["TL"],
          each["New Leader"],
        ]),
        [
          [1, from.name],
          [2, to.name],
        ],
      );
    });
  });
}

describe("Patroni", { skip: patroniMissing, concurrency: 2 }, () => {
  story("quorate etcd", QUORATE_ETCD, false);
  story("etcd", ETCD, etcdMissing);
});
