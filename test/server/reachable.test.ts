/** Addresses that other machines can reach: what must stand in front of them, and stays there. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request as httpsRequest } from "node:https";
import type { IncomingMessage } from "node:http";
import { connect as connectTcp, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { QuorateError } from "../../src/base/errors.ts";
import type { AuthOrder } from "../../src/contract/auth.ts";
import { SYSTEM } from "../../src/contract/auth.ts";
import type { Identity } from "../../src/contract/auth.ts";
import type { Reply } from "../../src/contract/requests.ts";
import { hostPasswords } from "../../src/host/passwords.ts";
import { connect } from "../../src/sdk/index.ts";
import type { RunningServer, ServerOptions } from "../../src/server/index.ts";
import { startServer } from "../../src/server/index.ts";
import { Authority, noOpenssl } from "./authority.ts";

const EVERYWHERE = "0.0.0.0:0";

describe("addresses that others can reach", { skip: noOpenssl(), timeout: 240_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), "quorate-reachable-"));
  const closing: (() => Promise<void>)[] = [];
  let authority: Authority;
  let tls: { readonly certFile: string; readonly keyFile: string };
  let directories = 0;
  before(() => {
    authority = new Authority(join(directory, "authority"));
    const { cert: certFile, key: keyFile } = authority.issue("server");
    tls = { certFile, keyFile };
  });
  afterEach(async () => {
    for (const close of closing.splice(0).toReversed()) await close();
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  const newData = (): string => join(directory, `data-${++directories}`);
  async function serving(options: ServerOptions): Promise<RunningServer> {
    const server = await startServer({ listen: "127.0.0.1:0", ...options });
    closing.push(() => server.close());
    return server;
  }
  async function refused(options: ServerOptions, remedies: readonly RegExp[]): Promise<void> {
    await assert.rejects(startServer(options), (error) => {
      assert.ok(QuorateError.is(error, "CONFIG"), String(error));
      assert.equal(error.outcome, "definite");
      for (const remedy of remedies) assert.match(error.failure.remedy ?? "", remedy);
      return true;
    });
  }
  const order = async (
    server: RunningServer,
    each: AuthOrder,
    identity: Identity = SYSTEM,
  ): Promise<Reply> =>
    await new Promise((done) =>
      server.driver.submit({ kind: "auth", order: each }, undefined, done, identity),
    );
  /** A directory in which root, with the password `p`, is enabled. */
  async function withUsers(): Promise<string> {
    const dataDir = newData();
    const server = await startServer({ listen: "127.0.0.1:0", dataDir });
    const password = await hostPasswords.hash("p");
    for (const each of [
      { kind: "addUser", name: "root", password },
      { kind: "addUser", name: "other", password },
      { kind: "grantRole", name: "root", role: "root" },
      { kind: "enable" },
    ] as const)
      assert.ok((await order(server, each)).ok, each.kind);
    await server.close();
    return dataDir;
  }
  const here = (server: RunningServer): string => server.url.replace("0.0.0.0", "localhost");
  const ca = (): string => authority.cert;

  test("[SRV-1] without TLS it is refused before anything is opened, users or not (no server)", async () => {
    const dataDir = newData();
    await refused({ listen: EVERYWHERE, dataDir }, [/--cert-file/, /127\.0\.0\.1/, /--insecure-/]);
    assert.equal(existsSync(dataDir), false);
    await refused({ listen: EVERYWHERE, dataDir: await withUsers() }, [/--cert-file/]);
    await refused({ listen: ["127.0.0.1:0", "[::]:0"] }, [/--cert-file/]);
  });

  test("[SRV-1] over TLS it is refused while nobody says who they are, and the way out is named (no server)", async () => {
    const remedies = [/auth enable/, /--trusted-ca-file/, /--insecure-bind/];
    await refused({ listen: EVERYWHERE, ...tls }, remedies);
    await refused({ listen: ["127.0.0.1:0", EVERYWHERE], ...tls }, remedies);
    const dataDir = newData();
    await refused({ listen: EVERYWHERE, ...tls, dataDir }, remedies);
    // Neither the directory nor the address is kept.
    const { url } = await serving({ ...tls, dataDir });
    assert.match(url, /127\.0\.0\.1/);
  });

  test("[SRV-1] whoever connects before the users were looked at hears nothing (several servers)", async () => {
    const free = createServer().listen(0, "127.0.0.1");
    await once(free, "listening");
    const { port } = free.address() as AddressInfo;
    free.close();
    await once(free, "close");
    let heard = 0;
    let connected = 0;
    /** Connects again and again until `over`. */
    const knock = async (over: AbortSignal): Promise<void> => {
      while (!over.aborted) {
        const socket = connectTcp(port, "127.0.0.1");
        socket.on("connect", () => connected++);
        socket.on("data", (bytes: Buffer) => (heard += bytes.length));
        socket.on("error", () => {});
        socket.write("GET /version HTTP/1.1\r\nHost: a\r\n\r\n");
        await new Promise<void>((closed) => socket.once("close", () => closed()));
      }
    };
    // Opening is quick: several servers, until one was met while it opened.
    while (connected === 0) {
      const over = new AbortController();
      const knocking = knock(over.signal);
      await refused({ listen: `0.0.0.0:${port}`, ...tls, dataDir: newData() }, [/auth enable/]);
      over.abort();
      await knocking;
    }
    assert.equal(heard, 0);
  });

  test("[SRV-1] certificates of clients, users, or the word for it open it (four servers)", async () => {
    const client = authority.issue("client");
    const mutual = await serving({ listen: EVERYWHERE, ...tls, trustedCaFile: ca() });
    const byCertificate = await connect(here(mutual), { tls: { ca: ca(), ...client } });
    assert.ok((await byCertificate.lock("a").tryAcquire()).ok);
    await byCertificate.close();
    const guarded = await serving({ listen: EVERYWHERE, ...tls, dataDir: await withUsers() });
    const byPassword = await connect(here(guarded).replace("://", "://root:p@"), {
      tls: { ca: ca() },
    });
    assert.ok((await byPassword.lock("a").tryAcquire()).ok);
    await byPassword.close();
    for (const options of [{}, tls]) {
      const { url } = await serving({ listen: EVERYWHERE, insecureBind: true, ...options });
      assert.match(url, /0\.0\.0\.0/);
    }
  });

  test("[SRV-4] users stay enabled while they guard it, on every road; on loopback they are disabled (two servers)", async () => {
    const dataDir = await withUsers();
    const server = await serving({ listen: EVERYWHERE, ...tls, dataDir });
    const disable = { kind: "auth", order: { kind: "disable" } } as const;
    const as = async (name: string): Promise<unknown> => {
      const q = await connect(here(server).replace("://", `://${name}:p@`), { tls: { ca: ca() } });
      const failed: unknown = await q.commitment.keyspace.call(disable).catch((e: unknown) => e);
      await q.close();
      return failed;
    };
    const refusal = await as("root");
    assert.ok(QuorateError.is(refusal, "AUTH_REFUSED"), String(refusal));
    assert.equal(refusal.outcome, "definite");
    assert.match(refusal.failure.remedy ?? "", /loopback.*--trusted-ca-file.*--insecure-bind/);
    assert.ok(QuorateError.is(await as("other"), "PERMISSION_DENIED"), "root's alone, as before");
    const inside = await order(server, { kind: "disable" });
    assert.equal(inside.ok, false);
    const attached = await connect(`file:${dataDir}`);
    const local: unknown = await attached.commitment.keyspace
      .call(disable)
      .catch((e: unknown) => e);
    assert.ok(QuorateError.is(local, "AUTH_REFUSED"), String(local));
    await attached.close();
    const post = async (path: string, body: object, token = ""): Promise<string> => {
      const { port } = new URL(server.url);
      const asked = httpsRequest({
        host: "127.0.0.1",
        port,
        path,
        method: "POST",
        ca: readFileSync(ca()),
        headers: token === "" ? {} : { Authorization: token },
      });
      asked.end(JSON.stringify(body));
      const [answer] = (await once(asked, "response")) as [IncomingMessage];
      let text = "";
      for await (const part of answer) text += String(part);
      return text;
    };
    const login = await post("/v3/auth/authenticate", { name: "root", password: "p" });
    const { token } = JSON.parse(login) as { readonly token: string };
    const { code, message } = JSON.parse(await post("/v3/auth/disable", {}, token)) as {
      readonly code: number;
      readonly message: string;
    };
    assert.deepEqual([code, message.split(":")[0]], [9, "quorate"]);
    assert.equal(server.driver.users.state.enabled, true);
    await server.close();
    const loopback = await serving({ dataDir });
    assert.ok((await order(loopback, { kind: "disable" })).ok);
  });
});
