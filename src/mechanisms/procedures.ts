/** Every procedure of every mechanism: what a server or an embedded engine is built with. */
import type { Procedure } from "../contract/procedure.ts";
import * as contention from "./selection/contention/procedures.ts";

export const allProcedures: readonly Procedure<never, unknown>[] = [
  contention.enter,
  contention.look,
  contention.leave,
  contention.expire,
  contention.extend,
  contention.proclaim,
  contention.list,
  contention.resize,
] as readonly Procedure<never, unknown>[];
