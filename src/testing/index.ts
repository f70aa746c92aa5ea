/** What `import … from "quorate/testing"` gives. */
export { virtual } from "./virtual.ts";
export type { Virtual, VirtualOptions, VirtualProcess } from "./virtual.ts";
export type { VirtualClock } from "./virtual-time.ts";
export { simulate } from "./simulate.ts";
export type { Simulated, SimulateOptions } from "./simulate.ts";
export type { Scenario } from "./run.ts";
export { SimulationError } from "./report.ts";
export type { Faults, Life, Process, ProcessOptions, World } from "./world.ts";
export type { Effect, Resource, Writer, Written } from "../verify/simulator/resource.ts";
export type { Ending, Recorder, Invocation } from "../verify/simulator/recorded.ts";
export type { FaultKind } from "../verify/simulator/plan.ts";
