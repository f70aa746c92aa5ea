/** The card of the barrier. */
import type { Card } from "../../../contract/card.ts";

export const barrierCard: Card = {
  noun: "barrier",
  room: "selection",
  plane: "commitment",
  answers: {
    who: "any process with a session at the engine, as many as there are parties",
    shape: "centralised: the keyspace counts who has arrived",
    what: "when all may go on",
    how: "arrivals of one generation; the last one completes it and begins the next",
    failure: "a dead or cut-off party's arrival goes with its lease, and the others wait on",
    speed: "one round trip and one shared flush to arrive; one event lets all of them go on",
  },
  guarantee: "nobody goes on before all parties of its generation have arrived",
  requires: { consistency: "linearizable" },
  cost: {
    arrive: "1 round trip, 1 flush, 1 watch",
    "giving up": "1 round trip, 1 flush",
    lease: "1 round trip, 1 flush",
  },
  failureModes: [
    "a party that never comes keeps the others waiting: arrive with waitMs",
    "an arrival whose outcome is indefinite is taken back, but may have completed the generation",
  ],
  layout: [
    "barrier/<name>/state",
    'value: JSON {"layout":1,"parties","generation","met":[…]}',
    "barrier/<name>/at/<generation>/<lease in hex>[-<n>]",
    'value: JSON {"layout":1,"service","host","pid","label","since"}',
  ],
};
