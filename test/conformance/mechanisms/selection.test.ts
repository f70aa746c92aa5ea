/** Runs the selection suite over every engine. */
import { arms } from "../arms.ts";
import { exclusiveCases } from "./exclusive.ts";
import { overArm } from "./over-arm.ts";
import { sharingCases } from "./sharing.ts";
import { verbConformance } from "./verbs.ts";

for (const arm of arms) {
  overArm("selection", arm, (test) => {
    exclusiveCases(test);
    sharingCases(test);
  });
  verbConformance(arm);
}
