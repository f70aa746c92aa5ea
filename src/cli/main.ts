#!/usr/bin/env node
/**
 * The program `quorate`: runs one command line and exits with its code.
 *
 * Invariants: I1 the first SIGINT or SIGTERM asks the command to end; the second ends the process
 * at once. I2 a reader that goes away (`quorate get … | head`) ends the program quietly.
 */
import { EXIT } from "./exit-codes.ts";
import { main } from "./program.ts";

const interruption = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    if (interruption.signal.aborted) process.exit(EXIT.interrupted);
    interruption.abort(signal);
  });
}
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(EXIT.ok);
});

void main(process.argv.slice(2), process.env, interruption.signal).then((code) => {
  process.exitCode = code;
});
