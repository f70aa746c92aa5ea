/** Waits for its standard input to end, then clears the directory it was given: see `premises.ts`. */
import { clear } from "./premises.ts";

const directory = process.argv[2];
if (directory === undefined) throw new Error("which directory?");
process.stdin.resume();
process.stdin.once("end", () => void clear(directory));
