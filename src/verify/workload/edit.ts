/** Small edits of a list of events, and the pairs of invocation and answer in it. */
import type { Prng } from "../../base/prng.ts";
import type { Answer, AnswerOf, Call } from "../history/calls.ts";
import type { Answered, HistoryEvent, Invoked } from "../history/history.ts";

/** An operation that was answered: its two events and their indices. */
export interface Pair<K extends Call["kind"] = Call["kind"]> {
  readonly invoke: Invoked & { readonly call: Extract<Call, { readonly kind: K }> };
  readonly answer: AnswerOf[K];
  readonly from: number;
  readonly to: number;
}

/** Answered operations of these kinds. */
export function pairs<K extends Call["kind"]>(
  events: readonly HistoryEvent[],
  ...kinds: readonly K[]
): readonly Pair<K>[] {
  const invoked = new Map<number, number>();
  return events.flatMap((event, to) => {
    if (event.type === "invoke") invoked.set(event.op, to);
    if (event.type !== "answer") return [];
    const from = invoked.get(event.op) ?? 0;
    const invoke = events[from] as Invoked;
    if (!(kinds as readonly string[]).includes(invoke.call.kind)) return [];
    return [{ invoke, answer: event.answer, from, to } as unknown as Pair<K>];
  });
}

export function replaced(
  events: readonly HistoryEvent[],
  at: number,
  ...by: readonly HistoryEvent[]
): readonly HistoryEvent[] {
  return [...events.slice(0, at), ...by, ...events.slice(at + 1)];
}

/** With another answer to an operation. */
export function answering(
  events: readonly HistoryEvent[],
  { to }: Pick<Pair, "to">,
  answer: Answer,
): readonly HistoryEvent[] {
  return replaced(events, to, { ...(events[to] as Answered), answer });
}

/** The events at `moved` put behind that at `behind`, at its time. */
export function movedBehind(
  events: readonly HistoryEvent[],
  moved: readonly number[],
  behind: number,
): readonly HistoryEvent[] {
  const { at } = events[behind] as HistoryEvent;
  const out = events.filter((_, index) => !moved.includes(index));
  const place = out.indexOf(events[behind] as HistoryEvent);
  const rest = moved.map((index) => ({ ...(events[index] as HistoryEvent), at }));
  return [...out.slice(0, place + 1), ...rest, ...out.slice(place + 1)];
}

/** Two of `items` in their order, of which the second fits the first; by chance among all. */
export function two<T>(
  items: readonly T[],
  chance: Prng,
  fit: (first: T, second: T) => boolean,
): readonly [T, T] | undefined {
  const found = items.flatMap((first, at) =>
    items.slice(at + 1).flatMap((second) => (fit(first, second) ? [[first, second] as const] : [])),
  );
  return found[chance.below(found.length)];
}

/** One of `items`, if there is any. */
export function one<T>(items: readonly T[], chance: Prng): T | undefined {
  return items[chance.below(items.length)];
}
