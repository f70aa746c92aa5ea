/** TLS in front of all protocols of the one port: who is refused, what renews itself, what a flood of handshakes costs. */
import assert from "node:assert/strict";
import { once } from "node:events";
import {
  copyFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { get as httpsGet } from "node:https";
import type { Socket } from "node:net";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { utf8 } from "../../src/base/bytes.ts";
import { QuorateError } from "../../src/base/errors.ts";
import type { ConnectOptions } from "../../src/sdk/index.ts";
import { connect } from "../../src/sdk/index.ts";
import type { Quorate } from "../../src/sdk/quorate.ts";
import type { RunningServer, ServerOptions } from "../../src/server/index.ts";
import { startServer } from "../../src/server/index.ts";
import { until } from "../until.ts";
import { Authority, noOpenssl } from "./authority.ts";

type Tls = NonNullable<ConnectOptions["tls"]>;

describe("TLS on the one port", { skip: noOpenssl(), timeout: 480_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), "quorate-tls-"));
  let ours: Authority;
  let other: Authority;
  const closing: (() => Promise<void> | void)[] = [];
  before(() => {
    ours = new Authority(join(directory, "ours"));
    other = new Authority(join(directory, "other"));
  });
  afterEach(async () => {
    for (const close of closing.splice(0).toReversed()) await close();
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  async function serving(options: ServerOptions): Promise<RunningServer> {
    const server = await startServer({ listen: "127.0.0.1:0", ...options });
    closing.push(() => server.close());
    return server;
  }
  async function connected(url: string, tls?: Tls): Promise<Quorate> {
    const q = await connect(url, { tls });
    closing.push(() => q.close());
    return q;
  }
  async function works(url: string, tls?: Tls): Promise<void> {
    const q = await connected(url, tls);
    assert.ok((await q.lock("a").tryAcquire({ waitMs: 5_000 })).ok);
    await q.close();
  }
  async function refused(url: string, tls: Tls | undefined, what: RegExp): Promise<void> {
    const error: unknown = await connect(url, { tls }).then(
      (q) => q.close(),
      (reason: unknown) => reason,
    );
    assert.ok(QuorateError.is(error), "it was let in");
    assert.equal(error.outcome, "definite");
    assert.match(error.message, what);
  }
  const portOf = (url: string): number => Number(new URL(url).port);

  test("[TLS-1] native, HTTP and gRPC are served over TLS, and a plain client is not (one server)", async () => {
    const { cert: certFile, key: keyFile } = ours.issue("server");
    const { url } = await serving({ certFile, keyFile });
    assert.match(url, /^quorates:\/\/127\.0\.0\.1:\d+$/);
    const ca = readFileSync(ours.cert);
    await works(url, { ca: ours.cert });
    await works(url.replace("quorates", "quorate"), { ca: ca.toString() });
    const port = portOf(url);
    const [page] = (await once(
      httpsGet({ host: "127.0.0.1", port, path: "/readyz", ca }),
      "response",
    )) as [{ statusCode: number; resume(): void }];
    assert.equal(page.statusCode, 200);
    page.resume();
    const session = connectHttp2(`https://127.0.0.1:${port}`, { ca });
    closing.push(() => session.destroy());
    const call = session.request({
      ":method": "POST",
      ":path": "/etcdserverpb.Maintenance/Status",
      "content-type": "application/grpc",
      te: "trailers",
    });
    call.end(Buffer.alloc(5));
    const [trailers] = (await Promise.all([once(call.resume(), "trailers")]))[0] as [
      Record<string, string>,
    ];
    assert.equal(trailers["grpc-status"], "0");
    await refused(`quorate://127.0.0.1:${port}`, undefined, /^(PROTOCOL|UNAVAILABLE) /);
    const plain = await serving({});
    await refused(plain.url.replace("quorate", "quorates"), undefined, /does not speak TLS/);
  });

  test("[TLS-2] a server of an unknown authority, of another name, or out of date is refused (three servers)", async () => {
    const ca = ours.cert;
    const cases = [
      [
        other.issue("unknown"),
        { ca },
        /certificate that is not accepted: .*(self-signed|issuer|verify)/,
      ],
      [other.issue("unasked"), undefined, /certificate that is not accepted/],
      [ours.issue("elsewhere", "DNS:elsewhere"), { ca }, /not accepted: .*does not match/],
      [ours.issue("expired", undefined, -1), { ca }, /not accepted: certificate has expired/],
    ] as const;
    for (const [{ cert: certFile, key: keyFile }, tls, what] of cases) {
      const { url } = await serving({ certFile, keyFile });
      await refused(url, tls, what);
    }
    const { cert: certFile, key: keyFile } = ours.issue("named", "DNS:elsewhere");
    const { url } = await serving({ certFile, keyFile });
    await works(url, { ca, serverName: "elsewhere" });
  });

  test("[TLS-3] a client without a certificate, of an unknown authority, out of date or revoked is refused (one server)", async () => {
    const { cert: certFile, key: keyFile } = ours.issue("mutual");
    const good = ours.issue("client");
    const revoked = ours.issue("revoked");
    const clientCrlFile = ours.revoke(revoked);
    const trust = { trustedCaFile: ours.cert, clientCertAuth: true, clientCrlFile };
    const { url } = await serving({ certFile, keyFile, ...trust });
    const ca = ours.cert;
    await works(url, { ca, ...good });
    const what = /^UNAVAILABLE .*(refused the handshake|cannot be used|cannot be reached)/;
    await refused(url, { ca }, what);
    for (const identity of [other.issue("stranger"), ours.issue("late", undefined, -1), revoked])
      await refused(url, { ca, ...identity }, what);
    await works(url, { ca, ...good });
  });

  test("[TLS-4] certificates are renewed without a restart; what cannot be used leaves the last ones (one server)", async () => {
    const certFile = join(directory, "live.pem");
    const keyFile = join(directory, "live.key");
    let ages = 0;
    const install = (cert: string, key: string): void => {
      copyFileSync(key, keyFile);
      copyFileSync(cert, certFile);
      // A file's time may be too coarse to tell two writes apart.
      for (const file of [certFile, keyFile]) utimesSync(file, 1_000 + ++ages, 1_000 + ages);
    };
    const [first, second] = [ours.issue("first"), ours.issue("second")];
    install(first.cert, first.key);
    const warnings: string[] = [];
    const { url } = await serving({ certFile, keyFile, warn: (each) => warnings.push(each) });
    const shown = async (): Promise<string> => {
      const socket = connectTls({
        host: "127.0.0.1",
        port: portOf(url),
        ca: readFileSync(ours.cert),
      });
      await once(socket, "secureConnect");
      const name = socket.getPeerCertificate().subject.CN;
      socket.destroy();
      return String(name);
    };
    const q = await connected(url, { ca: ours.cert });
    const held = await q.lock("held").acquire();
    assert.equal(await shown(), "first");
    install(second.cert, second.key);
    assert.equal(await shown(), "second");
    // A key that is not the certificate's: half of a renewal.
    install(first.cert, second.key);
    assert.equal(await shown(), "second");
    assert.equal(await shown(), "second");
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? "", /not renewed, the last ones stay in force: .*mismatch/);
    rmSync(certFile);
    assert.equal(await shown(), "second");
    assert.equal(await shown(), "second");
    assert.equal(warnings.length, 2);
    install(first.cert, first.key);
    assert.equal(await shown(), "first");
    assert.ok(!held.signal.aborted);
    await q.commitment.keyspace.call({ kind: "put", key: utf8("k"), value: utf8("v") });
  });

  test("[TLS-5] options that cannot be meant are CONFIG, and so is a reachable address without TLS (no server)", async () => {
    const { cert: certFile, key: keyFile } = ours.issue("options");
    const { key: wrong } = ours.issue("wrong");
    const broken = join(directory, "broken.pem");
    writeFileSync(broken, "no certificate");
    const cases: readonly [ServerOptions, RegExp][] = [
      [{ certFile }, /both --cert-file and --key-file/],
      [{ keyFile }, /both --cert-file and --key-file/],
      [{ trustedCaFile: ours.cert }, /both --cert-file and --key-file/],
      [{ certFile, keyFile, clientCertAuth: true }, /--client-cert-auth needs --trusted-ca-file/],
      [{ certFile, keyFile, clientCrlFile: broken }, /--client-crl-file needs --trusted-ca-file/],
      [{ certFile, keyFile: wrong }, /mismatch/],
      [{ certFile: broken, keyFile }, /cannot be used/],
      [{ certFile, keyFile, trustedCaFile: broken }, /cannot be used/],
      [{ certFile, keyFile, trustedCaFile: ours.cert, clientCrlFile: broken }, /CRL/],
      [{ certFile: join(directory, "none"), keyFile }, /ENOENT/],
      [{ listen: "0.0.0.0:0" }, /Give --cert-file and --key-file/],
    ];
    for (const [options, what] of cases) {
      const started = startServer({ listen: "127.0.0.1:0", ...options });
      await assert.rejects(started, (error: unknown) => {
        assert.ok(QuorateError.is(error, "CONFIG"), String(error));
        assert.match(error.message, what);
        return true;
      });
    }
    const { url } = await serving({ certFile, keyFile });
    await refused(url, { ca: broken }, /^CONFIG .*option tls/);
    await refused(url, { ca: join(directory, "none") }, /^CONFIG .*option tls.*ENOENT/);
  });

  test("[TLS-6] unfinished handshakes are bounded in number and time, and keep nobody out (1,100 connections)", async () => {
    const { cert: certFile, key: keyFile } = ours.issue("flooded");
    const { url } = await serving({ certFile, keyFile });
    const q = await connected(url, { ca: ours.cert });
    const flood: Socket[] = [];
    closing.push(() => void flood.map((socket) => socket.destroy()));
    let ended = 0;
    const began = performance.now();
    const dialled: Promise<unknown>[] = [];
    for (let count = 0; count < 1_100; count++) {
      const socket = connectTcp({ host: "127.0.0.1", port: portOf(url) });
      socket.on("error", () => {});
      socket.once("close", () => void ended++);
      // Half of them begin a handshake, as far as its first bytes.
      socket.once("connect", () => count % 2 === 0 && socket.write(Buffer.from([22, 3, 1, 2, 0])));
      socket.resume();
      flood.push(socket);
      // One that the kernel finds no room for is accepted when it asks again, up to half a minute later.
      dialled.push(once(socket, "connect"));
      if (count % 100 === 99) await Promise.all(dialled);
    }
    await until(
      () => ended >= 1_100 - 1_024,
      () => `${ended} ended`,
    );
    // Who was there before is served, somebody new gets in, and the oldest made room.
    assert.ok((await q.lock("b").tryAcquire()).ok);
    await works(url, { ca: ours.cert });
    assert.ok(flood[0]?.destroyed === true || flood[0]?.closed === true, "the oldest has gone");
    if (performance.now() - began < 5_000) assert.ok(ended < 300, `${ended} were ended at once`);
    await until(
      () => ended === 1_100,
      () => `${ended} ended`,
    );
    await works(url, { ca: ours.cert });
  });
});
