/** The card of the rwlock. */
import type { Card } from "../../../contract/card.ts";

export const rwlockCard: Card = {
  noun: "rwlock",
  room: "selection",
  plane: "commitment",
  answers: {
    who: "any process with a session at the engine",
    shape: "centralised: the keyspace orders the contenders",
    what: "whether several read together or one writes alone",
    how: "phases by create revision: a reader waits for older writers, a writer for all older",
    failure:
      "a dead or cut-off owner's lease ends and its key goes; its token is refused from then on",
    speed: "as a lock",
  },
  guarantee: "no writer together with anyone else; neither side starves",
  requires: { consistency: "linearizable", fencing: "monotonic" },
  cost: {
    tryRead: "1 round trip, 1 flush when it joins",
    tryWrite: "1 round trip, 1 flush when it joins",
    release: "1 round trip, 1 flush",
  },
  failureModes: [
    "an owner that is paused past its lease still believes it owns until it runs again: guard the resource with the token",
    "a release that cannot reach the engine is told again; until then, at most until the session ends, the next one waits",
  ],
  layout: [
    "rwlock/<name>/<lease in hex>[-<n>]",
    'value: JSON {"layout":1,"service","host","pid","label","since","mode"}',
  ],
};
