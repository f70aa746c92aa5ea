/**
 * Reads the part of EDN that logs of operations use: nil, numbers, strings, keywords, symbols, vectors, lists, sets, maps.
 * A tag before a value is skipped.
 *
 * Source: the edn format (edn-format.org). Leaves out: characters, ratios, discarded forms, namespaced maps.
 */

import { NESTED_MAX, refusal } from "./fields.ts";

/** Keywords and symbols are `{ word }`, with the colon of a keyword; maps have text as keys, `:type`. */
export type Edn =
  | null
  | boolean
  | number
  | string
  | { readonly word: string }
  | { readonly items: readonly Edn[] }
  | { readonly map: ReadonlyMap<string, Edn> };

const SPACE = /[\s,]/;
const ENDS_WORD = /[\s,()[\]{}"]/;
const CLOSING: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };

class Reader {
  readonly #text: string;
  readonly #where: string;
  #at = 0;
  #depth = 0;

  constructor(text: string, where: string) {
    this.#text = text;
    this.#where = where;
  }

  /** The next value, or undefined where none begins. */
  value(): Edn | undefined {
    if (this.#depth > NESTED_MAX)
      throw refusal(this.#where, `is nested more than ${NESTED_MAX} deep`);
    this.#depth++;
    const value = this.#next();
    this.#depth--;
    return value;
  }

  #next(): Edn | undefined {
    this.#skip();
    const first = this.#text[this.#at];
    if (first === undefined) return undefined;
    if (first === '"') return this.#string();
    if (first === "#") return this.#tagged();
    if (first === "{") return this.#map();
    if (first === "[" || first === "(") return { items: this.#until(CLOSING[first] as string) };
    return ENDS_WORD.test(first) ? undefined : meaning(this.#word());
  }

  #skip(): void {
    while (SPACE.test(this.#text[this.#at] ?? "x")) this.#at++;
  }

  #word(): string {
    const from = this.#at;
    while (this.#at < this.#text.length && !ENDS_WORD.test(this.#text[this.#at] as string))
      this.#at++;
    return this.#text.slice(from, this.#at);
  }

  /** A set, or a value behind a tag. */
  #tagged(): Edn | undefined {
    this.#at++;
    if (this.#text[this.#at] === "{") return { items: this.#until("}") };
    this.#word();
    return this.value();
  }

  #string(): string | undefined {
    const end = /"(?:[^"\\]|\\.)*"/y;
    end.lastIndex = this.#at;
    const found = end.exec(this.#text)?.[0];
    if (found === undefined) return undefined;
    this.#at += found.length;
    return found
      .slice(1, -1)
      .replaceAll(/\\(.)/g, (_, each: string) =>
        each === "n" ? "\n" : each === "t" ? "\t" : each === "r" ? "\r" : each,
      );
  }

  #until(close: string): Edn[] {
    this.#at++;
    const items: Edn[] = [];
    for (;;) {
      this.#skip();
      if (this.#text[this.#at] === close) break;
      const item = this.value();
      if (item === undefined) throw new SyntaxError(`no ${close}`);
      items.push(item);
    }
    this.#at++;
    return items;
  }

  #map(): Edn {
    const items = this.#until("}");
    const map = new Map<string, Edn>();
    for (let at = 0; at + 1 < items.length; at += 2)
      map.set(shown(items[at] as Edn), items[at + 1] as Edn);
    return { map };
  }
}

function meaning(word: string): Edn {
  if (word === "nil") return null;
  if (word === "true" || word === "false") return word === "true";
  if (/^[-+]?\d+(\.\d+)?([eE][-+]?\d+)?[NM]?$/.test(word)) return Number(word.replace(/[NM]$/, ""));
  return { word };
}

/** The value that `text` begins with; undefined if it begins with none. Errors: INVALID, of `where`, if it is too deep. */
export function readEdn(text: string, where: string): Edn | undefined {
  try {
    return new Reader(text, where).value();
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** A value as text: a register's value, a key, a word. */
export function shown(edn: Edn): string {
  if (edn === null) return "nil";
  if (typeof edn !== "object") return String(edn);
  if ("word" in edn) return edn.word;
  if ("items" in edn) return `[${edn.items.map(shown).join(" ")}]`;
  return `{${[...edn.map].map(([key, value]) => `${key} ${shown(value)}`).join(", ")}}`;
}
