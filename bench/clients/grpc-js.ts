/**
 * Load on an etcd server through @grpc/grpc-js, the client that Node programs use. The client is the limit here, not
 * the server: its rows say so.
 */
import { Client, credentials } from "@grpc/grpc-js";
import type { PreparedCall } from "../etcd-messages.ts";
import { getCall, leaseGrantCall, lockCall, putCall, unlockCall } from "../etcd-messages.ts";
import { KEY, lockName, VALUE } from "../workload.ts";
import { closedLoop, jobOfArguments } from "./closed-loop.ts";

const job = jobOfArguments();
const client = new Client(`${job.host}:${job.port}`, credentials.createInsecure());
const same = (bytes: Buffer): Buffer => bytes;

function send(call: PreparedCall): Promise<void> {
  return new Promise((done, failed) => {
    // The prefix of five bytes is grpc-js's own to write.
    client.makeUnaryRequest(call.path, same, same, call.body.subarray(5), (error) =>
      error === null ? done() : failed(error),
    );
  });
}

switch (job.work) {
  case "put": {
    const call = putCall(KEY, VALUE);
    await closedLoop(job, () => send(call));
    break;
  }
  case "get": {
    const call = getCall(KEY);
    await send(putCall(KEY, VALUE));
    await closedLoop(job, () => send(call));
    break;
  }
  case "lock": {
    const lease = BigInt(process.pid) + 0x2000_0000n;
    await send(leaseGrantCall(lease, 3_600));
    await closedLoop(job, async (worker) => {
      await send(lockCall(lockName(worker), lease));
      await send(unlockCall(lockName(worker), lease));
    });
    break;
  }
  default:
    throw new Error(`no work is called ${job.work}`);
}
client.close();
