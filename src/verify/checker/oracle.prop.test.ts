/** The fast checks against the search for an order, on small histories that are right, or spoilt at random. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../../base/bytes.ts";
import { type Prng, prng } from "../../base/prng.ts";
import type { Command, RangeResponse, Response } from "../../contract/requests.ts";
import { historyOf } from "../history/builder.ts";
import type { Acquired, GuardedCall, KeyspaceCall, Released } from "../history/calls.ts";
import type { Answered, History, HistoryEvent, Operation } from "../history/history.ts";
import { KeyspaceTwin } from "../keyspace-twin.ts";
import { validHistory } from "../workload/workload.ts";
import { type Effect, World } from "../workload/world.ts";
import { check } from "./check.ts";
import { difference } from "./difference.ts";
import type { SequentialModel } from "./linearize.ts";
import { checkObjects } from "./objects.ts";
import type { CheckName } from "./verdict.ts";

const STEPS = 1_000_000;

/** The whole keyspace as one object: its state is all that was ever in it. */
function keyspaceModel(): SequentialModel {
  const twins = new Map<string, KeyspaceTwin>([["", new KeyspaceTwin(1)]]);
  const textOf = (twin: KeyspaceTwin): string => {
    const text = JSON.stringify(twin.states, (_, each: unknown) =>
      typeof each === "bigint" ? String(each) : each,
    );
    if (!twins.has(text)) twins.set(text, twin);
    return text;
  };
  return {
    initial: "",
    step(state, { call, outcome }) {
      const twin = (twins.get(state) as KeyspaceTwin).clone();
      const command = call as Command;
      const reply = call.kind === "range" ? twin.range(call) : twin.call(command);
      if (!reply.ok) return outcome.kind === "answer" ? undefined : state;
      const right = outcome.kind !== "answer" || isSame(outcome.answer, reply.response);
      return right ? textOf(twin) : undefined;
    },
    classOf: ({ id }) => String(id),
  };
}

function isSame(said: unknown, wanted: Response): boolean {
  return difference(said, wanted) === undefined && (said as Response).revision === wanted.revision;
}

const KEYS = ["a", "b"].map(utf8);

/** A few concurrent clients of a small keyspace. */
function keyspaceHistory(seed: number): readonly HistoryEvent[] {
  const world = new World({ seed, lossless: seed % 3 === 0 });
  const twin = new KeyspaceTwin(1);
  const { chance } = world;
  let values = 0;
  const put = (): KeyspaceCall & { kind: "put" } => ({
    kind: "put",
    key: chance.pick(KEYS),
    value: utf8(`v${++values % 5}`),
    prevKv: chance.chance(1, 2),
  });
  const next = (process: string, left: number): void => {
    if (left === 0) return;
    const key = chance.pick(KEYS);
    const call = chance.pick<KeyspaceCall>([
      put(),
      put(),
      { kind: "range", key },
      { kind: "range", key: utf8("a"), end: utf8("c") },
      { kind: "deleteRange", key },
      {
        kind: "txn",
        compare: [{ key, result: "equal", target: { kind: "version", value: chance.below(2) } }],
        success: [put()],
        failure: [{ kind: "range", key }],
      },
    ]);
    const effect = (): Effect => {
      const reply = call.kind === "range" ? twin.range(call) : twin.call(call as Command);
      return reply.ok ? { answer: reply.response as RangeResponse } : { code: "INVALID" };
    };
    world.call(process, call, effect, () => next(process, left - 1));
  };
  for (const process of ["p", "q", "r"]) next(process, 3);
  world.run();
  return world.events;
}

/** Something a careless system, or none at all, would have said. */
function disturbed(events: readonly HistoryEvent[], chance: Prng): readonly HistoryEvent[] {
  const out = [...events];
  const answers = out.flatMap((event, at) => (event.type === "answer" ? [at] : []));
  const at = chance.pick(answers);
  const event = out[at] as Answered;
  const dice = chance.below(4);
  const answer = event.answer as { readonly revision?: number; readonly kvs?: readonly unknown[] };
  if (dice === 0 && answer.revision !== undefined)
    out[at] = {
      ...event,
      answer: { ...answer, revision: answer.revision + chance.pick([-1, 1]) } as never,
    };
  else if (dice === 1 && answer.kvs !== undefined)
    out[at] = { ...event, answer: { ...answer, kvs: [], count: 0 } as never };
  else if (dice === 2) {
    // Returns as early as it can.
    const from = out.findIndex((each) => each.type === "invoke" && each.op === event.op);
    out.splice(at, 1);
    out.splice(from + 1, 0, { ...event, at: (out[from] as HistoryEvent).at });
  } else {
    const [other] = answers.filter((each) => each > at);
    if (other !== undefined) {
      const later = out[other] as Answered;
      const kinds = [event.op, later.op].map((op) =>
        out.find((each) => each.type === "invoke" && each.op === op),
      );
      const [a, b] = kinds.map((each) => (each?.type === "invoke" ? each.call.kind : ""));
      if (a === b) {
        out[at] = { ...event, answer: later.answer };
        out[other] = { ...later, answer: event.answer };
      }
    }
  }
  return out;
}

function agreement(
  name: CheckName,
  seeds: number,
  eventsOf: (seed: number) => readonly HistoryEvent[],
  slow: (history: History) => boolean,
): void {
  const found = { valid: 0, invalid: 0 };
  for (let seed = 1; seed <= seeds; seed++) {
    const chance = prng(seed);
    let events = eventsOf(seed);
    if (!events.some(({ type }) => type === "answer")) continue;
    for (let left = chance.below(3); left > 0; left--) events = disturbed(events, chance);
    const history = historyOf(events);
    const { result, verdicts } = check(history, { only: [name] });
    const wanted = slow(history) ? "valid" : "invalid";
    const what = verdicts.flatMap(({ violations }) => violations.map((each) => each.what));
    assert.equal(result, wanted, `seed ${seed}: ${what.join("; ")}`);
    found[wanted]++;
  }
  assert.ok(found.valid > seeds / 10 && found.invalid > seeds / 10, JSON.stringify(found));
}

function isLinearizable(
  operations: readonly Operation[],
  nameOf: (each: Operation) => string,
  model: SequentialModel,
): boolean {
  const { result } = checkObjects(operations, nameOf, model, STEPS);
  assert.notEqual(result, "unknown");
  return result === "valid";
}

test("[HIST-WRITE] replay by revision agrees with the search for an order (small keyspaces)", () => {
  agreement("keyspace", 3_000, keyspaceHistory, ({ operations }) =>
    isLinearizable(
      operations.filter(({ call, outcome }) => call.kind !== "range" || outcome.kind === "answer"),
      () => "",
      keyspaceModel(),
    ),
  );
});

const GUARD: SequentialModel = {
  initial: "0 ",
  step(state, { call, outcome }) {
    const { token, holder } = call as GuardedCall;
    const [last = "", by = ""] = state.split(" ");
    const accepts = token > Number(last) || (token === Number(last) && holder === by);
    const said =
      outcome.kind === "answer" ? (outcome.answer as { accepted: boolean }).accepted : accepts;
    if (said !== accepts) return undefined;
    return accepts ? `${token} ${holder}` : state;
  },
  classOf: ({ id }) => String(id),
};

/** Only these kinds of call, and no more than a search can do. */
function part(seed: number, kinds: readonly string[], name: RegExp): readonly HistoryEvent[] {
  const events = validHistory({ seed, calls: 5, clients: 3 });
  const ops = new Set(
    events.flatMap((event) =>
      event.type === "invoke" &&
      kinds.includes(event.call.kind) &&
      name.test(
        JSON.stringify(event.call, (_, each: unknown) =>
          String(each) === "[object Object]" ? each : String(each),
        ),
      )
        ? [event.op]
        : [],
    ),
  );
  return events.filter((event) => "op" in event && ops.has(event.op));
}

test("[HIST-RESOURCE] the sweep over tokens agrees with the search for an order (one resource)", () => {
  const flipped = (seed: number): readonly HistoryEvent[] => {
    const chance = prng(seed);
    const events = part(seed, ["guarded"], /orders/);
    return events.map((event) =>
      event.type === "answer" && chance.chance(1, 40)
        ? { ...event, answer: { accepted: !(event.answer as { accepted: boolean }).accepted } }
        : event,
    );
  };
  agreement("resource", 2_000, flipped, ({ operations }) =>
    isLinearizable(operations, () => "", GUARD),
  );
});

/** Owner and last token; an ownership without an answered release may end at any time, by an operation of its own. */
const LOCK: SequentialModel = {
  initial: "0 0",
  step(state, { call, outcome, id }) {
    const [owner, last] = state.split(" ").map(Number) as [number, number];
    if (id < 0) return owner === -id ? `0 ${last}` : state;
    if (call.kind === "release") return owner === call.token ? `0 ${last}` : undefined;
    const { token } = (outcome as { readonly answer: Acquired }).answer;
    return owner === 0 && (token as number) > last ? `${token} ${token}` : undefined;
  },
  classOf: ({ id }) => String(id),
};

test("[HIST-LOCK] ownerships by token agree with the search for an order (one lock)", () => {
  agreement(
    "lock",
    2_000,
    // Without places, refusals and lost answers: these are rules of their own.
    (seed) => {
      const events = part(seed, ["acquire", "release"], /orders/);
      const owned = new Set(
        events.flatMap((event) => {
          if (event.type !== "answer" || !("token" in event.answer)) return [];
          return event.answer.token === null ? [] : [event.op];
        }),
      );
      return events.flatMap((event): HistoryEvent[] => {
        const acquires =
          event.type === "invoke"
            ? event.call.kind === "acquire"
            : "answer" in event && "token" in event.answer;
        if (acquires && "op" in event && !owned.has(event.op)) return [];
        return event.type === "answer" && "place" in event.answer
          ? [{ ...event, answer: { token: (event.answer as Acquired).token } }]
          : [event];
      });
    },
    ({ operations }) => {
      const answered = operations.filter(({ outcome }) => outcome.kind === "answer");
      const held = answered.filter(
        ({ call, outcome }) =>
          call.kind !== "release" || (outcome as { answer: Released }).answer.held,
      );
      const ends = held.flatMap((each): Operation[] =>
        each.call.kind === "acquire"
          ? [
              {
                ...each,
                id: -((each.outcome as { answer: Acquired }).answer.token as number),
                returned: Infinity,
                outcome: { kind: "indefinite" },
              },
            ]
          : [],
      );
      const released = new Set(
        held.flatMap(({ call }) => (call.kind === "release" ? [-call.token] : [])),
      );
      return isLinearizable(
        [...held, ...ends.filter(({ id }) => !released.has(id))],
        () => "",
        LOCK,
      );
    },
  );
});
