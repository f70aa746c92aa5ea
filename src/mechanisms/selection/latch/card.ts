/** The card of the latch. */
import type { Card } from "../../../contract/card.ts";

export const latchCard: Card = {
  noun: "latch",
  room: "selection",
  plane: "commitment",
  answers: {
    who: "any process; who counts and who waits need not know each other",
    shape: "centralised: one record of the keyspace",
    what: "whether enough has happened for all to go on",
    how: "a number that is counted down to nothing and stays there",
    failure: "it has no owner: what has been counted stays counted, who dies uncounted is missing",
    speed: "one round trip and one shared flush to count; one event lets everybody pass",
  },
  guarantee: "nobody passes before the last countdown is committed; once open it stays open",
  requires: { consistency: "linearizable" },
  cost: {
    countDown: "1 round trip, 1 flush",
    wait: "1 round trip and 1 watch, none more when it opens",
  },
  failureModes: [
    "a countdown whose outcome is indefinite may have counted: read count before repeating it",
    "a party that dies before it counts keeps it closed: wait with waitMs, or use a barrier",
    "an open latch stays in the store until clear removes it",
  ],
  layout: ["latch/<name>/state", 'value: JSON {"layout":1,"count","of"}'],
};
