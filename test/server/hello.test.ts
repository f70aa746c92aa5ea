/** A connection in front of TLS, before its first message is whole. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { connect, createServer } from "node:net";
import { test } from "node:test";
import { greeted } from "../../src/server/hello.ts";

/** Both ends of one connection. */
async function pair(): Promise<{
  readonly near: Socket;
  readonly far: Socket;
  readonly end: () => void;
}> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  const far = connect(address.port, "127.0.0.1");
  const [near] = (await once(server, "connection")) as [Socket];
  const end = (): void => {
    near.destroy();
    far.destroy();
    server.close();
  };
  return { near, far, end };
}

function record(bytes: number): Buffer {
  const head = Buffer.from([22, 3, 1, 0, 0]);
  head.writeUInt16BE(bytes, 3);
  return Buffer.concat([head, Buffer.alloc(bytes, 7)]);
}

/** Writes `pieces`, each when the one before has arrived; how many had come when it was whole, and all that is to be read. */
async function arriving(
  pieces: readonly Buffer[],
): Promise<{ readonly after: number | undefined; readonly left: Buffer | null }> {
  const { near, far, end } = await pair();
  let after: number | undefined;
  let come = 0;
  greeted(near, () => (after ??= come));
  for (const [at, piece] of pieces.entries()) {
    come = at + 1;
    const before = near.bytesRead;
    far.write(piece);
    while (near.bytesRead < before + piece.length && after === undefined)
      await new Promise((resolve) => setImmediate(resolve));
    if (after !== undefined) break;
  }
  const left = near.read() as Buffer | null;
  end();
  return { after, left };
}

test("[TLS-7] a handshake begins when its first record is whole, of which nothing is lost (7 cuts)", async () => {
  const whole = record(500);
  for (const cut of [1, 4, 5, 6, 300, 504]) {
    const { after, left } = await arriving([whole.subarray(0, cut), whole.subarray(cut)]);
    assert.equal(after, 2, `cut at ${cut}`);
    assert.deepEqual(left, whole);
  }
  const { after, left } = await arriving([...whole].map((byte) => Buffer.from([byte])));
  assert.equal(after, whole.length);
  assert.deepEqual(left, whole);
});

test("[TLS-7] what is no handshake, or too long for one, is left to the library at once", async () => {
  assert.equal((await arriving([Buffer.from("G")])).after, 1);
  const long = record(20_000);
  const parts = [long.subarray(0, 16_000), long.subarray(16_000, 16_500), long.subarray(16_500)];
  assert.equal((await arriving(parts)).after, 2);
});
