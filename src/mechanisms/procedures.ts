/** Every procedure of every mechanism: what a server or an embedded engine is built with. */
import type { Procedure } from "../contract/procedure.ts";
import * as barrier from "./selection/barrier/procedures.ts";
import * as granted from "./selection/contention/granted.ts";
import * as contention from "./selection/contention/procedures.ts";
import * as guard from "./selection/guard/procedures.ts";
import * as latch from "./selection/latch/procedures.ts";
import * as locks from "./selection/locks/procedures.ts";

export const allProcedures: readonly Procedure<never, unknown>[] = [
  contention.enter,
  contention.look,
  contention.leave,
  contention.expire,
  contention.extend,
  contention.proclaim,
  contention.list,
  contention.resize,
  granted.promote,
  granted.release,
  granted.handOver,
  granted.stay,
  granted.revoke,
  locks.enterAll,
  locks.lookAll,
  locks.leaveAll,
  guard.admit,
  latch.countDown,
  barrier.arrive,
  barrier.depart,
  barrier.leaveMeeting,
  barrier.survey,
] as readonly Procedure<never, unknown>[];
