/**
 * Load on an etcd server with prepared bodies over one HTTP/2 connection of Node. It exists for what h2load cannot do:
 * two different calls in turn (lock, then unlock).
 */
import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import { connect, constants } from "node:http2";
import type { PreparedCall } from "../etcd-messages.ts";
import {
  getCall,
  leaseGrantCall,
  lockCall,
  putCall,
  unlockCall,
  watchCreate,
} from "../etcd-messages.ts";
import { KEY, lockName, VALUE, WATCH_CONNECTIONS, WATCHERS } from "../workload.ts";
import { closedLoop, jobOfArguments } from "./closed-loop.ts";

/** Watchers of the key on connections of their own. */
interface Watchers {
  /** Resolves when each of them has been told once more. */
  all(): Promise<void>;
  close(): void;
}

async function openWatchers(): Promise<Watchers> {
  let told = 0;
  let due: () => void = () => {};
  const all = (): Promise<void> =>
    new Promise((done) => {
      told = 0;
      due = done;
    });
  const created = all();
  const sessions = Array.from({ length: WATCH_CONNECTIONS }, () => {
    const own = connect(`http://${job.host}:${job.port}`);
    const stream = own.request({
      [constants.HTTP2_HEADER_METHOD]: "POST",
      [constants.HTTP2_HEADER_PATH]: "/etcdserverpb.Watch/Watch",
      "content-type": "application/grpc",
      te: "trailers",
    });
    countMessages(stream, () => {
      told++;
      if (told === WATCHERS) due();
    });
    for (let at = 0; at < WATCHERS / WATCH_CONNECTIONS; at++) stream.write(watchCreate(KEY));
    return own;
  });
  await created;
  return { all, close: () => sessions.forEach((own) => own.destroy()) };
}

/** Calls `each` for every gRPC message that arrives; its content is not looked at. */
function countMessages(stream: ClientHttp2Stream, each: () => void): void {
  let rest: Buffer = Buffer.alloc(0);
  stream.on("data", (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (rest.length - at >= 5 && rest.length - at >= 5 + rest.readUInt32BE(at + 1)) {
      at += 5 + rest.readUInt32BE(at + 1);
      each();
    }
    rest = rest.subarray(at);
  });
}

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
  case "fanout": {
    const watchers = await openWatchers();
    const call = putCall(KEY, VALUE);
    await closedLoop(
      job,
      async () => {
        const heard = watchers.all();
        await send(session, call);
        await heard;
      },
      WATCHERS,
    );
    watchers.close();
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
