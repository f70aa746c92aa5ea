/** Prints the fingerprint of the workload under the options that are given as JSON. */
import { simulate } from "../../src/testing/index.ts";
import type { SimulateOptions } from "../../src/testing/index.ts";
import { workload } from "../../src/testing/workload.ts";

const options = JSON.parse(process.argv[2] ?? "{}") as SimulateOptions;
console.log((await simulate(options, workload)).trace);
