/** Runs the selection suite over every engine. */
import { arms } from "../arms.ts";
import { mechanismConformance } from "./selection.ts";
import { verbConformance } from "./verbs.ts";

for (const arm of arms) {
  mechanismConformance(arm);
  verbConformance(arm);
}
