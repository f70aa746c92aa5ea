/** Several members of an etcd that a test plays, over real gRPC. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { sendUnaryData } from "@grpc/grpc-js";
import { Server, ServerCredentials, status } from "@grpc/grpc-js";
import { utf8 } from "../../src/base/bytes.ts";
import { connect } from "../../src/sdk/index.ts";
import { etcd } from "../../src/sdk/etcd.ts";
import { METHODS } from "../../src/wire/etcd/messages.ts";

interface Member {
  readonly endpoint: string;
  readonly server: Server;
}

/** A member that answers ranges as `answer` does. */
async function member(answer: (done: sendUnaryData<Buffer>) => void): Promise<Member> {
  const same = (bytes: Buffer): Buffer => bytes;
  const server = new Server();
  const range = {
    path: METHODS.range.path,
    requestStream: false,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
  server.addService(
    { range },
    { range: (_call: unknown, done: sendUnaryData<Buffer>) => answer(done) },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { server, endpoint: `127.0.0.1:${port}` };
}

test("[ETCD-9] a member that has no leader is left for another, though it can be reached (2 members)", async (t) => {
  const counted = Buffer.from(METHODS.range.response.encode({ count: 7 }));
  const asked = [0, 0];
  /** Which member is cut off from the others. */
  let cut = -1;
  const members = await Promise.all(
    asked.map((_none, at) =>
      member((done) => {
        asked[at] = (asked[at] ?? 0) + 1;
        if (at !== cut) return done(null, counted);
        if (asked[at] === 2)
          return done({ code: status.UNAVAILABLE, details: "etcdserver: no leader" });
        done({ code: status.INVALID_ARGUMENT, details: "asked again" });
      }),
    ),
  );
  const q = await connect(etcd({ endpoints: members.map(({ endpoint }) => endpoint) }));
  t.after(async () => {
    await q.close();
    for (const { server } of members) server.forceShutdown();
  });
  const count = async (): Promise<number> =>
    (await q.commitment.keyspace.call({ kind: "range", key: utf8("a") }, { timeoutMs: 60_000 }))
      .count;
  await count();
  cut = asked.indexOf(1);
  assert.equal(await count(), 7);
  assert.deepEqual([asked[cut], asked[1 - cut]], [2, 1]);
});
