/** Runs the selection suite over every engine. */
import { arms } from "../arms.ts";
import { mechanismConformance } from "./selection.ts";

for (const arm of arms) mechanismConformance(arm);
