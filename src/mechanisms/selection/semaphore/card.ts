/** The card of the semaphore. */
import type { Card } from "../../../contract/card.ts";

export const semaphoreCard: Card = {
  noun: "semaphore",
  room: "selection",
  plane: "commitment",
  answers: {
    who: "any process with a session at the engine",
    shape: "centralised: the keyspace orders the contenders",
    what: "which of several may share a number of permits",
    how: "the longest prefix by create revision whose weights fit the permits",
    failure:
      "a dead or cut-off owner's lease ends and its key goes; its token is refused from then on",
    speed: "as a lock; a release wakes every waiter",
  },
  guarantee:
    "nobody is served beyond the permits; a heavy claim is not overtaken; a lower number takes from nobody",
  requires: { consistency: "linearizable", fencing: "monotonic" },
  cost: {
    tryAcquire: "1 round trip, 1 flush when it joins",
    "wake-up": "1 round trip for every waiter",
    release: "1 round trip, 1 flush",
    resize: "1 round trip, 1 flush; wakes every waiter",
  },
  failureModes: [
    "an owner that is paused past its lease still believes it owns until it runs again: guard the resource with the token",
    "a release that cannot reach the engine is told again; until then, at most until the session ends, the next one waits",
  ],
  layout: [
    "semaphore/<name>/<lease in hex>[-<n>]",
    'value: JSON {"layout":1,"service","host","pid","label","since","weight"}',
    "semaphore/<name>/policy/permits",
    'value: the number, or JSON {"layout":1,"permits","kept"} after a change while somebody owned',
  ],
};
