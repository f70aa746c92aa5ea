/** Completion as a person has it: Tab in an interactive zsh; in bash, what readline is told. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { COMMANDS } from "../../src/cli/catalogue.ts";
import { completionScript } from "../../src/cli/completion.ts";
import { Shell } from "./shell.ts";

const has = (program: string): boolean => spawnSync(program, ["--version"]).status === 0;
const noZsh = !has("zsh") && "zsh is not installed";
const noBash = !has("bash") && "bash is not installed";
const driver = fileURLToPath(new URL("../../../test/cli/completion.zsh", import.meta.url));

/** What is typed before Tab, what is offered, and the line after it if that is not what was typed. */
type Case = readonly [typed: string, offered: readonly string[], line?: string];

const WORDS: readonly Case[] = [
  ["quorate se", ["semaphore", "serve"]],
  ["quorate el", ["elect"], "quorate elect "],
  ["quorate xyz", []],
  ["quorate lease g", ["grant"], "quorate lease grant "],
  ["quorate auth ", ["disable", "enable", "role", "status", "user"]],
  // Verbs of three words.
  ["quorate auth user g", ["grant"], "quorate auth user grant "],
  ["quorate auth role revoke --pre", ["--prefix"], "quorate auth role revoke --prefix "],
  ["quorate lease grant --i", ["--id"], "quorate lease grant --id "],
  // A name that is a verb's is a name.
  ["quorate lock lease --wa", ["--wait-ms"], "quorate lock lease --wait-ms "],
  // The value of a flag is no verb; urls have colons.
  [
    "quorate --url quorate://h:1 --user a:b sta",
    ["status"],
    "quorate --url quorate://h:1 --user a:b status ",
  ],
  ["quorate -o json lease gr", ["grant"], "quorate -o json lease grant "],
  ["quorate status --output ", ["json", "table"]],
  ["quorate status --us", ["--user"], "quorate status --user "],
  ["quorate etcd --enable-v", ["--enable-v2"], "quorate etcd --enable-v2 "],
  ["quorate completion z", ["zsh"], "quorate completion zsh "],
  ["quorate alarm clear N", ["NOSPACE"], "quorate alarm clear NOSPACE "],
  ["quorate alarm clear C", ["CLOCK", "CORRUPT"]],
  ["quorate help lo", ["lock", "log"]],
];

describe("completion", () => {
  let shell = new Shell();
  beforeEach(() => {
    shell = new Shell();
    writeFileSync(join(shell.directory, "a-file.json"), "{}");
  });
  afterEach(() => shell.close());

  /** Presses Tab behind each line in a zsh that has read `prelude`. */
  function pressed(
    prelude: string,
    typed: readonly string[],
  ): readonly (readonly [offered: readonly string[], line: string])[] {
    const file = join(shell.directory, "prelude.zsh");
    writeFileSync(file, prelude);
    const done = spawnSync("zsh", ["-f", driver, file, ...typed], {
      cwd: shell.directory,
      env: { ...shell.environment, ZDOTDIR: shell.directory, TERM: "dumb", LANG: "C.UTF-8" },
      encoding: "utf8",
      timeout: 240_000,
    });
    assert.equal(done.status, 0, done.stdout + done.stderr);
    return done.stdout
      .split(/^> /m)
      .slice(1)
      .map((each) => {
        const [, ...lines] = each.split("\n").slice(0, -1);
        const line = lines.pop() ?? "";
        assert.ok(line.startsWith("= "), each);
        return [lines.filter((word) => word !== ""), line.slice(2)] as const;
      });
  }

  function holds(
    cases: readonly Case[],
    got: readonly (readonly [readonly string[], string])[],
  ): void {
    for (const [at, [typed, offered, line = typed]] of cases.entries()) {
      assert.deepEqual(got[at]?.[0], offered, typed);
      assert.equal(got[at]?.[1], line, typed);
    }
  }

  test("[CLI-26] Tab completes verbs, flags, values, files and commands (zsh)", (t) => {
    if (noZsh !== false) return t.skip(noZsh);
    const cases: readonly Case[] = [
      ...WORDS,
      ["quorate status --output=j", ["json"], "quorate status --output=json "],
      ["quorate serve --config a-f", ["a-file.json"], "quorate serve --config a-file.json "],
      ["quorate serve --config=a-f", ["a-file.json"], "quorate serve --config=a-file.json "],
      ["quorate txn a-f", ["a-file.json"], "quorate txn a-file.json "],
      // No files where none can be meant.
      ["quorate get a-f", []],
      ["quorate lock x --wait-ms ", []],
      // Behind `--` the command is completed as it would be alone.
      ["quorate lock x -- quorate stat", ["status"], "quorate lock x -- quorate status "],
      ["quorate get x -- --pref", ["--prefix"], "quorate get x -- --prefix "],
    ];
    const got = pressed(
      completionScript("zsh", COMMANDS),
      cases.map(([typed]) => typed),
    );
    holds(cases, got);
    const [[every] = [[]]] = pressed(completionScript("zsh", COMMANDS), ["quorate "]);
    const first = [...new Set(COMMANDS.map(({ path }) => path.split(" ")[0] ?? ""))].sort();
    assert.deepEqual([...every].sort(), first);
  });

  test("[CLI-26] the same script is a function of a directory of functions, and leaves what was completed before (zsh)", (t) => {
    if (noZsh !== false) return t.skip(noZsh);
    const directory = join(shell.directory, "functions");
    mkdirSync(directory);
    writeFileSync(join(directory, "_quorate"), completionScript("zsh", COMMANDS));
    const begin = "autoload -Uz compinit && compinit -i\n";
    const cases: readonly Case[] = [["quorate lease g", ["grant"], "quorate lease grant "]];
    const typed = cases.map(([each]) => each);
    holds(cases, pressed(`fpath=(${directory} $fpath)\n${begin}`, typed));
    const mine = "_mine() { compadd -- theirs }\ncompdef _mine other\n";
    const [[kept] = [[]]] = pressed(begin + mine + completionScript("zsh", COMMANDS), ["other t"]);
    assert.deepEqual(kept, ["theirs"]);
  });

  test("[CLI-26] the same lines (bash)", (t) => {
    if (noBash !== false) return t.skip(noBash);
    const got = WORDS.map(([typed]) => {
      const script = `${completionScript("bash", COMMANDS)}
COMP_LINE=$1 COMP_POINT=\${#1}
_quorate
printf '%s\\n' "\${COMPREPLY[@]}"`;
      const done = spawnSync("bash", ["-c", script, "bash", typed], { encoding: "utf8" });
      assert.equal(done.status, 0, done.stderr);
      return done.stdout
        .split("\n")
        .filter((word) => word !== "")
        .sort();
    });
    for (const [at, [typed, offered]] of WORDS.entries()) assert.deepEqual(got[at], offered, typed);
  });

  test("[CLI-26] a flag takes a value with every verb or with none (catalogue)", () => {
    const values = new Map<string, boolean>();
    for (const { path, flags } of COMMANDS)
      for (const { usage } of flags)
        for (const [name] of usage.matchAll(/--[a-z0-9-]+/g)) {
          const takes = usage.includes("<");
          assert.equal(values.get(name) ?? takes, takes, `${path} ${name}`);
          values.set(name, takes);
        }
  });
});
