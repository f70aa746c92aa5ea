/** Runs the suite of latches and barriers over every engine. */
import { arms } from "../arms.ts";
import { gatheringConformance } from "./gathering.ts";

for (const arm of arms) gatheringConformance(arm);
