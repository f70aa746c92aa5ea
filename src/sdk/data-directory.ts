/** `file:`: one data directory for all processes of a machine. The first to open it serves the others. */
import { QuorateError } from "../base/errors.ts";
import type { Keyspace } from "../contract/keyspace.ts";
import type { OwnOptions } from "./embedded.ts";
import { serveDirectory } from "./serving.ts";

/**
 * Opens `directory`, here or in the process that has it. Throws DATA_DIR_IN_USE if that one cannot be attached to, and
 * what opening throws: DISK, DAMAGED, LAYOUT, CLOCK_JUMP, CONFIG.
 */
export async function openFile(
  directory: string,
  options: OwnOptions,
  signal: AbortSignal | undefined,
): Promise<Keyspace> {
  try {
    return await serveDirectory(directory, options);
  } catch (error) {
    if (!QuorateError.is(error, "DATA_DIR_IN_USE")) throw error;
    const { attach } = await import("./succession.ts");
    return await attach(directory, options, signal, error);
  }
}
