/** The card of the guard in the keyspace. */
import type { Card } from "../../../contract/card.ts";

export const guardCard: Card = {
  noun: "guard",
  room: "selection",
  plane: "commitment",
  answers: {
    who: "any process that acts on a resource; no session is needed",
    shape: "centralised: one record of the keyspace",
    what: "whether an owner has been replaced by a later one",
    how: "the highest token that was admitted, and whose: higher wins, equal only for the same holder",
    failure: "it has no owner: what has been admitted stays known",
    speed: "one round trip; a shared flush when the token is higher",
  },
  guarantee: "once a token has been admitted, no lower one ever is, in any process",
  requires: { consistency: "linearizable", fencing: "monotonic" },
  cost: { admit: "1 round trip, 1 flush when the token is higher", last: "1 round trip" },
  failureModes: [
    "between being admitted and acting an owner can be replaced: let the resource itself compare the token where it can",
    "an admission whose outcome is indefinite may have been remembered; asking again is safe",
  ],
  layout: ["guard/<name>/last", 'value: JSON {"layout":1,"token","holder"}'],
};
