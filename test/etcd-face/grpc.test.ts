/** gRPC on the server's port: framing, statuses, limits, and its place beside the other protocols. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectSocket } from "node:net";
import { after, before, describe, test } from "node:test";
import { connect } from "../../src/sdk/index.ts";
import type { RunningServer } from "../../src/server/index.ts";
import { startServer } from "../../src/server/index.ts";
import type { Bytes } from "../../src/base/bytes.ts";
import { METHODS } from "../../src/wire/etcd/messages.ts";
import { HEALTH } from "../../src/wire/grpc/health.ts";
import { GrpcClient, RawClient } from "./grpc-client.ts";

const SERVING = { status: 1 };
const NOTHING = Buffer.from([0, 0, 0, 0, 0]);

function endpointOf(server: RunningServer): string {
  return server.url.replace("quorate://", "");
}

describe("gRPC face", { timeout: 240_000 }, () => {
  let server: RunningServer;
  let client: GrpcClient;
  let raw: RawClient;
  before(async () => {
    server = await startServer({ listen: "127.0.0.1:0" });
    client = new GrpcClient(endpointOf(server));
    raw = new RawClient(endpointOf(server));
  });
  after(async () => {
    client.close();
    raw.close();
    await server.close();
  });

  test("[GRPC-1] gRPC, native and HTTP/1 clients share one port (1 server, 3 clients)", async () => {
    assert.deepEqual(await client.call(HEALTH.check, {}), SERVING);
    const q = await connect(server.url);
    await q.lock("beside").acquire();
    await q.close();
    const page = await fetch(`http://${endpointOf(server)}/readyz`);
    assert.equal(await page.text(), "ok\n");
    assert.deepEqual(await client.call(HEALTH.check, {}), SERVING);
  });

  test("[GRPC-1] a greeting that comes byte by byte is understood (1 connection)", async () => {
    const socket = connectSocket(Number(server.url.split(":").at(-1)), "127.0.0.1");
    await once(socket, "connect");
    socket.setNoDelay(true);
    const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
    for (const byte of preface) {
      await new Promise<void>((sent) => socket.write(Buffer.from([byte]), () => sent()));
    }
    socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
    const [first] = (await once(socket, "data")) as [Buffer];
    assert.equal(first[3], 4, "the server's SETTINGS");
    socket.destroy();
  });

  test("[GRPC-2] what is no method is UNIMPLEMENTED, by its name (1 client)", async () => {
    const unknown = (path: string): Promise<unknown> =>
      client.refusal({ ...HEALTH.check, path }, {});
    assert.deepEqual(await unknown("/grpc.health.v1.Health/List"), {
      code: 12,
      details: "unknown method List for service grpc.health.v1.Health",
    });
    assert.deepEqual(await unknown("/nobody.Here/Speaks"), {
      code: 12,
      details: "unknown service nobody.Here",
    });
  });

  test("[GRPC-2] a status travels with its code and text (1 client)", async () => {
    assert.deepEqual(await client.refusal(HEALTH.check, { service: "other" }), {
      code: 5,
      details: "unknown service",
    });
  });

  test("[GRPC-3] compression is refused with UNIMPLEMENTED (2 ways)", async () => {
    const named = await raw.request(HEALTH.check.path, { "grpc-encoding": "gzip" }, NOTHING);
    assert.equal(named.headers["grpc-status"], "12");
    assert.match(String(named.headers["grpc-message"]), /gzip/);
    const flagged = await raw.request(HEALTH.check.path, {}, Buffer.from([1, 0, 0, 0, 0]));
    assert.equal(flagged.headers["grpc-status"], "12");
  });

  test("[GRPC-4] a message beyond 2 MiB is refused by its head (1 client)", async () => {
    const stream = raw.open(HEALTH.check.path);
    stream.write(Buffer.from([0, 0, 0x20, 0, 1]));
    const [headers] = (await once(stream, "response")) as [Record<string, string>];
    assert.equal(headers["grpc-status"], "8");
    assert.match(String(headers["grpc-message"]), /larger than max \(2097153 vs\. 2097152\)/);
    stream.close();
  });

  test("[GRPC-4] a message in many pieces is one message (1 client)", async () => {
    const stream = raw.open(HEALTH.check.path);
    const body = Buffer.concat([Buffer.from([0, 0, 0, 0, 6, 10, 4]), Buffer.from("nope")]);
    const answered = once(stream, "response");
    for (const byte of body) {
      await new Promise<void>((sent) => stream.write(Buffer.from([byte]), () => sent()));
    }
    const [headers] = (await answered) as [Record<string, string>];
    assert.equal(headers["grpc-status"], "5");
    stream.close();
  });

  test("[GRPC-5] what is no gRPC call gets an HTTP status (3 kinds)", async () => {
    const { headers } = await raw.request(
      HEALTH.check.path,
      { "content-type": "text/plain" },
      NOTHING,
    );
    assert.equal(headers[":status"], 415);
    const get = raw.session.request({ ":method": "GET", ":path": "/" });
    const [answer] = (await once(get, "response")) as [Record<string, unknown>];
    assert.equal(answer[":status"], 405);
  });

  test("[GRPC-5] a call without its message, with half, and with two is INTERNAL (1 client)", async () => {
    for (const body of [Buffer.alloc(0), Buffer.from([0, 0, 0, 0, 9, 1])]) {
      const { headers } = await raw.request(HEALTH.check.path, {}, body);
      assert.equal(headers["grpc-status"], "13");
    }
    const bad = await raw.request(HEALTH.check.path, {}, Buffer.from([0, 0, 0, 0, 2, 10, 9]));
    assert.equal(bad.headers["grpc-status"], "13");
  });

  test("[GRPC-6] a deadline ends a call with DEADLINE_EXCEEDED, at the server too (1 stream)", async () => {
    const { headers, trailers } = await raw.request(
      HEALTH.watch.path,
      { "grpc-timeout": "50m" },
      NOTHING,
    );
    assert.equal(headers[":status"], 200);
    assert.equal(trailers["grpc-status"], "4");
    const malformed = await raw.request(HEALTH.check.path, { "grpc-timeout": "soon" }, NOTHING);
    assert.equal(malformed.headers["grpc-status"], "13");
  });

  test("[GRPC-7] pings without calls are struck out, pings of a busy client are not (2 clients)", async () => {
    const busy = new RawClient(endpointOf(server));
    const ping = (of: RawClient): Promise<unknown> =>
      new Promise((resolve) => of.session.ping((error) => resolve(error)));
    for (let round = 0; round < 6; round++) {
      await busy.request(HEALTH.check.path, {}, NOTHING);
      assert.equal(await ping(busy), null);
    }
    const idle = new RawClient(endpointOf(server));
    await once(idle.session, "connect");
    const ended = once(idle.session, "goaway") as Promise<[number, number, Buffer]>;
    for (let round = 0; round < 4; round++) void ping(idle);
    const [code, , text] = await ended;
    assert.equal(code, 11);
    assert.equal(String(text), "too_many_pings");
    busy.close();
    idle.close();
  });

  test("[GRPC-8] a server that closes ends streams with UNAVAILABLE (1 stream)", async () => {
    const closing = await startServer({ listen: "127.0.0.1:0" });
    const other = new GrpcClient(endpointOf(closing));
    const watch = other.converse(HEALTH.watch);
    watch.send({});
    assert.deepEqual(await watch.next(), SERVING);
    const ended = watch.end();
    await closing.close();
    assert.deepEqual(await ended, { code: 14, details: "etcdserver: server stopped" });
    other.close();
  });

  test("[GRPC-10] calls are counted by method and code, as etcd's dashboards ask (1 server)", async () => {
    const own = await startServer({ listen: "127.0.0.1:0" });
    const other = new GrpcClient(endpointOf(own));
    const page = async (): Promise<string> =>
      (await fetch(`http://${endpointOf(own)}/metrics`)).text();
    await other.call(METHODS.range, { key: "a" as Bytes });
    await other.refusal(METHODS.range, {});
    const watch = other.converse(HEALTH.watch);
    watch.send({});
    await watch.next();
    const range = 'grpc_method="Range",grpc_service="etcdserverpb.KV",grpc_type="unary"';
    const first = await page();
    for (const line of [
      `grpc_server_started_total{${range}} 2`,
      `grpc_server_handled_total{grpc_code="OK",${range}} 1`,
      `grpc_server_handled_total{grpc_code="InvalidArgument",${range}} 1`,
      'grpc_server_started_total{grpc_method="Watch",grpc_service="grpc.health.v1.Health",grpc_type="server_stream"} 1',
      "etcd_server_has_leader 1",
    ])
      assert.ok(first.includes(`${line}\n`), line);
    const bytes = (text: string): number =>
      Number(/^etcd_network_client_grpc_received_bytes_total (\d+)$/m.exec(text)?.[1]);
    assert.ok(bytes(first) > 100, first);
    watch.cancel();
    const cancelled = /grpc_code="Canceled",grpc_method="Watch",[^\n]* 1$/m;
    while (!cancelled.test(await page()));
    other.close();
    while (/^quorate_grpc_connections [^0]/m.test(await page()));
    assert.ok(bytes(await page()) >= bytes(first));
    // Each name is described once: Prometheus refuses a page otherwise.
    const described = [...(await page()).matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
    assert.equal(new Set(described).size, described.length);
    await own.close();
  });
});
