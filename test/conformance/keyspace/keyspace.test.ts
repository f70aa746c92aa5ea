/** Runs the contract's suite over every engine. */
import { arms } from "../arms.ts";
import { keyspaceConformance } from "./keyspace.ts";

for (const arm of arms) keyspaceConformance(arm);
