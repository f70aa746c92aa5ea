/** An engine as a value: what `connect` takes in place of a url. Making one does no I/O. */
import type { Keyspace } from "../contract/keyspace.ts";

export interface Engine {
  /** The scheme and place, for messages. */
  readonly label: string;
  /**
   * Whether it runs without our code: procedures are then evaluated by its clients, and one of them acts on deadlines.
   */
  readonly foreign: boolean;
  /** Connects. Rejects with UNAVAILABLE, ENGINE_MISSING, CONFIG. */
  open(signal?: AbortSignal | undefined): Promise<Keyspace>;
}
