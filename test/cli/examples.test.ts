/** Every example of the help, in the order of the help, against one server. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { COMMANDS } from "../../src/cli/catalogue.ts";
import { helpOf } from "../../src/cli/program.ts";
import { Shell } from "./shell.ts";

/** What a command says that runs until it is interrupted. */
const UNTIL_INTERRUPTED = /; \^C \w+s\n|Try next/;
/** Verbs whose honest answer to their example may be "no". */
const MAY_SAY_NO = /^quorate (explain|doctor)\b/;

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
    await shell.serve("--data-dir ./served");
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
        const interrupted = running.until(UNTIL_INTERRUPTED).then(
          () => running.signal("SIGINT"),
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
