/** The page docs/cli.md against the tables in the code, and the small pure parts of the verbs. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { COMMANDS } from "./catalogue.ts";
import { outline, wanted } from "./commands/explain.ts";
import { EXIT } from "./exit-codes.ts";
import { nearest } from "./nearest.ts";
import { flagOf, SETTINGS, variableOf } from "./settings.ts";

const page = readFileSync(new URL("../../../docs/cli.md", import.meta.url), "utf8");

test("[CLI-8] docs/cli.md names every verb with its summary (no server)", () => {
  for (const { path, operands, summary } of COMMANDS) {
    const row = `| \`${`${path} ${operands}`.trim()}\` | ${summary} |`;
    assert.ok(page.includes(row), row);
  }
});

test("[CLI-1] docs/cli.md names every setting as the table has it (no server)", () => {
  for (const { key, operand, usual, meaning } of SETTINGS) {
    const flag = `${flagOf(key)}${operand === undefined ? "" : ` ${operand}`}`;
    const row = `| \`${flag}\` | \`${variableOf(key)}\` | \`${key}\` | ${usual} | ${meaning} |`;
    assert.ok(page.includes(row), row);
  }
});

test("[CLI-6] docs/cli.md names every exit code (no server)", () => {
  for (const code of Object.values(EXIT)) assert.match(page, new RegExp(`^\\| ${code} \\|`, "m"));
});

test("[CLI-2] a word is nearest to itself, and to itself with one letter wrong (no server)", () => {
  const words = ["listen", "dataDir", "quotaBytes", "historyKeep"];
  fc.assert(
    fc.property(fc.constantFrom(...words), fc.nat(), (word, at) => {
      const cut = at % word.length;
      assert.equal(nearest(word, words), word);
      assert.equal(nearest(word.slice(0, cut) + word.slice(cut + 1), words), word);
      assert.equal(nearest(`${word.slice(0, cut)}#${word.slice(cut)}`, words), word);
    }),
  );
  assert.equal(nearest("colour", words), undefined);
});

test("[CLI-16] explain reads a kind from the front of a name, else takes every kind (no server)", () => {
  assert.deepEqual(wanted("lock/orders/42"), { noun: "lock", name: "orders/42" });
  assert.deepEqual(wanted("orders/42"), { noun: undefined, name: "orders/42" });
  assert.equal(wanted("lock").name, "lock");
});

test("[CLI-16] explanations read as indented lines, without control characters (no server)", () => {
  const lines = outline(
    { holder: { service: "a\u001b[2J" }, waiters: [{ pid: 1 }], gone: undefined },
    "",
  );
  assert.deepEqual(lines, ["holder:", "  service: a\\x1b[2J", "waiters:", "  1:", "    pid: 1"]);
});
