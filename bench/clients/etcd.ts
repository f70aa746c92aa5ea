/**
 * Load on an etcd server with prepared bodies over one HTTP/2 connection of Node. It exists for what h2load cannot do:
 * two different calls in turn (lock, then unlock).
 */
import type { ClientHttp2Session } from "node:http2";
import { connect, constants } from "node:http2";
import type { PreparedCall } from "../etcd-messages.ts";
import { getCall, leaseGrantCall, lockCall, putCall, unlockCall } from "../etcd-messages.ts";
import { KEY, lockName, VALUE } from "../workload.ts";
import { closedLoop, jobOfArguments } from "./closed-loop.ts";

const job = jobOfArguments();
const session = connect(`http://${job.host}:${job.port}`);

/** Sends one call; rejects unless gRPC says OK. */
function send(to: ClientHttp2Session, call: PreparedCall): Promise<void> {
  return new Promise((done, failed) => {
    const stream = to.request({
      [constants.HTTP2_HEADER_METHOD]: "POST",
      [constants.HTTP2_HEADER_PATH]: call.path,
      "content-type": "application/grpc",
      te: "trailers",
    });
    let status: unknown;
    stream.on("response", (headers) => (status = headers["grpc-status"]));
    stream.on("trailers", (trailers) => (status = trailers["grpc-status"]));
    stream.on("error", failed);
    stream.on("end", () =>
      Number(status) === 0
        ? done()
        : failed(new Error(`${call.path}: grpc-status ${String(status)}`)),
    );
    stream.resume();
    stream.end(call.body);
  });
}

switch (job.work) {
  case "put": {
    const call = putCall(KEY, VALUE);
    await closedLoop(job, () => send(session, call));
    break;
  }
  case "get": {
    const call = getCall(KEY);
    await send(session, putCall(KEY, VALUE));
    await closedLoop(job, () => send(session, call));
    break;
  }
  case "lock": {
    const lease = BigInt(process.pid) + 0x1000_0000n;
    await send(session, leaseGrantCall(lease, 3_600));
    const calls = Array.from({ length: job.inFlight }, (_, worker) => ({
      lock: lockCall(lockName(worker), lease),
      unlock: unlockCall(lockName(worker), lease),
    }));
    await closedLoop(job, async (worker) => {
      const pair = calls[worker];
      if (pair === undefined) return;
      await send(session, pair.lock);
      await send(session, pair.unlock);
    });
    break;
  }
  default:
    throw new Error(`no work is called ${job.work}`);
}
session.close();
