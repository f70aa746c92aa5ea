/**
 * House style as a test: what a machine can check beyond types and lint. Prints every breach with its place and exits
 * with 1 if there is one. Its own source is read as any other, but for the words that its rules have to name.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join, relative } from "node:path";

const root = join(import.meta.dirname, "..", "..");
const CODE_LINES_MAX = 600;
const FUNCTION_LINES_MAX = 70;
const FORBIDDEN_NAMES = /^(utils|helpers|common|types|misc)\.ts$/;
const SYNCHRONOUS = /^src\/(protocols|keyspace|replica)\//;
const PURE =
  /^src\/(base|ports|contract|keyspace|replica|driver|mechanisms|wire|engines|service|verify|protocols)\//;
const OUTSIDE =
  /\b(new Date|Date\.now|Math\.random|setTimeout|setInterval|setImmediate|console\.|process\.)\b/;
const NODE_IMPORT = /from "node:/;
/** Words of where the project is made, not of the project. */
const WORKSHOP = [/\/work\/(main|shared)/, /\bfounders\b/i, /\bthis session's brief\b/i];

/** A file as the rules see it. */
interface Source {
  readonly path: string;
  readonly text: string;
  /** The text without comments. */
  readonly code: string;
}

interface Rule {
  readonly says: string;
  /** Where it is broken: line numbers, from 1, or 0 for the file as a whole. */
  breaches(source: Source): readonly number[];
}

const isTest = (path: string): boolean => path.endsWith(".test.ts");
const namesRules = (path: string): boolean => path === "tools/tidy.ts";
const whole = (broken: boolean): readonly number[] => (broken ? [0] : []);

/** The text with comments blanked: lines keep their numbers. */
function withoutComments(text: string): string {
  const blank = (comment: string): string => comment.replaceAll(/[^\n]/g, " ");
  return text.replaceAll(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, blank);
}

function lines(text: string, pattern: RegExp): readonly number[] {
  return text.split("\n").flatMap((line, at) => (pattern.test(line) ? [at + 1] : []));
}

const CONTROL = /^\s*(?:\}\s*)?(?:if|for|while|switch|catch|else|do|try|return|describe|test|it)\b/;
const HEAD_OF_FUNCTION = /^(\s*).*(?:\)|\w|>|\])(?::.*)?\s*(?:=>\s*)?\{$/;

/** Functions by their indentation: from a head that ends in a brace to the line that closes it. */
function longFunctions(code: string): readonly number[] {
  const all = code.split("\n");
  return all.flatMap((line, at) => {
    const indent = HEAD_OF_FUNCTION.exec(line)?.[1];
    const isFunction = indent !== undefined && line.includes("(") && !CONTROL.test(line);
    if (!isFunction) return [];
    const end = all.findIndex((other, there) => there > at && other.startsWith(`${indent}}`));
    return end - at - 1 > FUNCTION_LINES_MAX ? [at + 1] : [];
  });
}

const rules: readonly Rule[] = [
  {
    says: "opens with a header that says what it is",
    breaches: ({ path, text }) => whole(!isTest(path) && !/^(#!.*\n)?\/\*\*/.test(text)),
  },
  {
    says: `has at most ${CODE_LINES_MAX} lines of code`,
    breaches: ({ code }) => whole(lines(code, /\S/).length > CODE_LINES_MAX),
  },
  {
    says: `has functions of at most ${FUNCTION_LINES_MAX} lines`,
    breaches: ({ path, code }) => (/^test\/|\.test\.ts$/.test(path) ? [] : longFunctions(code)),
  },
  {
    says: "has a name that says what is in it, in kebab-case",
    breaches: ({ path }) =>
      whole(FORBIDDEN_NAMES.test(basename(path)) || !/^[a-z0-9.-]+$/.test(basename(path))),
  },
  {
    says: "is on a synchronous floor: no async, await or Promise",
    breaches: ({ path, code }) =>
      SYNCHRONOUS.test(path) && !isTest(path) ? lines(code, /\b(async|await|Promise)\b/) : [],
  },
  {
    says: "is on a pure floor: no clock, randomness, timers or Node",
    breaches: ({ path, code }) =>
      PURE.test(path) && !isTest(path)
        ? [...lines(code, OUTSIDE), ...lines(code, NODE_IMPORT)]
        : [],
  },
  {
    says: "leaves nothing for later unsaid",
    breaches: ({ path, text }) =>
      namesRules(path) ? [] : lines(text, /\b(TODO|FIXME|XXX|HACK)\b/),
  },
  {
    says: "keeps its types: no any, no ts-ignore",
    breaches: ({ path, text, code }) =>
      namesRules(path)
        ? []
        : [
            ...lines(code, /\bas any\b|: any\b/),
            ...lines(text, /@ts-(ignore|nocheck|expect-error)/),
          ],
  },
  {
    says: "imports files by their name with .ts",
    breaches: ({ code }) => lines(code, /from "\.{1,2}\/[^"]*(?<!\.ts)"/),
  },
  {
    says: "speaks of the project, not of where it is made",
    breaches: ({ path, text }) =>
      namesRules(path) ? [] : WORKSHOP.flatMap((word) => lines(text, word)),
  },
];

/** Rules that hold for documents as well. */
const DOCUMENT_RULES = rules.filter((rule) => rule.says.startsWith("speaks"));

function files(folder: string, ends: RegExp): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return files(path, ends);
    return ends.test(name) ? [path] : [];
  });
}

function check(path: string, applied: readonly Rule[]): number {
  const text = readFileSync(path, "utf8");
  const source: Source = { path: relative(root, path), text, code: withoutComments(text) };
  let count = 0;
  for (const rule of applied) {
    for (const line of rule.breaches(source)) {
      console.error(`${source.path}${line === 0 ? "" : `:${line}`}: every file ${rule.says}`);
      count++;
    }
  }
  return count;
}

const RULE_ID = /^(?:\| |- \*\*)([A-Z][A-Z0-9]*(?:-[A-Z0-9.]+)+)/;

/** A rule's id stands for one rule: the tests that quote it hold that one. */
function checkIds(paths: readonly string[]): number {
  const places = new Map<string, string>();
  let count = 0;
  for (const path of paths) {
    for (const [at, line] of readFileSync(path, "utf8").split("\n").entries()) {
      const id = RULE_ID.exec(line)?.[1];
      if (id === undefined) continue;
      const place = `${relative(root, path)}:${at + 1}`;
      const before = places.get(id);
      if (before !== undefined) {
        console.error(`${place}: rule ${id} is also at ${before}`);
        count++;
      }
      places.set(id, place);
    }
  }
  return count;
}

const sources = ["src", "test", "bench", "tools"].flatMap((folder) =>
  files(join(root, folder), /(?<!\.d)\.ts$/),
);
const documents = [...files(join(root, "docs"), /\.md$/), join(root, "README.md")];
let breaches = checkIds(files(join(root, "docs", "spec"), /\.md$/));
for (const path of sources) breaches += check(path, rules);
for (const path of documents) breaches += check(path, DOCUMENT_RULES);
console.log(breaches === 0 ? `tidy: ${sources.length} files` : `${breaches} breaches of the style`);
process.exitCode = breaches === 0 ? 0 : 1;
