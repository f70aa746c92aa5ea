/**
 * Makes a history of events: pairs invocations with returns, gathers what belongs to one watch.
 *
 * Invariants: I1 an operation is invoked once and returns at most once, after it was invoked. I2 times never go back.
 * I3 nothing is delivered on a watch that was not asked for, or that has ended.
 */
import { must } from "../../base/assert.ts";
import type { Call } from "./calls.ts";
import { refusal } from "./fields.ts";
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
  Operation,
  OperationOutcome,
  Placed,
  StateHash,
  WatchAsked,
  WatchEnded,
  WatchStands,
  WatchStream,
} from "./history.ts";
import { PLAIN_HEADER } from "./history.ts";

interface OpenWatch {
  readonly asked: Placed<WatchAsked>;
  stands: Placed<WatchStands> | undefined;
  readonly batches: Placed<Delivered>[];
  ended: Placed<WatchEnded> | undefined;
}
interface OpenOperation {
  readonly event: Invoked;
  readonly place: number;
  /** Index among the operations. */
  readonly at: number;
}

export class HistoryBuilder {
  readonly #header: Header;
  readonly #operations: (Operation | undefined)[] = [];
  readonly #open = new Map<number, OpenOperation>();
  readonly #used = new Set<number>();
  readonly #watches = new Map<string, OpenWatch>();
  readonly #states: Placed<StateHash>[] = [];
  readonly #losses: Placed<Lost>[] = [];
  readonly #observations: Placed<Observed>[] = [];
  readonly #faults: Placed<Fault>[] = [];
  readonly #times: number[] = [];

  constructor(header: Header = PLAIN_HEADER) {
    this.#header = header;
  }

  /** The call of an operation that has not returned. */
  callOf(op: number): Call | undefined {
    return this.#open.get(op)?.event.call;
  }

  /** Takes the next event; `where` names it in messages. Errors: INVALID. */
  add(event: HistoryEvent, where = `event ${this.#times.length + 1}`): void {
    const place = this.#times.length;
    const at = event.at * this.#header.unitMs;
    if (at < (this.#times.at(-1) ?? Number.NEGATIVE_INFINITY))
      throw refusal(`${where}.at`, "is before the event in front of it");
    this.#take(event, place, where);
    this.#times.push(at);
  }

  #take(event: HistoryEvent, place: number, where: string): void {
    switch (event.type) {
      case "invoke":
        return this.#invoke(event, place, where);
      case "answer":
      case "definite":
      case "indefinite":
        return this.#return(event, place, where);
      case "watch":
        if (this.#watches.has(event.watch)) throw refusal(where, `asks for ${event.watch} again`);
        this.#watches.set(event.watch, {
          asked: { ...event, place },
          stands: undefined,
          batches: [],
          ended: undefined,
        });
        return;
      case "watching":
        this.#watch(event.watch, where).stands ??= { ...event, place };
        return;
      case "batch":
        this.#watch(event.watch, where).batches.push({ ...event, place });
        return;
      case "watch-ended":
        this.#watch(event.watch, where).ended = { ...event, place };
        return;
      case "state":
        return void this.#states.push({ ...event, place });
      case "lost":
        return void this.#losses.push({ ...event, place });
      case "observed":
        return void this.#observations.push({ ...event, place });
      case "fault":
        return void this.#faults.push({ ...event, place });
    }
  }

  #watch(name: string, where: string): OpenWatch {
    const watch = this.#watches.get(name);
    if (watch === undefined) throw refusal(where, `is of watch ${name}, which was not asked for`);
    if (watch.ended !== undefined) throw refusal(where, `is of watch ${name}, which has ended`);
    return watch;
  }

  #invoke(event: Invoked, place: number, where: string): void {
    if (this.#used.has(event.op)) throw refusal(where, `invokes operation ${event.op} again`);
    this.#used.add(event.op);
    this.#open.set(event.op, { event, place, at: this.#operations.length });
    this.#operations.push(undefined);
  }

  #return(event: Answered | Failed, place: number, where: string): void {
    const open = this.#open.get(event.op);
    if (open === undefined)
      throw refusal(where, `is of operation ${event.op}, which is not under way`);
    this.#open.delete(event.op);
    const outcome: OperationOutcome =
      event.type === "answer"
        ? { kind: "answer", answer: event.answer }
        : { kind: event.type, code: event.code };
    const known = event.type !== "indefinite";
    this.#operations[open.at] = this.#operation(open, outcome, {
      returned: known ? place : Number.POSITIVE_INFINITY,
      returnedAt: known ? event.at * this.#header.unitMs : Number.POSITIVE_INFINITY,
      failed: event.type === "answer" ? undefined : place,
    });
  }

  /** Written out, so that all operations have one shape: there may be millions. */
  #operation(
    { event, place, at }: OpenOperation,
    outcome: OperationOutcome,
    end: Pick<Operation, "returned" | "returnedAt" | "failed">,
  ): Operation {
    return {
      id: event.op,
      index: at,
      process: event.process,
      call: event.call,
      invoked: place,
      invokedAt: event.at * this.#header.unitMs,
      returned: end.returned,
      returnedAt: end.returnedAt,
      failed: end.failed,
      outcome,
    };
  }

  /** The history; what has not returned is indefinite. */
  build(): History {
    const end = {
      returned: Number.POSITIVE_INFINITY,
      returnedAt: Number.POSITIVE_INFINITY,
      failed: undefined,
    };
    for (const open of this.#open.values())
      this.#operations[open.at] = this.#operation(open, { kind: "indefinite" }, end);
    const watches: WatchStream[] = [...this.#watches.values()];
    return {
      header: this.#header,
      events: this.#times.length,
      operations: this.#operations.map((each) => must(each, "an operation without an invocation")),
      watches,
      states: this.#states,
      losses: this.#losses,
      observations: this.#observations,
      faults: this.#faults,
      times: Float64Array.from(this.#times),
    };
  }
}

/** The history of these events. Errors: INVALID. */
export function historyOf(events: Iterable<HistoryEvent>, header: Header = PLAIN_HEADER): History {
  const builder = new HistoryBuilder(header);
  for (const event of events) builder.add(event);
  return builder.build();
}
