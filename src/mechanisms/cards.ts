/** The cards of all mechanisms. */
import type { Card } from "../contract/card.ts";
import { barrierCard } from "./selection/barrier/card.ts";
import { doubleBarrierCard } from "./selection/double-barrier/card.ts";
import { electionCard } from "./selection/election/card.ts";
import { guardCard } from "./selection/guard/card.ts";
import { latchCard } from "./selection/latch/card.ts";
import { lockCard } from "./selection/lock/card.ts";
import { locksCard } from "./selection/locks/card.ts";
import { rwlockCard } from "./selection/rwlock/card.ts";
import { semaphoreCard } from "./selection/semaphore/card.ts";

export const cards: readonly Card[] = [
  lockCard,
  locksCard,
  rwlockCard,
  semaphoreCard,
  electionCard,
  guardCard,
  latchCard,
  barrierCard,
  doubleBarrierCard,
];
