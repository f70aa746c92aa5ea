/** Runs the suite of locks on several names and of circles of waiting over every engine. */
import { arms } from "../arms.ts";
import { togetherConformance } from "./together.ts";

for (const arm of arms) togetherConformance(arm);
