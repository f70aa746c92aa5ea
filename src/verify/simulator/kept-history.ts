/**
 * The history of a run, kept as checkers want it: what processes asked of a part of the keyspace and were told, leases,
 * watches, who owned what, what resources took, what members hashed to, what went wrong.
 *
 * Invariants: I1 it tells of every operation on the keys of its scope and of none on others, which procedures change. I2
 * what it is told changes nothing in the run. I3 a process that was killed leaves its operations open.
 */
import type { Watch, WatchBatch, WatchRequest } from "../../contract/keyspace.ts";
import type { Request } from "../../contract/requests.ts";
import { QuorateError } from "../../base/errors.ts";
import { check } from "../checker/check.ts";
import { isWithin } from "../checker/keyspace.ts";
import type { Answer, Call } from "../history/calls.ts";
import { isKeyspaceCall } from "../history/calls.ts";
import { historyOf } from "../history/builder.ts";
import type { Header, History, HistoryEvent } from "../history/history.ts";
import { written } from "../history/lines.ts";
import type { Ending, Invocation, Recorder } from "./recorded.ts";
import type { Violation } from "./violation.ts";

/** Steps of search after which a run is undecided: right ones of a thousand events take some hundreds. */
const STEPS_MAX = 200_000;

type Untimed<E> = E extends unknown ? Omit<E, "at"> : never;

/** A watch that has ended, with which the next one of its process on that range goes on. */
interface WatchTold {
  readonly name: string;
  /** Everything up to here was delivered. */
  readonly revision: number;
}

export class KeptHistory implements Recorder {
  readonly header: Header;
  readonly #nowMs: () => number;
  readonly #events: HistoryEvent[] = [];
  /** Operations by the number of their invocation. */
  readonly #open = new Map<number, number>();
  readonly #watches = new Map<string, WatchTold>();
  #operations = 0;
  #watchCount = 0;

  /** `nowMs`: virtual time of the world. */
  constructor(header: Header, nowMs: () => number) {
    this.header = header;
    this.#nowMs = nowMs;
  }

  tell(event: Untimed<HistoryEvent>): void {
    this.#events.push({ ...event, at: this.#nowMs() } as HistoryEvent);
  }

  invoked({ id, process, request }: Invocation): void {
    const call = this.#callOf(request);
    if (call !== undefined) this.#open.set(id, this.begin(process, call));
  }
  ended(id: number, _atMs: number, ending: Ending): void {
    const op = this.#open.get(id);
    if (op === undefined) return;
    this.#open.delete(id);
    if (ending.kind === "ok") this.answer(op, ending.response as Answer);
    else this.tell({ type: ending.kind, op, code: codeOf(ending.error) });
  }

  /** An operation begins; returns its number. */
  begin(process: string, call: Call): number {
    const op = ++this.#operations;
    this.tell({ type: "invoke", process, op, call });
    return op;
  }
  answer(op: number, answer: Answer): void {
    this.tell({ type: "answer", op, answer });
  }
  /** It ended in a way that says nothing of whether it happened. */
  fail(op: number, error: unknown): void {
    this.tell({ type: "indefinite", op, code: codeOf(error) });
  }

  #callOf(request: Request): Call | undefined {
    const call = request as Call;
    const { scope } = this.header;
    if (!isKeyspaceCall(call) || (scope !== undefined && !isWithin(call, scope))) return undefined;
    return call;
  }

  /** Gives each batch of `watch` to the history as the loop takes it. */
  watched(process: string, request: WatchRequest, watch: Watch): Watch {
    const { key, end, startRevision, prevKv, without, fragment } = request;
    const { scope } = this.header;
    if (scope !== undefined && !isWithin({ kind: "range", key, end }, scope)) return watch;
    const name = `${process}-${++this.#watchCount}`;
    const range = `${process} ${key} ${end ?? ""}`;
    const from = (startRevision ?? 0) > 0 ? startRevision : undefined;
    const before = this.#watches.get(range);
    const resumes = before !== undefined && before.revision + 1 === from ? before.name : undefined;
    const asked = { process, key, end, from, prevKv, without, fragment, resumes };
    this.tell({ type: "watch", watch: name, ...asked });
    const ready = watch.ready.then((revision) => {
      this.tell({ type: "watching", watch: name, revision });
      return revision;
    });
    ready.catch(() => {});
    return { ready, [Symbol.asyncIterator]: () => this.#batches(name, range, watch) };
  }

  async *#batches(name: string, range: string, watch: Watch): AsyncGenerator<WatchBatch, void> {
    for await (const batch of watch) {
      const { revision, events, partial } = batch;
      this.tell({ type: "batch", watch: name, revision, events, partial: partial || undefined });
      if (!partial) this.#watches.set(range, { name, revision });
      yield batch;
    }
  }

  /** What is wrong with it, if anything; unknown is wrong. */
  judge(): Omit<Violation, "atMs"> | undefined {
    const { result, verdicts } = check(this.build(), { stepsMax: STEPS_MAX });
    if (result === "valid") return undefined;
    const [first] = verdicts
      .flatMap(({ violations }) => violations)
      .toSorted((a, b) => a.place - b.place);
    if (first !== undefined) return { rule: first.rule, text: first.what };
    const undecided = verdicts.filter((each) => each.result === "unknown");
    const text = `it could not be decided: ${undecided.map((each) => each.check).join(", ")}`;
    return { rule: "HIST-UNKNOWN", text };
  }

  build(): History {
    return historyOf(this.#events, this.header);
  }
  /** As a file. */
  text(): string {
    return written(this.#events, this.header);
  }
}

function codeOf(error: unknown): string | undefined {
  return QuorateError.is(error) ? error.code : undefined;
}
