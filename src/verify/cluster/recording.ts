/** What clients of a simulated cluster asked and were told, as a history to be checked. */
import type { Reply } from "../../contract/requests.ts";
import type { Answer, Call } from "../history/calls.ts";
import type { HistoryEvent } from "../history/history.ts";
import type { Scheduler } from "./scheduler.ts";

type Untimed<E> = E extends unknown ? Omit<E, "at"> : never;

export class Recording {
  readonly events: HistoryEvent[] = [];
  readonly #scheduler: Scheduler;
  #operations = 0;
  #watches = 0;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  tell(event: Untimed<HistoryEvent>): void {
    this.events.push({ ...event, at: this.#scheduler.nowMs } as HistoryEvent);
  }

  /** Something is asked; returns the number by which its end is told. */
  invoked(process: string, call: Call): number {
    const op = ++this.#operations;
    this.tell({ type: "invoke", process, op, call });
    return op;
  }

  answered(op: number, answer: Answer): void {
    this.tell({ type: "answer", op, answer });
  }

  /** What a call of the keyspace came to; undefined: nobody knows. */
  returned(op: number, reply: Reply | undefined): void {
    if (reply === undefined) this.tell({ type: "indefinite", op });
    else if (reply.ok) this.answered(op, reply.response as Answer);
    else this.tell({ type: reply.failure.outcome, op, code: reply.failure.code });
  }

  watchName(): string {
    return `w${++this.#watches}`;
  }
}
