/** Runs the contract's suite over every engine. */
import { arms } from "../arms.ts";
import { overKeyspace } from "./corner.ts";
import { dataCases } from "./data.ts";
import { watchCases } from "./watches.ts";

for (const arm of arms) {
  overKeyspace(arm, (test) => {
    dataCases(test);
    watchCases(test);
  });
}
