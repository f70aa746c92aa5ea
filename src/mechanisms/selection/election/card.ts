/** The card of the election. */
import type { Card } from "../../../contract/card.ts";

export const electionCard: Card = {
  noun: "election",
  room: "selection",
  plane: "commitment",
  answers: {
    who: "any process with a session at the engine",
    shape: "centralised: the keyspace orders the contenders",
    what: "which one of several leads",
    how: "candidates by create revision; the oldest leads. With priority, and after handover, a grant names the leader",
    failure:
      "a dead or cut-off owner's lease ends and its key goes; its token is refused from then on",
    speed: "a dead leader is replaced when its lease ends",
  },
  guarantee: "at most one leader by the engine's order; the token is its epoch",
  requires: { consistency: "linearizable", fencing: "monotonic" },
  cost: {
    campaign: "1 round trip, 1 flush when it joins",
    proclaim: "1 round trip, 1 flush",
    resign: "1 round trip, 1 flush",
    priority: "one more key written at joining and at resigning; a resignation wakes two",
    handover: "1 round trip, 1 flush",
    leader: "1 round trip",
  },
  failureModes: [
    "an owner that is paused past its lease still believes it owns until it runs again: guard the resource with the token",
    "a release that cannot reach the engine is told again; until then, at most until the session ends, the next one waits",
  ],
  layout: [
    "election/<name>/<lease in hex>[-<n>]",
    'value: JSON {"layout":1,"service","host","pid","label","since","value","priority","bell"}',
    "election/<name>/policy/grant, while it is led by grant",
  ],
};
