/** The card of the double barrier. */
import type { Card } from "../../../contract/card.ts";

export const doubleBarrierCard: Card = {
  noun: "double-barrier",
  room: "selection",
  plane: "commitment",
  answers: {
    who: "any process with a session at the engine, as many as there are parties",
    shape: "centralised: the keyspace counts who has come and who has not left",
    what: "when all may begin together, and when all have ended",
    how: "arrivals of one generation; the last one completes it; who leaves awaits the oldest left",
    failure: "a dead or cut-off party goes with its lease: the others wait on, or are done waiting",
    speed: "as a barrier to enter; to leave, one wake-up for each party that it must still await",
  },
  guarantee: "nobody is inside before all have come; leave is answered when none is left inside",
  requires: { consistency: "linearizable" },
  cost: {
    enter: "1 round trip, 1 flush, 1 watch",
    leave: "1 round trip, 1 flush, 1 round trip for each wake-up",
    lease: "1 round trip, 1 flush",
  },
  failureModes: [
    "a party that never comes keeps the others waiting: enter with waitMs",
    "a party that is stopped past its lease counts as gone though it may still run: its signal is aborted at its first look",
  ],
  layout: [
    "double-barrier/<name>/state",
    'value: JSON {"layout":1,"parties","generation","met":[…]}',
    "double-barrier/<name>/at/<generation>/<lease in hex>[-<n>]",
    'value: JSON {"layout":1,"service","host","pid","label","since"}',
  ],
};
