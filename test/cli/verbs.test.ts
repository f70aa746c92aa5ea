/** The verbs as scripts use them: exit codes, streams, JSON. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Shell } from "./shell.ts";

interface Got {
  readonly revision: number;
  readonly count: number;
  readonly kvs: readonly {
    readonly key: unknown;
    readonly value: unknown;
    readonly modRevision: number;
  }[];
}

describe("verbs against a server", () => {
  const shell = new Shell();
  before(async () => void (await shell.serve("--data-dir ./data")));
  after(() => shell.close());
  const get = async (args: string): Promise<Got> =>
    JSON.parse((await shell.run(`quorate get ${args} --output json`)).stdout) as Got;

  test("[CLI-6] an answer that is no has exit code 1 and no error (one server)", async () => {
    for (const line of ["quorate get none", "quorate del none", "quorate lease show 77"]) {
      const { code, stderr } = await shell.run(line);
      assert.equal(code, 1, line);
      assert.doesNotMatch(stderr, /\((in)?definite\)/, line);
    }
  });

  test("[CLI-6] a wrong command line has exit code 2 and says what was meant (one server)", async () => {
    const cases: readonly (readonly [string, RegExp])[] = [
      [
        "quorate gett a",
        /INVALID \(definite\) command line: unknown command 'gett'.*Did you mean get\?/,
      ],
      ["quorate get", /missing required argument 'key'/],
      ["quorate get a --limt 3", /unknown option '--limt'.*Did you mean --limit\?/],
      ["quorate get a --limit many", /--limit: "many" is not a whole number/],
      ["quorate get a --prefix --range-end b", /exclude each other/],
      ["quorate put a b --lease xyz", /--lease: "xyz" is not a hexadecimal number/],
      ["quorate status --output xml", /--output: "xml" is no format/],
      ["quorate help LOSTT", /Did you mean LOST\?/],
    ];
    for (const [line, message] of cases) {
      const { code, stderr } = await shell.run(line);
      assert.equal(code, 2, line);
      assert.match(stderr.replaceAll("\n", " "), message);
    }
  });

  test("[CLI-6] a definite failure has exit code 3, as an object with JSON (one server)", async () => {
    const { code, stdout, stderr } = await shell.run("quorate put a b --lease 999 --output json");
    assert.equal(code, 3);
    assert.equal(stdout, "");
    const { error } = JSON.parse(stderr) as {
      error: { code: string; outcome: string; remedy: string };
    };
    assert.deepEqual([error.code, error.outcome], ["LEASE_NOT_FOUND", "definite"]);
    assert.notEqual(error.remedy, "");
  });

  test("[CLI-6] a server that is not there is a failure within the timeout (no server)", async () => {
    const { code, stderr } = await shell.run(
      "quorate get a --url quorate://127.0.0.1:1 --timeout-ms 300",
    );
    assert.ok(code === 3 || code === 4, `exit code ${code}`);
    assert.match(stderr, /^(UNAVAILABLE|TIMEOUT) \((in)?definite\)/);
  });

  test("[CLI-28] a time that no timer can wait for is refused with the range, before anything is asked (no server)", async () => {
    const most = 2 ** 31 - 1;
    for (const [line, least] of [
      [`status --timeout-ms ${most + 1}`, 1],
      ["status --timeout-ms 99999999999", 1],
      [`top --every-ms ${most + 1}`, 50],
      [`up --nodes 1 --every-ms ${most + 1}`, 10],
      [`lock a --kill-after-ms ${most + 1} -- true`, 0],
    ] as const) {
      const { code, stderr } = await shell.run(`quorate ${line}`);
      assert.equal(code, 2, `${line}: ${stderr}`);
      assert.match(stderr, new RegExp(`^INVALID .* a whole number from ${least} to ${most}`), line);
    }
    const near = await shell.run(`quorate get nothing --timeout-ms ${most}`);
    assert.equal(near.code, 1, near.stderr);
    assert.doesNotMatch(near.stderr, /Warning/);
  });

  test("[CLI-9] keys and values keep every byte (one server)", async () => {
    await shell.run(String.raw`quorate put -x 'bin/\xff\x00' '\x80\\'`);
    await shell.run("quorate put bin/pipe -", "line 1\nline 2\n");
    const { kvs } = await get("bin/ --prefix");
    assert.deepEqual(
      kvs.map((kv) => [kv.key, kv.value]),
      [
        ["bin/pipe", "line 1\nline 2\n"],
        [{ base64: "YmluL/8A" }, { base64: "gFw=" }],
      ],
    );
    const table = await shell.run("quorate get bin/ --prefix");
    assert.match(table.stdout, /line 1\\x0aline 2\\x0a/);
    assert.equal((await shell.run("quorate get bin/pipe --raw")).stdout, "line 1\nline 2\n");
  });

  test("[CLI-9] ranges, limits and past revisions (one server)", async () => {
    for (const key of ["r/a", "r/b", "r/c"]) await shell.run(`quorate put ${key} 1`);
    const first = await get("r/a");
    await shell.run("quorate put r/a 2");
    const revision = first.kvs[0]?.modRevision ?? assert.fail("r/a is there");
    assert.equal((await get(`r/a --rev ${revision}`)).kvs[0]?.value, "1");
    assert.equal((await get("r/ --prefix --limit 2")).kvs.length, 2);
    assert.equal((await get("r/a --range-end r/c")).count, 2);
    assert.equal((await shell.run("quorate get r/ --prefix --count-only")).stdout, "3\n");
    assert.equal(
      (await shell.run("quorate get r/ --prefix --keys-only")).stdout,
      "r/a\nr/b\nr/c\n",
    );
    assert.match((await shell.run("quorate del r/ --prefix")).stdout, /^deleted 3 /);
  });

  test("[CLI-9] watch prints what happens, one JSON document per line, and ends at ^C with 0 (one server)", async () => {
    const watch = shell.start("quorate watch w/ --prefix --prev-kv --output json");
    await watch.until(/watching/);
    await shell.run("quorate put w/a 1");
    await shell.run("quorate put w/a 2");
    await shell.run("quorate del w/a");
    await watch.until(/"delete"/);
    watch.signal("SIGINT");
    const { code, stdout } = await watch.ended;
    assert.equal(code, 0);
    const events = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(
      events.map((event) => [event["kind"], event["value"]]),
      [
        ["put", "1"],
        ["put", "2"],
        ["delete", undefined],
      ],
    );
  });

  test("[CLI-10] quorate --help loads the catalogue, and no verb, engine or server (no server)", async () => {
    const coverage = join(shell.directory, "coverage");
    shell.environment["NODE_V8_COVERAGE"] = coverage;
    assert.equal((await shell.run("quorate --help")).code, 0);
    delete shell.environment["NODE_V8_COVERAGE"];
    const loaded = readdirSync(coverage).flatMap((file) => {
      const { result } = JSON.parse(readFileSync(join(coverage, file), "utf8")) as {
        readonly result: readonly { readonly url: string }[];
      };
      return result.map(({ url }) => url).filter((url) => url.startsWith("file:"));
    });
    assert.ok(loaded.some((url) => url.endsWith("/cli/catalogue.js")));
    const heavy = /\/(cli\/commands|sdk(?!\/address)|server|driver|engines|wire|keyspace)\//;
    assert.deepEqual(
      loaded.filter((url) => heavy.test(url)),
      [],
    );
  });

  test("[CLI-25] a transaction is atomic, and exit code 1 where a condition does not hold (one server)", async () => {
    const txn = 'ver("txn/a") = "0"\n\nput txn/a 1\nput txn/b 2\n\nget txn/ --prefix\n';
    const first = await shell.run("quorate txn", txn);
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stdout, /^success at revision \d+\nput\nput\n$/);
    const second = await shell.run("quorate txn - --output json", txn);
    assert.equal(second.code, 1);
    const { succeeded, responses } = JSON.parse(second.stdout) as {
      readonly succeeded: boolean;
      readonly responses: readonly { readonly get: { readonly count: number } }[];
    };
    assert.equal(succeeded, false);
    assert.equal(responses[0]?.get.count, 2);
    const wrong = await shell.run("quorate txn", "\nput a\n");
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /line 2 of the transaction/);
  });

  test("[CLI-6] range reads between two keys, in any order, and all without them (one server)", async () => {
    for (const put of ["c 3", "a 1", "b 2"]) await shell.run(`quorate put order/${put}`);
    const keys = async (line: string): Promise<string> =>
      (await shell.run(`quorate range ${line} --keys-only`)).stdout.trim().replaceAll("\n", " ");
    assert.equal(await keys("order/a order/c"), "order/a order/b");
    assert.equal(await keys("order/ order0 --sort-by create"), "order/c order/a order/b");
    assert.equal(
      await keys("order/ order0 --sort-by value --descend --limit 2"),
      "order/c order/b",
    );
    assert.match(await keys(""), /order\/a order\/b order\/c/);
    assert.equal((await shell.run("quorate range x y --sort-by size")).code, 2);
    assert.equal((await shell.run("quorate range zz zzz")).code, 1);
  });

  test("[CLI-20] top redraws one screen at a terminal and gives the old one back (a pseudo-terminal)", async (t) => {
    if (spawnSync("script", ["--version"]).error !== undefined)
      return t.skip("script (util-linux) is not installed");
    const { code, stdout } = await shell.run(
      `script -qec "quorate top --looks 2 --every-ms 100" /dev/null`,
    );
    assert.equal(code, 0);
    const [enter, leave] = ["\x1b[?1049h", "\x1b[?1049l"];
    assert.ok(stdout.indexOf(enter) >= 0 && stdout.lastIndexOf(leave) > stdout.indexOf(enter));
    assert.equal(stdout.split("\x1b[H\x1b[J").length, 3, "drawn twice");
    assert.match(stdout, /writes +\d+\/s, at revision \d+/);
    assert.match(stdout, /store +\[[#.]+\] .* of /);
    const plain = await shell.run("quorate top --looks 1");
    assert.match(plain.stdout, /^revision=\d+ writesPerS=0 flushesPerS=\d+ .*alarms=\n$/);
  });
});
