/** The card of the lock. */
import type { Card } from "../../../contract/card.ts";

export const lockCard: Card = {
  noun: "lock",
  room: "selection",
  plane: "commitment",
  answers: {
    who: "any process with a session at the engine",
    shape: "centralised: the keyspace orders the contenders",
    what: "which one of several may act",
    how: "contenders by create revision; the oldest owns; each waits for the one before it. With priority, barging or lockDelayMs, and after handover, a grant names the owner",
    failure:
      "a dead or cut-off owner's lease ends and its key goes; its token is refused from then on",
    speed: "one round trip and one shared flush when free; one wake-up per release",
  },
  guarantee: "at most one owner by the engine's order; tokens grow with every owner",
  requires: { consistency: "linearizable", fencing: "monotonic" },
  cost: {
    tryAcquire: "1 round trip, 1 flush when it joins",
    "wake-up": "1 round trip",
    release: "1 round trip, 1 flush",
    lease: "1 round trip, 1 flush",
    "priority, barging, lockDelayMs":
      "one more key written at joining and at release; a release wakes two",
    revocable: "1 watch while it is held",
    "revoke, handover": "1 round trip, 1 flush",
    within: "one more key for each hold, 1 more round trip when it has to wait",
  },
  failureModes: [
    "an owner that is paused past its lease still believes it owns until it runs again: guard the resource with the token",
    "a release that cannot reach the engine is told again; until then, at most until the session ends, the next one waits",
  ],
  layout: [
    "lock/<name>/<lease in hex>[-<n>]",
    'value: JSON {"layout":1,"service","host","pid","label","since","priority","barging","delayMs","revocable","revoked","bell"}',
    "lock/<name>/policy/grant, while it is owned by grant",
    'value: JSON {"layout":1,"key","created","since","token","delayMs","barging","until"}',
    "selection/waits/<held key>/<place>, of those who wait within a hold",
  ],
};
