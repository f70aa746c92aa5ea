/**
 * Histories as JSON lines: `docs/spec/history.md`. The first line says what the file is; each further one is an event.
 *
 * Invariants: I1 what is written reads as the same events. I2 what cannot be meant is INVALID and names line and field.
 */
import type { WatchEvent } from "../../contract/keyspace.ts";
import { HistoryBuilder } from "./builder.ts";
import type { Call } from "./calls.ts";
import { answerField, callField, keyValue } from "./call-fields.ts";
import {
  type AnyField,
  brief,
  bytes,
  defaulted,
  type Field,
  type Fields,
  flag,
  list,
  notNegative,
  nullable,
  number,
  objectOf,
  oneOf,
  optional,
  record,
  refusal,
  string,
  whole,
} from "./fields.ts";
import type {
  Answered,
  Delivered,
  Failed,
  Fault,
  Header,
  History,
  HistoryEvent,
  Invoked,
  Lost,
  Observed,
  Scope,
  StateHash,
  WatchAsked,
  WatchEnded,
  WatchStands,
} from "./history.ts";

const VERSION = 1;
const UNITS = { s: 1_000, ms: 1, us: 1e-3, ns: 1e-6 } as const;

interface HeaderLine {
  readonly quorate: "history";
  readonly version: number;
  readonly unit: keyof typeof UNITS;
  readonly since?: number | undefined;
  readonly scope?: readonly Scope[] | undefined;
  readonly marginMs: number;
}
const header = record<HeaderLine>({
  quorate: oneOf("history"),
  version: whole,
  unit: defaulted(oneOf("s", "ms", "us", "ns"), "ms"),
  since: optional(whole),
  scope: optional(list(record<Scope>({ key: bytes, end: optional(bytes) }))),
  marginMs: defaulted(notNegative, 0),
});

const at = number;
const failed = record<Failed>({
  type: oneOf("definite", "indefinite"),
  at,
  op: whole,
  code: optional(string),
});
const watchEvent = record<WatchEvent>({
  kind: oneOf("put", "delete"),
  kv: keyValue,
  prevKv: optional(keyValue),
});

const TABLES: Readonly<Record<Exclude<HistoryEvent["type"], "answer">, AnyField>> = {
  invoke: record<Invoked>({
    type: oneOf("invoke"),
    at,
    process: string,
    op: whole,
    call: callField,
  }),
  definite: failed,
  indefinite: failed,
  watch: record<WatchAsked>({
    type: oneOf("watch"),
    at,
    process: string,
    watch: string,
    key: bytes,
    end: optional(bytes),
    from: optional(whole),
    prevKv: optional(flag),
    without: optional(oneOf("put", "delete")),
    fragment: optional(flag),
    resumes: optional(string),
  }),
  watching: record<WatchStands>({ type: oneOf("watching"), at, watch: string, revision: whole }),
  batch: record<Delivered>({
    type: oneOf("batch"),
    at,
    watch: string,
    revision: whole,
    events: defaulted<readonly WatchEvent[]>(list(watchEvent), []),
    partial: optional(flag),
  }),
  "watch-ended": record<WatchEnded>({
    type: oneOf("watch-ended"),
    at,
    watch: string,
    code: optional(string),
  }),
  state: record<StateHash>({
    type: oneOf("state"),
    at,
    member: string,
    revision: whole,
    compactRevision: optional(whole),
    hash: string,
  }),
  lost: record<Lost>({ type: oneOf("lost"), at, process: string, name: string, token: whole }),
  observed: record<Observed>({
    type: oneOf("observed"),
    at,
    process: string,
    stream: string,
    name: string,
    token: nullable(whole),
  }),
  fault: record<Fault>({
    type: oneOf("fault"),
    at,
    fault: string,
    what: string,
    phase: oneOf("begin", "end", "once"),
  }),
};
const ANSWERED: Omit<Fields<Answered>, "answer"> = { type: oneOf("answer"), at, op: whole };
/** One table for each kind of call. */
const answeredTables = new Map<Call["kind"], Field<Answered>>();

function answered(kind: Call["kind"]): Field<Answered> {
  let table = answeredTables.get(kind);
  if (table === undefined) {
    table = record<Answered>({ ...ANSWERED, answer: answerField(kind) });
    answeredTables.set(kind, table);
  }
  return table;
}

/** Reads a history line by line. */
export class LineReader {
  #builder: HistoryBuilder | undefined;
  #line = 0;

  /** Takes the next line. Errors: INVALID. */
  push(line: string): void {
    this.#line++;
    if (line.trim() === "") return;
    const where = `line ${this.#line}`;
    const json = parsed(line, where);
    if (this.#builder === undefined) {
      this.#builder = new HistoryBuilder(readHeader(json, where));
      return;
    }
    this.#builder.add(this.#event(json, where, this.#builder), where);
  }

  #event(json: unknown, where: string, builder: HistoryBuilder): HistoryEvent {
    const given = objectOf(json, where);
    const type = given["type"];
    if (type === "answer") {
      const call = builder.callOf(whole.read(given["op"], `${where}.op`));
      if (call === undefined)
        throw refusal(where, `is of operation ${String(given["op"])}, which is not under way`);
      return answered(call.kind).read(given, where);
    }
    if (typeof type !== "string" || !Object.hasOwn(TABLES, type))
      throw refusal(`${where}.type`, `is ${brief(type)}, which is no type of event`);
    const table = TABLES[type as keyof typeof TABLES] as unknown as Field<HistoryEvent>;
    return table.read(given, where);
  }

  /** What was read. Errors: INVALID if there was no header. */
  end(): History {
    if (this.#builder === undefined) throw refusal("history", "is empty");
    return this.#builder.build();
  }
}

function parsed(line: string, where: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    throw refusal(where, "is not JSON");
  }
}

function readHeader(json: unknown, where: string): Header {
  if (objectOf(json, where)["quorate"] !== "history")
    throw refusal(where, 'is not a header: {"quorate":"history","version":1}');
  const { version, unit, since, scope, marginMs } = header.read(json, where);
  if (version !== VERSION)
    throw refusal(`${where}.version`, `is ${version}; this program reads version ${VERSION}`);
  return { unitMs: UNITS[unit], since, scope, marginMs };
}

/** The line of a header. */
export function headerLine({ unitMs, since, scope, marginMs }: Header): string {
  const unit = (Object.keys(UNITS) as (keyof typeof UNITS)[]).find((u) => UNITS[u] === unitMs);
  if (unit === undefined) throw refusal("header", `has a unit of ${unitMs} ms`);
  return JSON.stringify(
    header.write({ quorate: "history", version: VERSION, unit, since, scope, marginMs }),
  );
}

/** The lines of events; `callKinds` remembers what answers are of, over calls of this function. */
export class LineWriter {
  readonly #kinds = new Map<number, Call["kind"]>();

  line(event: HistoryEvent): string {
    return JSON.stringify(this.#fields(event).write(event as never));
  }

  #fields(event: HistoryEvent): AnyField {
    if (event.type === "invoke") this.#kinds.set(event.op, event.call.kind);
    if (event.type !== "answer") return TABLES[event.type];
    const kind = this.#kinds.get(event.op);
    if (kind === undefined) throw refusal(`operation ${event.op}`, "was not invoked");
    this.#kinds.delete(event.op);
    return answered(kind);
  }
}

/** A whole history as text. */
export function written(events: Iterable<HistoryEvent>, given: Header): string {
  const writer = new LineWriter();
  let out = `${headerLine(given)}\n`;
  for (const event of events) out += `${writer.line(event)}\n`;
  return out;
}

/** A whole history from text. Errors: INVALID. */
export function readLines(text: string): History {
  const reader = new LineReader();
  for (const line of text.split("\n")) reader.push(line);
  return reader.end();
}
