/** The verbs as scripts use them: exit codes, streams, JSON. */
import assert from "node:assert/strict";
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

  test("[CLI-10] quorate --help answers within 150 ms (no server)", async () => {
    let least = Infinity;
    for (let round = 0; round < 7; round++) {
      const began = performance.now();
      assert.equal((await shell.run("quorate --help")).code, 0);
      least = Math.min(least, performance.now() - began);
    }
    assert.ok(least <= 150, `${least.toFixed(0)} ms`);
  });
});
