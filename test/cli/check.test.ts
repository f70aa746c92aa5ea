/** `quorate check` as a person runs it. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { Shell } from "./shell.ts";

const HEADER = '{"quorate":"history","version":1}';
const RIGHT = `${HEADER}
{"type":"invoke","at":0,"process":"a","op":1,"call":{"kind":"put","key":"k","value":"v"}}
{"type":"answer","at":1,"op":1,"answer":{"revision":2}}
`;
const STALE = `${RIGHT}{"type":"invoke","at":2,"process":"b\\u001b[2J","op":2,"call":{"kind":"range","key":"k"}}
{"type":"answer","at":3,"op":2,"answer":{"revision":1,"count":0}}
`;
const KEYED = `{:process 0, :type :invoke, :f :write, :value [1 5]}
{:process 0, :type :ok, :f :write, :value [1 5]}
{:process 0, :type :invoke, :f :read, :value [2 nil]}
{:process 0, :type :ok, :f :read, :value [2 nil]}
`;

describe("check", { timeout: 480_000 }, () => {
  const shell = new Shell();
  after(() => shell.close());
  const file = (name: string, text: string): void =>
    writeFileSync(join(shell.directory, name), text);
  const bytes = (name: string, text: string): void =>
    writeFileSync(join(shell.directory, name), text, "latin1");

  test("[CLI-23] valid is 0, invalid 1 with rule and operation, undecided 6 (no server)", async () => {
    file("right.jsonl", RIGHT);
    file("stale.jsonl", STALE);
    const right = await shell.run("quorate check right.jsonl");
    assert.equal(right.code, 0, right.stderr);
    assert.match(right.stdout, /keyspace +valid +1 operations/);
    const stale = await shell.run("quorate check stale.jsonl");
    assert.equal(stale.code, 1);
    assert.match(
      stale.stdout,
      /HIST-REALTIME at event 4: range 2 of b.+ was answered at revision 1/,
    );
    assert.doesNotMatch(stale.stdout, /\u001b/);
    file(
      "concurrent.log",
      ["invoke", "ok"]
        .flatMap((type) => [1, 2, 3, 4].map((p) => `jepsen.util - ${p} :${type} :write ${p}`))
        .join("\n"),
    );
    assert.equal((await shell.run("quorate check concurrent.log")).code, 0);
    assert.equal((await shell.run("quorate check concurrent.log --steps 2")).code, 6);
  });

  test("[CLI-23] a document says what was found, a page draws it (no server)", async () => {
    file("stale.jsonl", STALE);
    const { code, stdout, stderr } = await shell.run(
      "quorate check stale.jsonl --html out.html --output json",
    );
    assert.equal(code, 1, stderr);
    const { format, events, result, checks } = JSON.parse(stdout) as {
      readonly [name: string]: unknown;
      readonly checks: readonly { readonly violations: readonly { readonly rule: string }[] }[];
    };
    assert.deepEqual(
      { format, events, result },
      { format: "quorate", events: 4, result: "invalid" },
    );
    assert.equal(checks[0]?.violations[0]?.rule, "HIST-REALTIME");
    const page = readFileSync(join(shell.directory, "out.html"), "utf8");
    assert.match(page, /^<!doctype html>[^]*fails here[^]*<\/html>\n$/);
  });

  test("[CLI-23] formats and models can be named (no server)", async () => {
    file("keyed.edn", KEYED);
    assert.equal((await shell.run("quorate check keyed.edn")).code, 1);
    assert.equal((await shell.run("quorate check keyed.edn --model kv")).code, 0);
    assert.equal((await shell.run("quorate check keyed.edn --format jepsen --model kv")).code, 0);
    assert.equal((await shell.run("cat keyed.edn | quorate check - --model kv")).code, 0);
  });

  test("[CLI-23] bytes that are not UTF-8 are refused with their line, those that are read as what they say (no server)", async () => {
    const told = (written: string, read: string): string =>
      `${HEADER}
{"type":"invoke","at":0,"process":"a","op":1,"call":{"kind":"write","value":"${written}"}}
{"type":"answer","at":1,"op":1,"answer":{}}
{"type":"invoke","at":2,"process":"a","op":2,"call":{"kind":"read"}}
{"type":"answer","at":3,"op":2,"answer":{"value":"${read}"}}
`;
    bytes("bytes.jsonl", told("\xff", "\xfe"));
    for (const line of ["quorate check bytes.jsonl", "cat bytes.jsonl | quorate check -"]) {
      const { code, stderr } = await shell.run(line);
      assert.equal(code, 2, stderr);
      assert.match(stderr, /line 2: is not UTF-8/);
    }
    file("text.jsonl", told("é\u2028", "é\u2028"));
    assert.equal((await shell.run("quorate check text.jsonl")).code, 0);
    file("other.jsonl", told("é", "è"));
    assert.equal((await shell.run("quorate check other.jsonl")).code, 1);
  });

  test("[CLI-23] what is no history is 2 and says where (no server)", async () => {
    file("broken.jsonl", `${HEADER}\n{"type":"invoke","at":0}\n`);
    for (const [line, message] of [
      ["broken.jsonl", /line 2\.process: is missing/],
      ["nowhere.jsonl", /file nowhere\.jsonl: cannot be read/],
      ["broken.jsonl --format edn", /--format: "edn" is none of quorate, jepsen, porcupine/],
      ["broken.jsonl --model locks", /--model: "locks" is none of keyspace/],
      ["/dev/null", /history: is empty/],
    ] as const) {
      const { code, stderr } = await shell.run(`quorate check ${line}`);
      assert.equal(code, 2, line);
      assert.match(stderr, message);
    }
  });
});
