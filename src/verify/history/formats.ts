/**
 * The formats of recorded histories, and which one a text is in.
 */
import type { History } from "./history.ts";
import { ImportReader } from "./imports.ts";
import { LineReader } from "./lines.ts";

/** `jepsen`: log lines or EDN maps. `porcupine`: maps with `:key`. */
export const FORMATS = ["quorate", "jepsen", "porcupine"] as const;
export type HistoryFormat = (typeof FORMATS)[number];

/** What takes a history line by line. */
export interface HistoryReader {
  /** Errors: INVALID. */
  push(line: string): void;
  /** Errors: INVALID. */
  end(): History;
}

/** A reader of `format`; `keyed`: values of a Jepsen log are `[key value]`. */
export function historyReader(format: HistoryFormat, keyed: boolean): HistoryReader {
  return format === "quorate" ? new LineReader() : new ImportReader({ keyed });
}

/** The format of a history by its first line that is not empty. */
export function formatOf(line: string): HistoryFormat {
  if (/^\s*\{\s*"/.test(line)) return "quorate";
  return /:key\s/.test(line) ? "porcupine" : "jepsen";
}
