/** Breaches of exclusion, of tokens, and of what a resource that checks them accepts. */
import type { HistoryEvent, Observed } from "../history/history.ts";
import { answering, movedBehind, one, type Pair, pairs, replaced, two } from "./edit.ts";
import type { Mutation } from "./mutations.ts";

/** Above every token of a history. */
const MUCH = 1_000_000;

type Owner = Pair<"acquire" | "campaign">;

function owners(events: readonly HistoryEvent[]): readonly Owner[] {
  return pairs(events, "acquire", "campaign").filter(({ answer }) => answer.token !== null);
}

function sameName(a: Owner, b: Owner): boolean {
  const { call } = a.invoke;
  return call.kind === b.invoke.call.kind && call.name === b.invoke.call.name;
}

function guarded(events: readonly HistoryEvent[], accepted: boolean): readonly Pair<"guarded">[] {
  return pairs(events, "guarded").filter(({ answer }) => answer.accepted === accepted);
}

export const OWNERSHIP_MUTATIONS: readonly Mutation[] = [
  {
    name: "two owners at one time",
    check: "lock",
    apply(events, chance) {
      const all = owners(events);
      const releases = pairs(events, "release", "resign").filter(({ answer }) => answer.held);
      const able = releases.flatMap((release) => {
        const owner = all.find(
          ({ answer, invoke }) =>
            answer.token === release.invoke.call.token &&
            invoke.call.name === release.invoke.call.name,
        );
        const next = owner && all.find((each) => sameName(each, owner) && each.to > release.to);
        return next === undefined ? [] : [{ release, next }];
      });
      const found = one(able, chance);
      return found && movedBehind(events, [found.release.from, found.release.to], found.next.to);
    },
  },
  {
    name: "tokens that go back",
    check: "lock",
    apply(events, chance) {
      const found = two(owners(events), chance, (a, b) => sameName(a, b) && a.to < b.from);
      if (found === undefined) return undefined;
      const [a, b] = found;
      const swapped = answering(events, a, { token: b.answer.token });
      return answering(swapped, b, { token: a.answer.token });
    },
  },
  {
    name: "one token for two owners",
    check: "lock",
    apply(events, chance) {
      const found = two(owners(events), chance, sameName);
      return found && answering(events, found[1], { token: found[0].answer.token });
    },
  },
  {
    name: "a release of a token that nobody got",
    check: "lock",
    apply(events, chance) {
      const able = pairs(events, "release", "resign").filter(({ answer }) => answer.held);
      const found = one(able, chance);
      if (found === undefined) return undefined;
      const { invoke, from } = found;
      return replaced(events, from, { ...invoke, call: { ...invoke.call, token: MUCH } });
    },
  },
  {
    name: "an owner out of turn",
    check: "lock",
    apply(events, chance) {
      const found = two(owners(events), chance, sameName);
      if (found === undefined) return undefined;
      const [a, b] = found;
      const swapped = answering(events, a, { ...a.answer, place: b.answer.place });
      return answering(swapped, b, { ...b.answer, place: a.answer.place });
    },
  },
  {
    name: "a refusal of what nobody wanted",
    check: "lock",
    apply(events) {
      const { at } = events.at(-1) as HistoryEvent;
      const op = events.length + 1;
      const call = { kind: "acquire", name: "wanted by nobody" } as const;
      return [
        ...events,
        { type: "invoke", at, process: "l1", op, call },
        { type: "answer", at, op, answer: { token: null } },
      ];
    },
  },
  {
    name: "observations that go back",
    check: "lock",
    apply(events, chance) {
      const seen = events.filter(
        (event): event is Observed => event.type === "observed" && event.token !== null,
      );
      const found = two(
        seen,
        chance,
        (a, b) => a.stream === b.stream && (a.token as number) < (b.token as number),
      );
      if (found === undefined) return undefined;
      const [a, b] = found;
      const once = replaced(events, events.indexOf(a), { ...a, token: b.token });
      return replaced(once, events.indexOf(b), { ...b, token: a.token });
    },
  },
  {
    name: "a resource that accepts an old token",
    check: "resource",
    apply(events, chance) {
      const high = guarded(events, true);
      const able = guarded(events, false).filter(({ invoke, from }) =>
        high.some(
          (other) =>
            other.to < from &&
            other.invoke.call.resource === invoke.call.resource &&
            other.invoke.call.token > invoke.call.token,
        ),
      );
      const found = one(able, chance);
      return found && answering(events, found, { accepted: true });
    },
  },
  {
    name: "a resource that accepts one token of two holders",
    check: "resource",
    apply(events, chance) {
      const found = two(
        guarded(events, true),
        chance,
        (a, b) =>
          a.invoke.call.resource === b.invoke.call.resource &&
          a.invoke.call.token === b.invoke.call.token,
      );
      if (found === undefined) return undefined;
      const { invoke, from } = found[1];
      return replaced(events, from, { ...invoke, call: { ...invoke.call, holder: "another" } });
    },
  },
  {
    name: "a resource that refuses what it must accept",
    check: "resource",
    apply(events, chance) {
      const all = pairs(events, "guarded");
      const highest = (resource: string): number =>
        Math.max(
          ...events.flatMap((event) =>
            event.type === "invoke" &&
            event.call.kind === "guarded" &&
            event.call.resource === resource
              ? [event.call.token]
              : [],
          ),
        );
      const able = all.filter(
        ({ invoke: { call }, answer }) => answer.accepted && call.token === highest(call.resource),
      );
      const found = one(able, chance);
      return found && answering(events, found, { accepted: false });
    },
  },
];
