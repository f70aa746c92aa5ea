/**
 * The same `etcdctl` commands on a real etcd and on Quorate: outputs, complaints and exit codes are equal under the
 * masks of `MASKS`. Both stores are fresh, so revisions are compared as they are.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { connect } from "../../src/sdk/index.ts";
import { ELECTION, LOCK } from "../../src/wire/etcd/concurrency.ts";
import type { Bytes } from "../../src/base/bytes.ts";
import { Ctl, etcdctl } from "../etcd/etcdctl.ts";
import { etcdctlMissing } from "../etcd/etcd-process.ts";
import type { Side } from "./two-servers.ts";
import { TwoServers } from "./two-servers.ts";

/** Words of a command, and what it is given to read. `{lease}` is the lease granted last. */
type Command = string | readonly [words: string | readonly string[], stdin: string];

/** What may differ: how long it took, sizes and hashes, indexes of the log, versions, what only the client logs. */
const MASKS: readonly (readonly [RegExp, string])[] = [
  [/^\{"level".*\n/gm, ""],
  [/took = [\d.]+(µs|ms|s)/g, "took = #"],
  [/"?(raft_?term|raftTerm|RaftTerm)"?\s?:\s?\d+/gi, "$1: #"],
  [/"(raftIndex|raftAppliedIndex|dbSize|dbSizeInUse|hash)":\d+/g, '"$1":#'],
  [/"version":"3\.\d+\.\d+"/g, '"version":"#"'],
  [/3\.\d+\.\d+, [\d.]+ [kM]?B, true, false, \d+, \d+, \d+,/g, "#, # kB, true, false, #, #, #,"],
  [/(ENDPOINT), \d+$/gm, "$1, #"],
  [/^"PeerURL".*\n/gm, ""],
  [/"peerURLs":\[[^\]]*\],/g, ""],
  [/default, (http:\/\/\S+)?, http/g, "default, , http"],
  [/remaining\(\d+s\)/g, "remaining(#s)"],
  [/"ttl":\d\d+/g, '"ttl":#'],
  [/"TTL" : \d\d+/g, '"TTL" : #'],
];

/** `text` with the masks, and with ids named by their first appearance in the conversation. */
function masked(text: string, side: Side, names: Map<bigint, string>): string {
  let out = text.replaceAll(side.endpoint, "ENDPOINT");
  for (const [pattern, instead] of MASKS) out = out.replace(pattern, instead);
  const name = (id: bigint): string => {
    if (!names.has(id)) names.set(id, `<id ${names.size + 1}>`);
    return names.get(id) ?? "";
  };
  const decimal = /[{:]/.test(out);
  return out.replace(/(?<![\w.])-?[0-9a-f]{9,20}(?![\w.])/g, (word) =>
    name(/^-?\d+$/.test(word) && decimal ? BigInt(word) : BigInt(`0x${word}`)),
  );
}

/** How many watches a server has open. */
async function watchers(endpoint: string): Promise<number> {
  const text = await (await fetch(`http://${endpoint}/metrics`)).text();
  const found = /^(?:quorate_watchers|etcd_debugging_mvcc_watcher_total) (\d+)$/m.exec(text);
  assert.ok(found !== null);
  return Number(found[1]);
}

describe("etcdctl on etcd and on Quorate", { timeout: 480_000, skip: etcdctlMissing }, () => {
  let two: TwoServers;
  before(async () => {
    two = await TwoServers.start();
  });
  after(async () => {
    await two.stop();
  });

  /** Runs the commands one after another on both, and compares all that they say. */
  async function same(commands: readonly Command[]): Promise<void> {
    await two.agree("etcdctl", async (side) => {
      const names = new Map<bigint, string>();
      let lease = "";
      const seen: unknown[] = [];
      for (const command of commands) {
        const [given, stdin] = typeof command === "string" ? [command, ""] : command;
        const words = typeof given === "string" ? given.split(" ") : given;
        const args = words.map((word) => word.replace("{lease}", lease));
        const { code, stdout, stderr } = await etcdctl(side.endpoint, args, stdin);
        lease = /lease (-?[0-9a-f]+) granted/.exec(stdout)?.[1] ?? lease;
        const mask = (text: string): string => masked(text, side, names);
        seen.push({ command: given, code, stdout: mask(stdout), stderr: mask(stderr) });
      }
      return seen;
    });
  }

  test("[CTL-1] put, get, del, in every form (fresh stores)", async () => {
    await same([
      "get a",
      "put a 1",
      "put a 2 --prev-kv",
      "put a 3 -w json --prev-kv",
      "put b 1 -w fields",
      ["put c", "from stdin"],
      "put a --ignore-value",
      "put missing --ignore-value",
      "put a 4 --ignore-lease",
      "put d 1 --lease=404",
      "get a",
      "get a -w json",
      "get a -w fields",
      "get a c",
      "get --prefix a",
      "get --from-key b",
      "get --prefix --keys-only c",
      "get --from-key a --limit 2 -w json",
      "get --from-key a --order DESCEND --sort-by VERSION",
      "get --from-key a --order ASCEND --sort-by VALUE --print-value-only",
      "get --from-key a --sort-by CREATE",
      "get --from-key a --sort-by MODIFY --order DESCEND -w fields",
      "get a --rev 2",
      "get a --rev 99",
      "get a --consistency s",
      "get a --hex",
      ["get --from-key", ""],
      [["get", ""], ""],
      [["get", "", "--prefix", "--keys-only"], ""],
      [["put", "", "1"], ""],
      "del nothing",
      "del a --prev-kv",
      "del b c -w json",
      "del --prefix c --prev-kv -w fields",
      [["del", "", "--from-key"], ""],
      "get --from-key a -w json",
    ]);
  });

  test("[CTL-2] transactions and compaction (2 servers)", async () => {
    await same([
      "put t 1",
      ["txn", 'value("t") = "1"\n\nput t 2\nget t\n\nput t 3\n\n'],
      ["txn", 'value("t") = "1"\nver("none") > "0"\n\nput t 2\n\nget t\ndel t\n\n'],
      ["txn -w json", 'create("t") = "0"\nmod("t") = "0"\n\nput t 9\n\n\n'],
      ["txn", "\n\nput twice 1\nput twice 2\n\n\n"],
      ["txn", "\n\nput t 1 --lease=404\n\n\n"],
      ["txn -i", 'ver("t") = "1"\n\nget t -w json\n\nget t\n\n'],
      ["txn", "nonsense\n\n\n\n"],
      "put t 5",
      "get t -w json",
      "compaction 3",
      "compaction 3",
      "compaction 3 --physical",
      "compaction 999",
      "get t --rev 2",
    ]);
  });

  test("[CTL-3] leases (2 servers)", async () => {
    await same([
      "lease list",
      "lease grant 100",
      "put leased 1 --lease={lease}",
      "get leased -w json",
      "lease list",
      "lease list -w json",
      "lease timetolive {lease}",
      "lease timetolive {lease} --keys",
      "lease timetolive {lease} --keys -w json",
      "lease timetolive {lease} -w fields",
      "lease timetolive 404",
      "lease keep-alive --once {lease}",
      "lease keep-alive --once {lease} -w json",
      "lease keep-alive --once 404",
      "lease grant 100 -w json",
      "lease grant 9000000001",
      "lease grant none",
      "lease revoke {lease}",
      "lease revoke {lease}",
      "lease revoke nohex",
      "get leased -w json",
    ]);
  });

  test("[CTL-4] members, endpoints, alarms, defragmentation (2 servers)", async () => {
    await same([
      "version",
      "member list",
      "member list -w json",
      "member list -w fields",
      "member remove 7",
      "member promote 7",
      "member update 7 --peer-urls=http://127.0.0.1:1",
      "member add other --peer-urls=none",
      "move-leader 7",
      "endpoint health",
      "endpoint health --cluster",
      "endpoint status",
      "endpoint status -w json",
      "endpoint hashkv",
      "endpoint hashkv -w json",
      "endpoint hashkv --rev 100000",
      "alarm list",
      "alarm disarm",
      "defrag",
    ]);
  });

  test("[CTL-5] watches tell the past and what comes, until they are interrupted (2 servers)", async () => {
    await two.agree("watches", async ({ endpoint }) => {
      const start = (await etcdctl(endpoint, ["put", "w/a", "0", "-w", "json"])).stdout;
      const rev = Number(/"revision":(\d+)/.exec(start)?.[1]);
      const before = await watchers(endpoint);
      const watches = [
        ["w/a"],
        ["--prefix", "w/", "--prev-kv"],
        ["w/a", "w/c", `--rev=${rev}`],
        ["w/a", "-w", "json"],
        ["w/", "--prefix", "-w", "fields", "--prev-kv"],
        ["w/b", "--", "sh", "-c", 'echo "$ETCD_WATCH_EVENT_TYPE $ETCD_WATCH_VALUE"'],
        ["nothing"],
      ].map((args) => new Ctl(endpoint, "watch", ...args));
      while ((await watchers(endpoint)) !== before + watches.length);
      const commands = ["put w/a 1", "put w/b 1", "del w/a", "put w/b last"];
      for (const words of commands) await etcdctl(endpoint, words.split(" "));
      // The last that each says: etcdctl writes line by line, and the command that it runs comes after them.
      await watches[0]?.until(/DELETE\nw\/a\n\n/);
      for (const at of [1, 2]) await watches[at]?.until(/last\n/);
      await watches[3]?.until(/"type":1.*\n/);
      await watches[4]?.until(/"last"\n"Lease" : 0\n/);
      await watches[5]?.until(/"PUT" "last"\n/);
      for (const each of watches) each.child.kill("SIGINT");
      const codes = await Promise.all(watches.map((each) => each.ended));
      return watches.map(({ said }, at) => ({
        at,
        code: codes[at],
        said: said
          .replace(/"(cluster_id|member_id|raft_term)":\d+/g, '"$1":#')
          .replace(/"(ClusterID|MemberID|RaftTerm|Revision)" : \d+/gi, '"$1" : #'),
      }));
    });
  });

  test("[CTL-6] a watch in the past is told that it was compacted (2 servers)", async () => {
    await same(["put past 1", "put past 2", "compaction 50000000", "watch past --rev=1"]);
  });

  test("[CTL-7] lock and elect take turns (2 servers)", async () => {
    await two.agree("turns", async ({ endpoint }) => {
      const seen: unknown[] = [];
      const first = new Ctl(endpoint, "lock", "l");
      await first.until(/^l\//m);
      const second = new Ctl(endpoint, "lock", "l", "echo", "mine");
      const leader = new Ctl(endpoint, "elect", "e", "one");
      await leader.until(/one/);
      const listener = new Ctl(endpoint, "elect", "--listen", "e");
      await listener.until(/one/);
      seen.push(second.said);
      first.child.kill("SIGINT");
      seen.push(await first.ended, await second.ended, second.said);
      const next = new Ctl(endpoint, "elect", "e", "two");
      leader.child.kill("SIGINT");
      seen.push(await leader.ended);
      await next.until(/two/);
      await listener.until(/two/);
      for (const each of [next, listener]) each.child.kill("SIGINT");
      seen.push(await next.ended, await listener.ended);
      const unnamed = [first, leader, listener, next].map(({ said }) =>
        said.replace(/[0-9a-f]{8,16}$/gm, "#"),
      );
      return [...seen, ...unnamed];
    });
  });

  test("[CTL-8] a mirror of one in the other has all of it (both ways)", async () => {
    const [theirs, ours] = two.sides;
    for (const [source, target, at] of [
      [theirs, ours, "there"],
      [ours, theirs, "here"],
    ] as const) {
      const key = (name: string): string => `mirror-${at}/${name}`;
      await etcdctl(source.endpoint, ["put", key("old"), "1"]);
      const prefix = ["--prefix", `mirror-${at}/`];
      const mirror = new Ctl(source.endpoint, "make-mirror", ...prefix, target.endpoint);
      const has = async (name: string, count: number): Promise<void> => {
        const asked = ["get", key(name), "-w", "json"];
        const wanted = count === 0 ? /^(?!.*"kvs")/ : /"kvs"/;
        while (!wanted.test((await etcdctl(target.endpoint, asked)).stdout));
      };
      await has("old", 1);
      // Between its first reading and its watch a mirror may miss nothing: it watches from where it read.
      await etcdctl(source.endpoint, ["put", key("new"), "2"]);
      await has("new", 1);
      await etcdctl(source.endpoint, ["del", key("old")]);
      await has("old", 0);
      mirror.child.kill("SIGKILL");
      await mirror.ended;
    }
  });

  test("[CTL-10] users, roles, permissions, and what they then allow (2 servers)", async () => {
    const root = "--user root:rp";
    const ann = "--user ann:ap";
    await same([
      "user list",
      "role list",
      "auth enable",
      "user add root:rp",
      "user add root:rp",
      "user add ann:ap -w json",
      "user add cert --no-password",
      "role add r",
      "role add r",
      "role grant-permission r readwrite a/ --prefix",
      "role grant-permission r read b",
      "role grant-permission r write w/ --from-key",
      "role grant-permission none read b",
      "role grant-permission r sing b",
      "role get r",
      "role get r -w json",
      "role get r -w fields",
      "role get none",
      "user grant-role ann r",
      "user grant-role ann r",
      "user grant-role ann none",
      "user grant-role nobody r",
      "user get ann",
      "user get ann --detail",
      "user get nobody",
      "user list",
      "role list -w json",
      "put a/1 1",
      "put b 1",
      "put c 1",
      "auth enable",
      "get a/1",
      `get a/1 ${ann}`,
      `get --prefix a/ ${ann} --keys-only`,
      `get --prefix a ${ann}`,
      `get b ${ann}`,
      `get c ${ann}`,
      `put b 2 ${ann}`,
      `put a/1 2 ${ann} --prev-kv`,
      `put w/1 2 ${ann}`,
      `put w/1 2 ${ann} --prev-kv`,
      `del w/1 ${ann}`,
      `del w/1 ${ann} --prev-kv`,
      [`txn ${ann}`, 'value("c") = "1"\n\nput a/1 3\n\n\n'],
      [`txn ${ann}`, 'value("b") = "1"\n\nput a/1 3\nget c\n\n\n'],
      [`txn ${ann}`, 'value("b") = "1"\n\nput a/1 3\nget b\n\n\n'],
      `get a/1 --user ann:wrong`,
      `get a/1 --user nobody:x`,
      `user list ${ann}`,
      `user get ann ${ann}`,
      `user get root ${ann}`,
      `role get r ${ann}`,
      `role get root ${ann}`,
      `user delete root ${root}`,
      `role delete root ${root}`,
      `user revoke-role root root ${root}`,
      `role revoke-permission r b ${root}`,
      `role revoke-permission r b ${root}`,
      `get b ${ann}`,
      [`user passwd ann ${root} --interactive=false`, "new\n"],
      `get a/1 ${ann}`,
      `get a/1 --user ann:new`,
      `user revoke-role ann r ${root}`,
      `user revoke-role ann r ${root}`,
      `get a/1 --user ann:new`,
      `role delete r ${root}`,
      `user delete ann ${root}`,
      `auth disable ${ann}`,
      `auth disable ${root}`,
      "get c",
    ]);
  });
});

describe(
  "One lock, one election, three kinds of client",
  { timeout: 240_000, skip: etcdctlMissing },
  () => {
    let two: TwoServers;
    before(async () => {
      two = await TwoServers.start();
    });
    after(async () => {
      await two.stop();
    });
    const named = { name: "shared" as Bytes };

    test("[V3L-1] etcdctl, v3lock and a lock with etcdName follow one another (one server)", async () => {
      const { endpoint, client } = two.sides[1];
      const q = await connect(`quorate://${endpoint}`);
      const lock = q.lock("shared", { etcdName: true });
      const waiting = async (count: number): Promise<void> => {
        while ((await lock.explain()).waiters.length !== count);
      };
      const held = await lock.acquire();
      const ctl = new Ctl(endpoint, "lock", "shared");
      await waiting(1);
      const call = client.call(LOCK.lock, named, 20_000);
      await waiting(2);
      const last = lock.acquire();
      await waiting(3);
      await held.release();
      await ctl.until(/^shared\//m);
      ctl.child.kill("SIGINT");
      await ctl.ended;
      const { key } = await call;
      assert.equal((await lock.tryAcquire()).ok, false);
      await waiting(1);
      await client.call(LOCK.unlock, { key });
      await (await last).release();
      await q.close();
    });

    test("[V3E-1] etcdctl, v3election and an election with etcdName follow one another (one server)", async () => {
      const { endpoint, client } = two.sides[1];
      const q = await connect(`quorate://${endpoint}`);
      const election = q.election("shared", { etcdName: true });
      const waiting = async (count: number): Promise<void> => {
        while ((await election.explain()).waiters.length !== count);
      };
      const ours = await election.campaign({ value: "ours" });
      const ctl = new Ctl(endpoint, "elect", "shared", "theirs");
      await waiting(1);
      const call = client.call(ELECTION.campaign, { ...named, value: "called" as Bytes }, 20_000);
      await waiting(2);
      assert.match((await client.call(ELECTION.leader, named)).kv?.value ?? "", /ours/);
      await ours.resign();
      await ctl.until(/theirs/);
      ctl.child.kill("SIGINT");
      await ctl.ended;
      const { leader } = await call;
      assert.equal((await client.call(ELECTION.leader, named)).kv?.value, "called");
      await client.call(ELECTION.resign, { leader });
      await (await election.campaign({ value: "again" })).resign();
      await q.close();
    });
  },
);
