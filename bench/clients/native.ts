/** Load on a Quorate server through the SDK, as a user's program would put it. */
import type { Bytes } from "../../src/base/bytes.ts";
import { connect } from "../../src/sdk/index.ts";
import { KEY, lockName, VALUE, WATCHERS } from "../workload.ts";
import { closedLoop, jobOfArguments } from "./closed-loop.ts";
import { openWatchers } from "./native-watchers.ts";

const job = jobOfArguments();
const url = `quorate://${job.host}:${job.port}`;
const q = await connect(url, {
  service: "bench",
  sessionTtlMs: 60_000,
});
const { keyspace } = q.commitment;
const key = KEY as Bytes;
const value = VALUE as Bytes;

switch (job.work) {
  case "put":
    await closedLoop(job, () => keyspace.call({ kind: "put", key, value }));
    break;
  case "get":
    await keyspace.call({ kind: "put", key, value });
    await closedLoop(job, () => keyspace.call({ kind: "range", key }));
    break;
  case "fanout": {
    const watchers = await openWatchers(job);
    await closedLoop(
      job,
      async () => {
        const heard = watchers.all();
        await keyspace.call({ kind: "put", key, value });
        await heard;
      },
      WATCHERS,
    );
    watchers.close();
    break;
  }
  case "lock": {
    const locks = Array.from({ length: job.inFlight }, (_, worker) => q.lock(lockName(worker)));
    await closedLoop(job, async (worker) => {
      const held = await locks[worker]?.acquire();
      await held?.release();
    });
    break;
  }
  default:
    throw new Error(`no work is called ${job.work}`);
}
await q.close();
