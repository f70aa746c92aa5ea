/** `Maintenance/Snapshot`: what a client of etcd saves, our own restore takes. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Bytes } from "../../src/base/bytes.ts";
import { toArray } from "../../src/base/bytes.ts";
import { QuorateError } from "../../src/base/errors.ts";
import { restoreSnapshot } from "../../src/cli/snapshot-store.ts";
import type { RunningServer } from "../../src/server/index.ts";
import { startServer } from "../../src/server/index.ts";
import { CARE } from "../../src/wire/etcd/cluster.ts";
import { METHODS } from "../../src/wire/etcd/messages.ts";
import { frame } from "../../src/wire/grpc/framing.ts";
import { etcdctl } from "../etcd/etcdctl.ts";
import { etcdctlMissing } from "../etcd/etcd-process.ts";
import { GrpcClient, RawClient } from "./grpc-client.ts";

const b = (text: string): Bytes => text as Bytes;
const HASH_BYTES = 32;

describe("Snapshot over gRPC", { timeout: 240_000 }, () => {
  let server: RunningServer;
  let client: GrpcClient;
  let endpoint: string;
  let directory: string;
  before(async () => {
    server = await startServer({ listen: "127.0.0.1:0" });
    endpoint = server.url.replace("quorate://", "");
    client = new GrpcClient(endpoint);
    directory = mkdtempSync(join(tmpdir(), "quorate-snapshot-"));
    await client.call(METHODS.leaseGrant, { id: 9n, ttl: 100 });
    await client.call(METHODS.put, { key: b("leased"), value: b("1"), lease: 9n });
    for (let at = 0; at < 40; at++)
      await client.call(METHODS.put, { key: b(`key/${at % 30}`), value: b("x".repeat(50_000)) });
  });
  after(async () => {
    client.close();
    await server.close();
    rmSync(directory, { recursive: true });
  });

  /** Everything that the stream brings, and how much it said was left after each message. */
  async function streamed(): Promise<{ readonly bytes: Buffer; readonly left: readonly number[] }> {
    const stream = client.converse(CARE.snapshot);
    stream.send({});
    stream.finish();
    const parts: Uint8Array[] = [];
    const left: number[] = [];
    do {
      const { blob, remainingBytes, header } = await stream.next();
      assert.ok((header?.revision ?? 0) > 0);
      parts.push(toArray(blob));
      left.push(remainingBytes);
    } while (left.at(-1) !== 0);
    assert.equal(await stream.end(), undefined);
    return { bytes: Buffer.concat(parts), left };
  }

  /** The keys of a server on what `file` restores to. */
  async function restored(file: string): Promise<readonly unknown[]> {
    const dataDir = join(directory, `restored-${Math.floor(performance.now() * 1_000)}`);
    await restoreSnapshot(file, dataDir);
    const other = await startServer({ listen: "127.0.0.1:0", dataDir });
    const there = new GrpcClient(other.url.replace("quorate://", ""));
    const { kvs } = await there.call(METHODS.range, { key: b("\0"), rangeEnd: b("\0") });
    const { leases } = await there.call(METHODS.leaseLeases, {});
    there.close();
    await other.close();
    return [kvs, leases];
  }

  async function present(): Promise<readonly unknown[]> {
    const { kvs } = await client.call(METHODS.range, { key: b("\0"), rangeEnd: b("\0") });
    const { leases } = await client.call(METHODS.leaseLeases, {});
    return [kvs, leases];
  }

  test("[SNP-1] ends with the hash of all before it, where etcd's clients look (1 stream)", async () => {
    const { bytes, left } = await streamed();
    assert.equal(bytes.length % 512, HASH_BYTES);
    const hash = createHash("sha256").update(bytes.subarray(0, -HASH_BYTES)).digest();
    assert.deepEqual(bytes.subarray(-HASH_BYTES), hash);
    assert.deepEqual(
      [...left].toSorted((one, other) => other - one),
      left,
      "never grows",
    );
  });

  test("[SNP-2] is restored with keys, versions and leases (server on the restored directory)", async () => {
    const file = join(directory, "streamed.snap");
    writeFileSync(file, (await streamed()).bytes);
    assert.deepEqual(await restored(file), await present());
  });

  test("[SNP-2] etcdctl snapshot save makes a file that is restored (etcdctl)", async (t) => {
    if (etcdctlMissing !== false) return t.skip(etcdctlMissing);
    const file = join(directory, "etcdctl.snap");
    const { code, stdout, stderr } = await etcdctl(endpoint, ["snapshot", "save", file]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /Snapshot saved/);
    assert.deepEqual(await restored(file), await present());
  });

  test("[SNP-3] cut anywhere near its end, or with more after it, it is refused (table)", async () => {
    const { bytes } = await streamed();
    const refused = async (what: string, content: Uint8Array): Promise<void> => {
      const file = join(directory, "wrong.snap");
      writeFileSync(file, content);
      await assert.rejects(
        restoreSnapshot(file, join(directory, "never")),
        (error) => QuorateError.is(error, "DAMAGED"),
        what,
      );
    };
    for (const cut of [1, 8, HASH_BYTES - 1, HASH_BYTES])
      await refused(`cut by ${cut}`, bytes.subarray(0, -cut));
    await refused("longer", Buffer.concat([bytes, Buffer.alloc(2_000)]));
    await refused("twice", Buffer.concat([bytes, bytes]));
    const dirty = Buffer.from(bytes);
    dirty[bytes.length - HASH_BYTES - 1] = 1;
    await refused("padding that is none", dirty);
  });

  test("[SNP-4] a client that goes without reading leaves the next one all it asks for (2 streams)", async () => {
    const raw = new RawClient(endpoint);
    const stream = raw.open(CARE.snapshot.path);
    stream.on("error", () => {});
    stream.end(frame(CARE.snapshot.request, {}));
    await once(stream, "response");
    await client.call(METHODS.put, { key: b("meanwhile"), value: b("1") });
    raw.close();
    assert.ok((await streamed()).bytes.length > 0);
  });
});
