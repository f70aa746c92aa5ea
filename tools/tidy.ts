/**
 * House style as a test: what a machine can check beyond types and lint. Prints every breach with its place and exits
 * with 1 if there is one.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join, relative } from "node:path";

const root = join(import.meta.dirname, "..", "..");
const CODE_LINES_MAX = 600;
const FORBIDDEN_NAMES = /^(utils|helpers|common|types|misc)\.ts$/;
const SYNCHRONOUS = /^src\/(protocols|keyspace|replica)\//;
const PURE = /^src\/(base|ports|contract|keyspace|replica|driver|mechanisms|wire|engines|service|verify|protocols)\//;

interface Rule {
  readonly says: string;
  breach(path: string, text: string): boolean;
}

const isTest = (path: string): boolean => path.endsWith(".test.ts");
const code = (text: string): string => text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");

const rules: readonly Rule[] = [
  {
    says: "opens with a header that says what it is",
    breach: (path, text) => path.startsWith("src/") && !isTest(path) && !/^(#!.*\n)?\/\*\*/.test(text),
  },
  {
    says: `has at most ${CODE_LINES_MAX} lines`,
    breach: (_path, text) => text.split("\n").length > CODE_LINES_MAX,
  },
  {
    says: "has a name that says what is in it, in kebab-case",
    breach: (path) => FORBIDDEN_NAMES.test(basename(path)) || !/^[a-z0-9.-]+$/.test(basename(path)),
  },
  {
    says: "is on a synchronous floor: no async, await or Promise",
    breach: (path, text) => SYNCHRONOUS.test(path) && !isTest(path) && /\b(async|await|Promise)\b/.test(code(text)),
  },
  {
    says: "is on a pure floor: no Date, Math.random or timers",
    breach: (path, text) =>
      PURE.test(path) && !isTest(path) && /\b(new Date|Date\.now|Math\.random|setTimeout|setInterval|setImmediate)\b/.test(code(text)),
  },
  {
    says: "leaves nothing for later unsaid: no TODO",
    breach: (path, text) => path !== "tools/tidy.ts" && /\b(TODO|FIXME|XXX|HACK)\b/.test(text),
  },
  {
    says: "keeps its types: no any, no non-null assertion by comment, no ts-ignore",
    breach: (path, text) => path !== "tools/tidy.ts" && /@ts-(ignore|nocheck|expect-error)|\bas any\b|: any\b/.test(code(text)),
  },
  {
    says: "imports files by their name with .ts",
    breach: (_path, text) => /from "\.{1,2}\/[^"]*(?<!\.ts)"/.test(code(text)),
  },
];

function sources(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return sources(path);
    return name.endsWith(".ts") && !name.endsWith(".d.ts") ? [path] : [];
  });
}

let breaches = 0;
for (const path of ["src", "test", "bench", "tools"].flatMap((folder) => sources(join(root, folder)))) {
  const name = relative(root, path);
  const text = readFileSync(path, "utf8");
  for (const rule of rules) {
    if (!rule.breach(name, text)) continue;
    console.error(`${name}: every file ${rule.says}`);
    breaches++;
  }
}
console.log(breaches === 0 ? "tidy" : `${breaches} breaches of the style`);
process.exitCode = breaches === 0 ? 0 : 1;
