/** The card of the lock on several names. */
import type { Card } from "../../../contract/card.ts";

export const locksCard: Card = {
  noun: "locks",
  room: "selection",
  plane: "commitment",
  answers: {
    who: "any process with a session at the engine",
    shape: "centralised: the keyspace orders the contenders of each name",
    what: "which one of several may act on several things at once",
    how: "one step joins the queues of all names; who is the oldest in all of them owns",
    failure: "a dead or cut-off owner's lease ends and all its keys go in one step",
    speed: "as a lock, whatever the number of names",
  },
  guarantee:
    "at most one owner of each name, all names or none, one token; claims on several names never wait in a circle",
  requires: { consistency: "linearizable", fencing: "monotonic" },
  cost: {
    tryAcquire: "1 round trip, 1 flush when it joins; one key for each name",
    "wake-up": "1 round trip, at most once for each name",
    release: "1 round trip, 1 flush",
  },
  failureModes: [
    "while it waits for one name it keeps its place in the others, and younger ones wait behind it",
    "together with other holds it can close a circle: say what is held with within",
  ],
  layout: [
    "lock/<name>/<lease in hex>[-<n>], for each name, of one create revision",
    'value: JSON {"layout":1,"service","host","pid","label","since","with":[prefix,…]}',
  ],
};
