/** The cards of all mechanisms. */
import type { Card } from "../contract/card.ts";
import { electionCard } from "./selection/election/card.ts";
import { lockCard } from "./selection/lock/card.ts";
import { rwlockCard } from "./selection/rwlock/card.ts";
import { semaphoreCard } from "./selection/semaphore/card.ts";

export const cards: readonly Card[] = [lockCard, rwlockCard, semaphoreCard, electionCard];
