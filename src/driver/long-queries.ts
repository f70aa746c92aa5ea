/** Queries of more than one step: worked on in slices, a few at a time, since each may gather a large answer. */
import type { Response } from "../contract/requests.ts";
import type { Clock } from "../ports/clock.ts";
import { runInSlices } from "./slices.ts";

/** Long queries that are worked on at once. */
const LONG_MAX = 16;

type Work = Generator<undefined, Response>;

export class LongQueries {
  readonly #clock: Clock;
  readonly #waiting: { readonly id: number; readonly work: Work }[] = [];
  #running = 0;
  readonly #done: (id: number, response: Response) => void;
  readonly #failed: (error: unknown) => void;

  constructor(
    clock: Clock,
    done: (id: number, response: Response) => void,
    failed: (error: unknown) => void,
  ) {
    this.#clock = clock;
    this.#done = done;
    this.#failed = failed;
  }

  add(id: number, work: Work): void {
    const first = work.next();
    if (first.done === true) return this.#done(id, first.value);
    this.#waiting.push({ id, work });
    this.#next();
  }

  #next(): void {
    if (this.#running >= LONG_MAX) return;
    const next = this.#waiting.shift();
    if (next === undefined) return;
    this.#running++;
    runInSlices(this.#clock, next.work).then((response) => {
      this.#running--;
      this.#done(next.id, response);
      this.#next();
    }, this.#failed);
  }
}
