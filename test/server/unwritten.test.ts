/** Requests that cannot be written, of a program without types, beside those that can. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../../src/base/bytes.ts";
import { QuorateError } from "../../src/base/errors.ts";
import type { PutRequest, Request } from "../../src/contract/requests.ts";
import { procedureSet } from "../../src/contract/procedure.ts";
import { openDriver } from "../../src/driver/driver.ts";
import { openRemote, REMOTE_GUARANTEE } from "../../src/engines/remote/remote.ts";
import { hostClock } from "../../src/host/clock.ts";
import { hostEntropy } from "../../src/host/entropy.ts";
import type { ByteStream } from "../../src/ports/network.ts";
import { cutNetwork } from "./cut-network.ts";

test("[REM-8] a request that cannot be written is INVALID and costs the others nothing, after a reconnect too (2 requests)", async () => {
  const driver = await openDriver({
    disk: undefined,
    clock: hostClock,
    entropy: hostEntropy,
    procedures: procedureSet([]),
    label: "memory:",
  });
  const inner = cutNetwork(driver, () => Infinity);
  const streams: ByteStream[] = [];
  const keyspace = await openRemote({
    addresses: [{ kind: "tcp", host: "here", port: 1 }],
    network: {
      dial: async (...given) => {
        const stream = await inner.dial(...given);
        streams.push(stream);
        return stream;
      },
    },
    clock: hostClock,
    entropy: hostEntropy,
    label: "test",
    guarantee: REMOTE_GUARANTEE,
    program: "test",
  });
  const key = utf8("a");
  const unwritable: readonly Request[] = [
    { kind: "put", key } as PutRequest,
    { kind: "range", key, limit: Infinity },
  ];
  const together = async (): Promise<void> => {
    const refused = unwritable.map((each) =>
      assert.rejects(
        keyspace.call(each),
        (error) => QuorateError.is(error, "INVALID") && error.outcome === "definite",
      ),
    );
    await keyspace.call({ kind: "put", key, value: key });
    await Promise.all(refused);
  };
  await together();
  assert.equal(streams.length, 1, "the connection stays");
  const lost = new Promise<void>((resolve) => {
    keyspace.observe((state) => {
      if (state === "suspended") resolve();
    });
  });
  streams[0]?.destroy();
  await lost;
  // They wait for a connection, and are written first when there is one.
  await together();
  assert.equal(streams.length, 2);
  await keyspace.close();
  await driver.close();
});
