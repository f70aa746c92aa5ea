/**
 * How fast recorded histories are checked: a keyspace of 200 keys with 16 clients and one watch over all, where one write
 * in a thousand never gets its answer; the same clients on registers, which have no revisions.
 */
import { utf8 } from "../src/base/bytes.ts";
import { type Prng, prng } from "../src/base/prng.ts";
import type { WatchEvent } from "../src/contract/keyspace.ts";
import type { KeyValue } from "../src/contract/requests.ts";
import { check } from "../src/verify/checker/check.ts";
import { HistoryBuilder } from "../src/verify/history/builder.ts";
import type { Answer, Call } from "../src/verify/history/calls.ts";
import type { History } from "../src/verify/history/history.ts";
import type { BenchOptions } from "./options.ts";
import type { Row } from "./rows.ts";
import { settingOf } from "./setting.ts";

const CLIENTS = 16;
const KEYS = 200;
/** Revisions in one batch of the watch. */
const BATCH = 50;
const UNANSWERED = 1_000;

/** One client: nothing, a call that has not taken effect, or one that waits for its answer. */
interface Client {
  op: number;
  call: Call | undefined;
  answer: Answer | undefined;
}
type Effect = (call: Call) => Answer;

/** A history of that many operations, each step by a client that chance picks. */
function recorded(
  operations: number,
  callOf: (chance: Prng) => Call,
  effect: Effect,
  told: (builder: HistoryBuilder, at: number) => void,
): History {
  const chance = prng(1);
  const builder = new HistoryBuilder();
  const clients = Array.from({ length: CLIENTS }, (): Client => ({
    op: 0,
    call: undefined,
    answer: undefined,
  }));
  let ops = 0;
  for (let at = 0; ops < operations; at++) {
    const index = chance.below(CLIENTS);
    const client = clients[index] as Client;
    if (client.call === undefined) {
      client.op = ++ops;
      client.call = callOf(chance);
      builder.add({ type: "invoke", at, process: `c${index}`, op: client.op, call: client.call });
    } else if (client.answer === undefined) {
      client.answer = effect(client.call);
      const writes = client.call.kind === "put" || client.call.kind === "write";
      if (!writes || !chance.chance(1, UNANSWERED)) continue;
      builder.add({ type: "indefinite", at, op: client.op, code: "TIMEOUT" });
      client.call = client.answer = undefined;
    } else {
      builder.add({ type: "answer", at, op: client.op, answer: client.answer });
      client.call = client.answer = undefined;
    }
    told(builder, at);
  }
  return builder.build();
}

function keyspaceHistory(operations: number): History {
  const store = new Map<string, KeyValue>();
  let revision = 1;
  let value = 0;
  let events: WatchEvent[] = [];
  let watched = false;
  const effect: Effect = (call) => {
    if (call.kind === "range") {
      const kv = store.get(call.key);
      return {
        revision,
        kvs: kv === undefined ? [] : [kv],
        more: false,
        count: kv === undefined ? 0 : 1,
      };
    }
    const { key, value: written } = call as { key: KeyValue["key"]; value: KeyValue["value"] };
    const before = store.get(key);
    revision++;
    const kv: KeyValue = {
      key,
      value: written,
      createRevision: before?.createRevision ?? revision,
      modRevision: revision,
      version: (before?.version ?? 0) + 1,
      lease: 0n,
    };
    store.set(key, kv);
    events.push({ kind: "put", kv });
    return { revision };
  };
  const callOf = (chance: Prng): Call => {
    const key = utf8(`key-${chance.below(KEYS)}`);
    return chance.chance(1, 2)
      ? { kind: "range", key }
      : { kind: "put", key, value: utf8(`v${++value}`) };
  };
  return recorded(operations, callOf, effect, (builder, at) => {
    if (!watched)
      builder.add({
        type: "watch",
        at,
        process: "w",
        watch: "w",
        key: utf8("key-"),
        end: utf8("key."),
        from: 2,
      });
    watched = true;
    if (events.length < BATCH) return;
    builder.add({ type: "batch", at, watch: "w", revision, events });
    events = [];
  });
}

function registerHistory(operations: number): History {
  const values = new Map<string, string>();
  let value = 0;
  const effect: Effect = (call) => {
    const { key = "" } = call as { key?: string };
    if (call.kind === "read") return { value: values.get(key) ?? null };
    values.set(key, (call as { value: string }).value);
    return {};
  };
  const callOf = (chance: Prng): Call => {
    const key = `key-${chance.below(KEYS)}`;
    return chance.chance(1, 2)
      ? { kind: "read", key }
      : { kind: "write", key, value: String(++value) };
  };
  return recorded(operations, callOf, effect, () => {});
}

export function checkBench(options: BenchOptions, report: (row: Row) => void): Promise<void> {
  for (const [what, history] of [
    ["keyspace", keyspaceHistory(options.keys)],
    ["register", registerHistory(options.keys)],
  ] as const) {
    const rounds: number[] = [];
    for (let round = 0; round < options.rounds; round++) {
      const started = process.cpuUsage();
      const { result } = check(history);
      const { user, system } = process.cpuUsage(started);
      if (result !== "valid") throw new Error(`the history of the ${what} is ${result}`);
      rounds.push((user + system) / 1e6);
    }
    report({
      bench: `check ${what}`,
      inFlight: CLIENTS,
      driver: `${options.keys.toLocaleString("en")} operations`,
      unit: "operations per CPU second",
      ours: options.keys / Math.min(...rounds),
      peer: null,
      peerName: "none",
      ratio: null,
      setting: settingOf(options, { keys: KEYS, valueBytes: 8, flushesFrom: "none" }),
      note: `CPU seconds of each round: ${rounds.map((each) => each.toFixed(2)).join(", ")}`,
    });
  }
  return Promise.resolve();
}
