/**
 * Reads histories of registers that others record: Jepsen's log lines (`jepsen.util - 0 :invoke :write 3`), Jepsen's
 * EDN maps, and the maps with `:key` that porcupine's key-value logs have.
 *
 * Invariants: I1 a process has at most one operation under way; `:info` leaves it indefinite. I2 lines that are of no
 * operation are passed over; an operation that cannot be read is INVALID and names its line.
 * `:fail` is definite. A failed `cas` that says no other reason is the answer that the comparison did not hold, as
 * porcupine takes it. Source: jepsen-io/history, README; anishathalye/porcupine, test_data.
 */
import { HistoryBuilder } from "./builder.ts";
import type { Answer, RegisterCall, RegisterValue } from "./calls.ts";
import { type Edn, readEdn, shown } from "./edn.ts";
import { refusal } from "./fields.ts";
import type { History, HistoryEvent } from "./history.ts";

export interface ImportOptions {
  /** Values are `[key value]`, as jepsen.independent has them. */
  readonly keyed?: boolean | undefined;
}

/** One line as both forms say it. */
interface Step {
  readonly process: string;
  readonly type: string;
  readonly verb: string;
  readonly value: Edn;
  readonly key: string | undefined;
  readonly failed: boolean;
  readonly at: number | undefined;
}

const LOG_LINE = /jepsen\.util(?:\s+-|:)\s+(\S+)\s+:(invoke|ok|fail|info)\s+:(\S+)\s*(.*)$/;
const NS_IN_MS = 1e-6;

export class ImportReader {
  readonly #keyed: boolean;
  readonly #open = new Map<string, { readonly op: number; readonly call: RegisterCall }>();
  #builder: HistoryBuilder | undefined;
  #line = 0;
  #ops = 0;
  #at = 0;
  #timed = false;

  constructor(options: ImportOptions = {}) {
    this.#keyed = options.keyed ?? false;
  }

  push(line: string): void {
    this.#line++;
    const where = `line ${this.#line}`;
    const step = stepOf(line, where);
    if (step === undefined) return;
    if (this.#builder === undefined) {
      this.#timed = step.at !== undefined;
      this.#builder = new HistoryBuilder({ unitMs: this.#timed ? NS_IN_MS : 1, marginMs: 0 });
    }
    this.#at = this.#timed ? Math.max(this.#at, step.at ?? 0) : this.#at + 1;
    const event = this.#event(step, where);
    if (event !== undefined) this.#builder.add(event, where);
  }

  #event(step: Step, where: string): HistoryEvent | undefined {
    const { process, type } = step;
    const at = this.#at;
    if (!/^\d+$/.test(process)) return this.#fault(step);
    const open = this.#open.get(process);
    if (type === "invoke") {
      if (open !== undefined) throw refusal(where, `invokes while process ${process} has a call`);
      const call = callOf(step, this.#keyed, where);
      const op = ++this.#ops;
      this.#open.set(process, { op, call });
      return { type: "invoke", at, process, op, call };
    }
    if (open === undefined) throw refusal(where, `ends what process ${process} did not begin`);
    this.#open.delete(process);
    const { op, call } = open;
    if (type === "info") return { type: "indefinite", at, op, code: codeOf(step.value) };
    if (type === "ok")
      return { type: "answer", at, op, answer: answerOf(call, step, this.#keyed, where) };
    const compared = call.kind === "cas" && !step.failed;
    if (compared) return { type: "answer", at, op, answer: { done: false } };
    return { type: "definite", at, op, code: codeOf(step.value) };
  }

  #fault({ process, verb, value }: Step): HistoryEvent {
    const phase = /start/.test(verb) ? "begin" : /stop|heal|end/.test(verb) ? "end" : "once";
    const what = value === null ? verb : `${verb} ${shown(value)}`;
    return { type: "fault", at: this.#at, fault: process, what, phase };
  }

  end(): History {
    if (this.#builder === undefined) throw refusal("log", "has no line of an operation");
    return this.#builder.build();
  }
}

function stepOf(line: string, where: string): Step | undefined {
  const found = LOG_LINE.exec(line);
  if (found !== null) {
    const [, who = "", type = "", verb = "", rest = ""] = found;
    const value = readEdn(rest, where) ?? null;
    const failed = typeof value === "object" && value !== null && "word" in value;
    return {
      process: who.replace(/^:/, ""),
      type,
      verb,
      value,
      key: undefined,
      failed,
      at: undefined,
    };
  }
  if (!/^\s*\[?\s*(#[\w.]+)?\{.*:process/.test(line)) return undefined;
  const edn = readEdn(line.replace(/^\s*\[/, ""), where);
  if (typeof edn !== "object" || edn === null || !("map" in edn))
    throw refusal(where, "is not a map that can be read");
  const { map } = edn;
  const word = (name: string): string => shown(map.get(name) ?? null).replace(/^:/, "");
  const time = map.get(":time");
  const key = map.get(":key");
  return {
    process: word(":process"),
    type: word(":type"),
    verb: word(":f"),
    value: map.get(":value") ?? null,
    key: key === undefined ? undefined : shown(key),
    failed: map.has(":error"),
    at: typeof time === "number" ? time : undefined,
  };
}

function codeOf(value: Edn): string | undefined {
  const isWord = typeof value === "object" && value !== null && "word" in value;
  return isWord ? value.word.replace(/^:/, "") : undefined;
}

/** Key and value; the value of a keyed register is the second of a pair. */
function placed(step: Step, keyed: boolean, where: string): { key?: string; value: Edn } {
  if (step.key !== undefined) return { key: step.key, value: step.value };
  if (!keyed) return { value: step.value };
  const { value } = step;
  if (
    typeof value !== "object" ||
    value === null ||
    !("items" in value) ||
    value.items.length !== 2
  )
    throw refusal(where, `has the value ${shown(value)}, which is not [key value]`);
  return { key: shown(value.items[0] ?? null), value: value.items[1] ?? null };
}

/** Key-value logs know no absent key: it reads as the empty text. */
function valueOf(edn: Edn): RegisterValue {
  return edn === null || edn === "" ? null : shown(edn);
}

function callOf(step: Step, keyed: boolean, where: string): RegisterCall {
  const { key, value } = placed(step, keyed, where);
  switch (step.verb) {
    case "read":
    case "get":
      return { kind: "read", key };
    case "write":
    case "put":
      return { kind: "write", key, value: valueOf(value) };
    case "append":
      return { kind: "append", key, value: valueOf(value) ?? "" };
    case "cas": {
      const items =
        typeof value === "object" && value !== null && "items" in value ? value.items : [];
      if (items.length !== 2) throw refusal(where, `compares with ${shown(value)}, not [from to]`);
      return { kind: "cas", key, from: valueOf(items[0] ?? null), to: valueOf(items[1] ?? null) };
    }
    default:
      throw refusal(where, `has the operation ${step.verb}, which no model of a register has`);
  }
}

function answerOf(call: RegisterCall, step: Step, keyed: boolean, where: string): Answer {
  if (call.kind === "cas") return { done: true };
  if (call.kind !== "read") return {};
  return { value: valueOf(placed(step, keyed, where).value) };
}
