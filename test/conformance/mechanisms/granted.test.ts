/** Runs the suite of ownership by grant over every engine. */
import { arms } from "../arms.ts";
import { grantedConformance } from "./granted.ts";

for (const arm of arms) grantedConformance(arm);
