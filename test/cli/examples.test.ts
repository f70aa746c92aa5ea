/** Every example of the help, in the order of the help, against one server. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { COMMANDS } from "../../src/cli/catalogue.ts";
import { helpOf } from "../../src/cli/program.ts";
import { Shell } from "./shell.ts";

/** What a command says that runs until it is interrupted. */
const UNTIL_INTERRUPTED = /; \^C \w+s\n|Try next|ready to serve/;
/** Verbs whose honest answer to their example may be "no". */
const MAY_SAY_NO = /^quorate (explain|doctor|cluster (promote|status))\b/;
/** A history that is right, for the verb that checks one. */
const HISTORY = `{"quorate":"history","version":1}
{"type":"watch","at":0,"process":"b","watch":"w","key":"k"}
{"type":"watching","at":1,"watch":"w","revision":1}
{"type":"invoke","at":1,"process":"a","op":1,"call":{"kind":"put","key":"k","value":"v"}}
{"type":"answer","at":2,"op":1,"answer":{"revision":2}}
{"type":"batch","at":3,"watch":"w","revision":2,"events":[{"kind":"put","kv":{"key":"k","value":"v","createRevision":2,"modRevision":2,"version":1}}]}
`;

function examplesOf(help: string): readonly string[] {
  const section = help.slice(help.indexOf("\nExamples:\n"));
  return [...section.matchAll(/^ {2}\$ (.+)$/gm)].map((match) => match[1] ?? "");
}

describe("the examples of the help", () => {
  const shell = new Shell();
  before(async () => {
    writeFileSync(
      join(shell.directory, "quorate.json"),
      JSON.stringify({ dataDir: "./from-file" }),
    );
    writeFileSync(join(shell.directory, "history.jsonl"), HISTORY);
    await shell.serve("--data-dir ./served --name m1 --peer-listen 127.0.0.1:0");
  });
  after(() => shell.close());

  for (const { path } of [{ path: "" }, ...COMMANDS]) {
    const examples = examplesOf(helpOf(path === "" ? [] : path.split(" "), {}) ?? "");
    test(`[CLI-8] quorate ${path}: there are two or three (no server)`, () => {
      assert.ok(
        examples.length >= 2 && examples.length <= 3,
        `${path}: ${examples.length} examples`,
      );
    });
    for (const example of examples) {
      test(`[CLI-8] ${example} (one server)`, async () => {
        const running = shell.start(example);
        const endless = !/--(events|looks)\b/.test(example);
        const interrupted = running.until(UNTIL_INTERRUPTED).then(
          () => endless && running.signal("SIGINT"),
          () => {},
        );
        const { code, stdout, stderr } = await running.ended;
        await interrupted;
        const allowed = MAY_SAY_NO.test(example) ? [0, 1] : [0];
        assert.ok(allowed.includes(code ?? -1), `exit code ${code}: ${stdout}${stderr}`);
        assert.notEqual(stdout + stderr, "");
        if (!example.includes("--output json")) return;
        for (const line of stdout.trimEnd().split("\n"))
          assert.doesNotThrow(() => JSON.parse(line), line);
      });
    }
  }
});
