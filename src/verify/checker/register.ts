/**
 * Registers: read, write, append, compare-and-set; each key is an object of its own.
 *
 * Invariant: I1 a read without an answer says nothing and is left out.
 */
import { printable, utf8 } from "../../base/bytes.ts";
import {
  type AnswerOf,
  isRegisterCall,
  type RegisterCall,
  type RegisterValue,
} from "../history/calls.ts";
import type { History, Operation } from "../history/history.ts";
import type { SequentialModel, Stuck } from "./linearize.ts";
import { checkObjects } from "./objects.ts";
import { Findings, named, type Verdict } from "./verdict.ts";

/** A value as a state: null is told from every text. */
function stateOf(value: RegisterValue): string {
  return value === null ? "" : `=${value}`;
}

export const REGISTER: SequentialModel = {
  initial: stateOf(null),
  step(state, { call, outcome }) {
    const own = call as RegisterCall;
    const answer = outcome.kind === "answer" ? outcome.answer : undefined;
    switch (own.kind) {
      case "read":
        return stateOf((answer as AnswerOf["read"]).value) === state ? state : undefined;
      case "write":
        return stateOf(own.value);
      case "append":
        return stateOf(state.slice(1) + own.value);
      case "cas": {
        const holds = state === stateOf(own.from);
        const said = answer as AnswerOf["cas"] | undefined;
        if (said !== undefined && said.done !== holds) return undefined;
        return holds ? stateOf(own.to) : state;
      }
    }
  },
  classOf: ({ call, outcome }) =>
    JSON.stringify([call, outcome.kind === "answer" ? outcome.answer : null]),
};

/** Linearizability of every register. */
export function checkRegisters(history: History, stepsMax: number): Verdict | undefined {
  const operations = history.operations.filter(
    ({ call, outcome }) =>
      isRegisterCall(call) && !(call.kind === "read" && outcome.kind !== "answer"),
  );
  if (operations.length === 0) return undefined;
  const keyOf = ({ call }: Operation): string => (isRegisterCall(call) ? (call.key ?? "") : "");
  const verdict = checkObjects(operations, keyOf, REGISTER, stepsMax);
  const findings = new Findings();
  if (verdict.stuck !== undefined)
    findings.add({
      rule: "HIST-LINEAR",
      what: explanation(verdict.stuck),
      place: verdict.stuck.blocked.returned,
      operations: [verdict.stuck.blocked, ...verdict.stuck.order.toReversed()].map(({ id }) => id),
    });
  const { objects, steps } = verdict;
  const counts = { operations: operations.length, registers: objects, steps };
  return findings.verdict("register", counts, verdict.result === "unknown");
}

function explanation({ blocked, order, state }: Stuck): string {
  const last = order.at(-1);
  const value = state === "" ? "nothing" : `"${printable(utf8(state.slice(1)))}"`;
  const behind = last === undefined ? "at the beginning" : `behind ${named(last)}`;
  return `${named(blocked)}${answered(blocked)} has no place: in the longest order that there is, ${behind}, the register holds ${value}`;
}

function answered({ call, outcome }: Operation): string {
  if (outcome.kind !== "answer") return "";
  if (call.kind === "read") {
    const { value } = outcome.answer as AnswerOf["read"];
    return value === null ? ", which read nothing," : `, which read "${value}",`;
  }
  if (call.kind !== "cas") return ",";
  const { done } = outcome.answer as AnswerOf["cas"];
  return `, which ${done ? "found" : "did not find"} "${call.from ?? "nothing"}",`;
}
