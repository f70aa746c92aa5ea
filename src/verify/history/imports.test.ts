/** The logs that other tools write: simulated registers told in their words, and Jepsen's maps. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { check } from "../checker/check.ts";
import { RegisterClients } from "../workload/registers.ts";
import { World } from "../workload/world.ts";
import type { Answer, RegisterCall, RegisterValue } from "./calls.ts";
import { formatOf, historyReader } from "./formats.ts";
import type { History } from "./history.ts";
import { type ImportOptions, ImportReader } from "./imports.ts";

/** One step of a call, as a format writes it; `value` is EDN. */
type Form = (process: string, type: string, call: RegisterCall, value: string) => string;

const FORMS: readonly { readonly name: string; readonly keys: number; readonly form: Form }[] = [
  {
    name: "jepsen",
    keys: 1,
    form: (process, type, { kind }, value) =>
      `INFO  jepsen.util - ${process}\t:${type}\t:${kind}\t${value}`,
  },
  {
    name: "porcupine",
    keys: 3,
    form: (process, type, { kind, key }, value) => {
      const end = value.startsWith(":") ? `nil, :error ${value}` : value;
      return `{:process ${process}, :type :${type}, :f :${kind}, :key "${key}", :value ${end}}`;
    },
  },
];

function edn(value: RegisterValue): string {
  if (value === null) return "nil";
  return /^\d+$/.test(value) ? value : `"${value}"`;
}

function asked(call: RegisterCall): string {
  if (call.kind === "read") return "nil";
  return call.kind === "cas" ? `[${edn(call.from)} ${edn(call.to)}]` : edn(call.value);
}

/** The log of one seed's clients; the reads for which `told` gives another value are told wrongly. */
function logOf(
  seed: number,
  keys: number,
  form: Form,
  told: (read: number) => RegisterValue | undefined = () => undefined,
): readonly string[] {
  const world = new World({ seed, lossless: false });
  const clients = new RegisterClients(world, keys);
  for (let process = 1; process <= 4; process++) clients.client(String(process), 12);
  world.run();
  const calls = new Map<number, { readonly process: string; readonly call: RegisterCall }>();
  const open = new Map<string, number>();
  const lines: string[] = [];
  let reads = 0;
  const say = (op: number, type: string, value?: string): void => {
    const { process, call } = calls.get(op) ?? assert.fail("it was begun");
    lines.push(form(process, type, call, value ?? asked(call)));
    if (type === "invoke") open.set(process, op);
    else open.delete(process);
  };
  for (const event of world.events) {
    if (event.type === "invoke") {
      const left = open.get(event.process);
      if (left !== undefined) say(left, "info", ":timed-out");
      calls.set(event.op, { process: event.process, call: event.call as RegisterCall });
      say(event.op, "invoke");
    } else if (event.type === "answer") {
      const answer = event.answer as Answer & { value?: RegisterValue; done?: boolean };
      if (answer.done === false) say(event.op, "fail");
      else if (calls.get(event.op)?.call.kind !== "read") say(event.op, "ok");
      else say(event.op, "ok", edn(told(reads++) ?? answer.value ?? null));
    } else if (event.type === "definite") say(event.op, "fail", ":overloaded");
    else if (event.type === "indefinite") say(event.op, "info", ":timed-out");
  }
  return lines;
}

function verdict(lines: readonly string[]): string {
  const reader = historyReader(formatOf(lines[0] ?? ""), false);
  for (const line of lines) reader.push(line);
  return check(reader.end()).result;
}

function read(lines: readonly string[], options: ImportOptions = {}): History {
  const reader = new ImportReader(options);
  for (const line of lines) reader.push(line);
  return reader.end();
}

for (const { name, keys, form } of FORMS) {
  test(`[HIST-IMPORT] what registers did, told as ${name} tells it, is judged as it was (200 seeds)`, () => {
    for (let seed = 1; seed <= 200; seed++) {
      const lines = logOf(seed, keys, form);
      assert.equal(formatOf(lines[0] ?? ""), name);
      assert.equal(verdict(lines), "valid", `seed ${seed}`);
      const spoilt = logOf(seed, keys, form, (read) => (read === 2 ? "never written" : undefined));
      assert.equal(verdict(spoilt), "invalid", `seed ${seed}, spoilt`);
    }
  });
}

test("[HIST-IMPORT] Jepsen's maps read with times, failures, faults and keyed values", () => {
  const history = read(
    [
      "[{:type :invoke, :f :write, :value [7 [1 2]], :process 0, :time 1000000, :index 0}",
      "{:type :info, :f :start-partition, :value :majority, :process :nemesis, :time 2000000}",
      "#jepsen.history.Op{:type :invoke, :f :cas, :value [7 [3 4]], :process 1, :time 3000000}",
      "{:type :fail, :f :cas, :value [7 [3 4]], :process 1, :time 4000000, :error :down}",
      "{:type :invoke, :f :read, :value [7 nil], :process 2, :time 4500000}",
      "{:type :ok, :f :read, :value [7 nil], :process 2, :time 4600000}",
      '{:type :info, :f :write, :value [7 [1 2]], :process 0, :time 5000000, :error "timeout"}]',
    ],
    { keyed: true },
  );
  const kinds = history.operations.map(({ call, outcome }) => [call.kind, outcome.kind]);
  assert.deepEqual(kinds, [
    ["write", "indefinite"],
    ["cas", "definite"],
    ["read", "answer"],
  ]);
  assert.deepEqual(history.operations[0]?.call, { kind: "write", key: "7", value: "[1 2]" });
  assert.equal(history.operations[1]?.invokedAt, 3);
  assert.equal(history.faults[0]?.what, "start-partition :majority");
  assert.equal(check(history).result, "valid");
});

test("[HIST-IMPORT] a failed comparison is an answer, unless the log gives another reason", () => {
  const log = (end: string): History =>
    read([
      "INFO  jepsen.util - 0\t:invoke\t:write\t1",
      "INFO  jepsen.util - 0\t:ok\t:write\t1",
      "INFO  jepsen.core - something else",
      "2024-01-01 10:00:00,000{GMT}\tINFO\t[jepsen worker 1] jepsen.util: 1\t:invoke\t:cas\t[1 2]",
      `INFO  jepsen.util - 1\t:fail\t:cas\t${end}`,
    ]);
  assert.equal(check(log("[1 2]")).result, "invalid");
  assert.equal(check(log(":timed-out")).result, "valid");
});

test("[HIST-IMPORT] what cannot be read names its line", () => {
  const bad: readonly (readonly [readonly string[], RegExp])[] = [
    [["nothing"], /log: has no line/],
    [["INFO  jepsen.util - 0 :ok :read 1"], /line 1: ends what process 0 did not begin/],
    [["INFO  jepsen.util - 0 :invoke :dequeue nil"], /line 1: has the operation dequeue/],
    [["INFO  jepsen.util - 0 :invoke :cas 3"], /line 1: compares with 3/],
    [["", "{:process 0, :type :invoke, :f :read, :value [1"], /line 2: is not a map/],
    ...["[", "{", "#{", "#tag "].map(
      (open) =>
        [
          [`INFO  jepsen.util - 0 :invoke :write ${open.repeat(100_000)}`],
          /line 1: is nested more than 128 deep/,
        ] as const,
    ),
  ];
  for (const [lines, message] of bad) assert.throws(() => read(lines), message);
});
