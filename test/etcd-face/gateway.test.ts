/** The JSON gateway beside that of a real etcd, and what only ours does. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as dial } from "node:net";
import type { IncomingMessage } from "node:http";
import { request as httpRequest } from "node:http";
import { after, before, describe, test } from "node:test";
import { toJson } from "../../src/wire/etcd/json.ts";
import { METHODS } from "../../src/wire/etcd/messages.ts";
import type { Message } from "../../src/wire/protobuf.ts";
import type { RunningServer } from "../../src/server/index.ts";
import { startServer } from "../../src/server/index.ts";
import { etcdMissing } from "../etcd/etcd-process.ts";
import { randomSteps, SEEDS } from "./random-steps.ts";
import { TwoServers } from "./two-servers.ts";

const base64 = (text: string): string => Buffer.from(text).toString("base64");
const [A, B, X] = [base64("a"), base64("b"), base64("x")] as const;

/** What Debian's build of etcd says for FAILED_PRECONDITION, and what every release says. */
const STATUSES: Readonly<Record<number, number>> = { 412: 400 };

/** Status and body; ids of clusters and members, and the term, are taken out. */
async function post(endpoint: string, path: string, body: string): Promise<unknown> {
  const answer = await fetch(`http://${endpoint}/v3/${path}`, { method: "POST", body });
  return { status: STATUSES[answer.status] ?? answer.status, body: unnamed(await answer.text()) };
}

function unnamed(text: string): unknown {
  const masked = text.replace(/"(cluster_id|member_id|raft_term)":"\d+",?/g, "");
  try {
    return JSON.parse(masked.replaceAll(",}", "}")) as unknown;
  } catch {
    return masked.trim();
  }
}

/** A stream of lines. */
class Lines {
  readonly #reader: ReadableStreamDefaultReader<string>;
  readonly status: number;
  #text = "";
  constructor(answer: Response) {
    assert.ok(answer.body !== null);
    this.status = answer.status;
    this.#reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  }
  static async open(endpoint: string, path: string, body: string): Promise<Lines> {
    return new Lines(await fetch(`http://${endpoint}/v3/${path}`, { method: "POST", body }));
  }
  /** The next line; undefined at the end. */
  async next(): Promise<unknown> {
    for (;;) {
      const cut = this.#text.indexOf("\n");
      if (cut >= 0) {
        const line = this.#text.slice(0, cut);
        this.#text = this.#text.slice(cut + 1);
        return unnamed(line);
      }
      const { done, value } = await this.#reader.read();
      if (done) return undefined;
      this.#text += value;
    }
  }
  async close(): Promise<void> {
    await this.#reader.cancel();
  }
}

describe("JSON gateway beside etcd", { timeout: 480_000, skip: etcdMissing }, () => {
  let two: TwoServers;
  before(async () => {
    two = await TwoServers.start();
  });
  after(async () => {
    await two.stop();
  });

  const agree = async (
    calls: readonly (readonly [path: string, body: string])[],
  ): Promise<void> => {
    await two.agree("calls", async ({ endpoint }) => {
      const seen: unknown[] = [];
      for (const [path, body] of calls) seen.push([path, body, await post(endpoint, path, body)]);
      return seen;
    });
  };

  test("[GW-1] answers are etcd's, names and numbers too (2 servers)", async () => {
    await agree([
      ["kv/range", `{"key":"${A}"}`],
      ["kv/put", `{"key":"${A}","value":"${B}"}`],
      ["kv/put", `{"key":"${A}","value":"${X}","prev_kv":true}`],
      ["kv/put", `{"key":"${B}","value":"","lease":"0"}`],
      ["kv/range", `{"key":"${A}","range_end":"AA=="}`],
      [
        "kv/range",
        `{"key":"${A}","range_end":"AA==","sort_order":"DESCEND","sort_target":"MOD","limit":1}`,
      ],
      ["kv/range", `{"key":"${A}","countOnly":true}`],
      ["kv/range", `{"key":"${A}","rangeEnd":"AA==","keys_only":true,"revision":"2"}`],
      [
        "kv/txn",
        `{"compare":[{"key":"${A}","target":"VERSION","version":"2"}],"success":[{"request_put":{"key":"${A}"}},{"requestRange":{"key":"${A}"}},{"request_delete_range":{"key":"${B}","prev_kv":true}},{"request_txn":{"compare":[{"key":"${X}","result":"GREATER","target":"CREATE","create_revision":4}],"failure":[{"request_put":{"key":"${X}"}}]}}]}`,
      ],
      [
        "kv/txn",
        `{"compare":[{"key":"${A}","target":3,"result":3,"value":"${A}"}],"failure":[{"request_range":{"key":"${A}"}}]}`,
      ],
      ["kv/deleterange", `{"key":"${X}"}`],
      ["kv/deleterange", `{"key":"${A}","range_end":"AA==","prev_kv":true}`],
      ["kv/compaction", `{"revision":3,"physical":true}`],
      ["lease/grant", `{"TTL":100,"ID":7}`],
      ["lease/grant", `{"TTL":"100","ID":"-8"}`],
      ["kv/put", `{"key":"${A}","lease":7}`],
      ["lease/timetolive", `{"ID":99,"keys":true}`],
      ["kv/lease/timetolive", `{"ID":"99"}`],
      ["lease/revoke", `{"ID":"-8"}`],
      ["lease/leases", `{}`],
      ["kv/lease/leases", ``],
      ["kv/lease/revoke", `{"ID":7}`],
      ["lock/lock", `{"name":"${A}","lease":404}`],
      ["lock/unlock", `{"key":"${A}"}`],
      ["election/leader", `{"name":"${A}"}`],
      ["election/resign", `{}`],
      ["cluster/member/remove", `{"ID":"7"}`],
      ["maintenance/transfer-leadership", `{"targetID":"18446744073709551615"}`],
    ]);
  });

  test("[GW-2] refusals have etcd's HTTP status, code and text (2 servers)", async () => {
    await agree([
      ["kv/range", `{}`],
      ["kv/range", ``],
      ["kv/range", `null`],
      ["kv/put", `{"key":null}`],
      ["kv/put", `{"key":"${A}","lease":"404"}`],
      ["kv/range", `{"key":"${A}","revision":"99999"}`],
      ["kv/range", `{"key":"${A}","revision":"1"}`],
      ["kv/compaction", `{"revision":"1"}`],
      ["kv/txn", `{"success":[{}]}`],
      ["kv/txn", `{"success":[{"request_put":{"key":"${A}"}},{"request_put":{"key":"${A}"}}]}`],
      ["kv/txn", `{"success":null,"failure":[]}`],
      ["lease/grant", `{"TTL":"9000000001"}`],
      ["lease/revoke", `{"ID":404}`],
      ["kv/put", `{"key":"${A}"} trailing`],
      ["kv/put", `{"key":"${A}"}{"key":"${B}"}`],
      ["kv/put", `{"key":"${A}","unknown":{"more":[1]}}`],
      ["nothing", `{}`],
      ["kv/range/", `{}`],
    ]);
  });

  test("[GW-3] what cannot be read has etcd's HTTP status and code (2 servers)", async () => {
    const bodies: readonly (readonly [path: string, body: string])[] = [
      ["kv/put", "nonsense"],
      ["kv/put", "[1]"],
      ["kv/put", `{"key":"YQ"}`],
      ["kv/put", `{"key":"%%%%"}`],
      ["kv/put", `{"key":5}`],
      ["kv/range", `{"limit":"x"}`],
      ["kv/range", `{"limit":1.5}`],
      ["kv/range", `{"limit":"9223372036854775808"}`],
      ["kv/range", `{"sort_order":"WHAT"}`],
      ["kv/range", `{"keys_only":"true"}`],
      ["kv/txn", `{"success":{}}`],
    ];
    await two.agree("unreadable", async ({ endpoint }) => {
      const seen: unknown[] = [];
      for (const [path, body] of bodies) {
        const answer = (await post(endpoint, path, body)) as { readonly body: object };
        const { error, message, code } = answer.body as Readonly<Record<string, unknown>>;
        assert.equal(error, message);
        seen.push({ ...answer, body: code, asked: body });
      }
      return seen;
    });
  });

  test(`[GW-1] random conversations get the same answers (2 servers, ${SEEDS} seeds)`, async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const calls = randomSteps(seed, 60).map(([name, request]) => {
        const message = METHODS[name].request as unknown as Message<object>;
        const path = name === "deleteRange" ? "deleterange" : name;
        return [`kv/${path}`, JSON.stringify(toJson(message, request))] as const;
      });
      await agree(calls);
    }
  });

  test("[GW-4] a watch tells its events line by line, several requests in one body (2 servers)", async () => {
    await two.agree("watch", async ({ endpoint }) => {
      const seen: unknown[] = [];
      const key = base64("watched");
      const end = base64("watchee");
      const create = `{"create_request":{"key":"${key}","range_end":"${end}","prev_kv":true}}`;
      const other = `{"create_request":{"key":"${X}","filters":["NODELETE"],"watch_id":"9"}}`;
      const lines = await Lines.open(
        endpoint,
        "watch",
        `${create}\n${other}{"cancel_request":{"watch_id":9}}`,
      );
      seen.push(await lines.next(), await lines.next(), await lines.next());
      await post(endpoint, "kv/put", `{"key":"${key}","value":"${A}"}`);
      seen.push(await lines.next());
      await post(endpoint, "kv/put", `{"key":"${key}","value":"${B}"}`);
      seen.push(await lines.next());
      await post(endpoint, "kv/deleterange", `{"key":"${key}"}`);
      seen.push(await lines.next());
      await lines.close();
      return seen;
    });
  });

  test("[GW-4] keep-alives are answered one by one, the stream ends with the body (2 servers)", async () => {
    await two.agree("keep alive", async ({ endpoint }) => {
      await post(endpoint, "lease/grant", `{"TTL":100,"ID":70}`);
      const lines = await Lines.open(
        endpoint,
        "lease/keepalive",
        `{"ID":70}{"ID":"404"} {"ID":70}`,
      );
      const seen = [lines.status];
      const all: unknown[] = [seen];
      for (let line = await lines.next(); line !== undefined; line = await lines.next())
        all.push(line);
      const none = await Lines.open(endpoint, "lease/keepalive", "");
      return [...all, await none.next()];
    });
  });

  test("[GW-4] an observer of an election hears each leader (2 servers)", async () => {
    await two.agree("observe", async ({ endpoint }) => {
      await post(endpoint, "lease/grant", `{"TTL":100,"ID":71}`);
      const name = base64("chief");
      const seen = [
        await post(endpoint, "election/campaign", `{"name":"${name}","lease":71,"value":"${A}"}`),
      ];
      const lines = await Lines.open(endpoint, "election/observe", `{"name":"${name}"}`);
      seen.push(await lines.next());
      await post(endpoint, "kv/put", `{"key":"${base64("chief/47")}","value":"${B}","lease":71}`);
      seen.push(await lines.next());
      await lines.close();
      return seen;
    });
  });
});

describe("JSON gateway", { timeout: 240_000 }, () => {
  let server: RunningServer;
  let endpoint: string;
  before(async () => {
    server = await startServer({ listen: "127.0.0.1:0" });
    endpoint = server.url.replace("quorate://", "");
  });
  after(async () => {
    await server.close();
  });

  test("[GW-5] a request may come byte by byte, and another one follows on the connection (1 connection)", async () => {
    const socket = dial(Number(endpoint.split(":")[1]), "127.0.0.1");
    let heard = "";
    socket.on("data", (chunk: Buffer) => (heard += chunk.toString()));
    const body = `{"key":"${A}","value":"${B}"}`;
    const head = `POST /v3/kv/put HTTP/1.1\r\nHost: ${endpoint}\r\nContent-Length: ${body.length}\r\n\r\n`;
    for (const letter of head + body) {
      socket.write(letter);
      await new Promise((resolve) => setImmediate(resolve));
    }
    while (!heard.includes('"revision":"2"')) await once(socket, "data");
    socket.write(head + body);
    while (!heard.includes('"revision":"3"')) await once(socket, "data");
    socket.destroy();
  });

  test("[GW-5] other methods and paths are refused (table)", async () => {
    const asked = async (method: string, path: string): Promise<number> =>
      (await fetch(`http://${endpoint}${path}`, { method })).status;
    assert.equal(await asked("GET", "/v3/kv/range"), 405);
    assert.equal(await asked("OPTIONS", "/v3/kv/range"), 405);
    assert.equal(await asked("POST", "/v3/kv/none"), 404);
    assert.equal(await asked("GET", "/none"), 404);
    assert.equal(await asked("POST", "/health"), 405);
  });

  test("[GW-6] a page of another site neither reads nor writes (browser headers)", async () => {
    const put = async (headers: Record<string, string>): Promise<number> => {
      const asked = httpRequest(`http://${endpoint}/v3/kv/put`, { method: "POST", headers });
      asked.end(`{"key":"${A}"}`);
      const [answer] = (await once(asked, "response")) as [IncomingMessage];
      answer.resume();
      return answer.statusCode ?? 0;
    };
    assert.equal(await put({}), 200);
    assert.equal(await put({ origin: `http://${endpoint}` }), 200);
    assert.equal(await put({ origin: "http://example.org" }), 403);
    assert.equal(await put({ origin: "null" }), 403);
    assert.equal(await put({ origin: "http://localhost:1" }), 403);
    assert.equal(await put({ origin: "http://rebound.test", host: "rebound.test" }), 403);
    assert.equal(await put({ "sec-fetch-site": "cross-site" }), 403);
  });

  test("[GW-7] long requests are refused as etcd refuses them (1.5 MiB, 2 MiB, endless)", async () => {
    const put = (bytes: number): Promise<unknown> =>
      post(
        endpoint,
        "kv/put",
        `{"key":"${A}","value":"${Buffer.alloc(bytes).toString("base64")}"}`,
      );
    const refused = (status: number, code: number, error: string): object => ({
      status,
      body: { error, message: error, code },
    });
    assert.equal(((await put(1_500_000)) as { readonly status: number }).status, 200);
    assert.deepEqual(await put(1_600_000), refused(400, 3, "etcdserver: request is too large"));
    assert.match(JSON.stringify(await put(2_200_000)), /429.*received message larger than max/);
    const endless = httpRequest(`http://${endpoint}/v3/kv/put`, { method: "POST" });
    endless.on("error", () => {});
    const answered = once(endless, "response");
    for (let at = 0; at < 64; at++) endless.write("x".repeat(1 << 16));
    const [answer] = (await answered) as [IncomingMessage];
    assert.equal(answer.statusCode, 429);
    endless.destroy();
  });

  test("[GW-8] Grpc-Timeout is kept (a lock that is held)", async () => {
    await post(endpoint, "lock/lock", `{"name":"${X}"}`);
    const lock = fetch(`http://${endpoint}/v3/lock/lock`, {
      method: "POST",
      headers: { "Grpc-Timeout": "50m" },
      body: `{"name":"${X}"}`,
    });
    assert.equal((await lock).status, 504);
    for (;;) {
      const found = await post(
        endpoint,
        "kv/range",
        `{"key":"${base64("x/")}","range_end":"${base64("x0")}"}`,
      );
      if ((found as { body: { count: string } }).body.count === "1") break;
    }
  });

  test("[GW-9] a server that closes ends streams with a status, and answers what waits (1 stream, 1 lock)", async () => {
    const own = await startServer({ listen: "127.0.0.1:0" });
    const there = own.url.replace("quorate://", "");
    const lines = await Lines.open(there, "watch", `{"create_request":{"key":"${A}"}}`);
    await lines.next();
    await post(there, "lock/lock", `{"name":"${X}"}`);
    const waiting = post(there, "lock/lock", `{"name":"${X}"}`);
    while (own.driver.status().keys !== 2) await new Promise((resolve) => setImmediate(resolve));
    await own.close();
    assert.deepEqual(await lines.next(), {
      error: {
        grpc_code: 14,
        http_code: 503,
        message: "etcdserver: server stopped",
        http_status: "Service Unavailable",
      },
    });
    assert.equal(((await waiting) as { readonly status: number }).status, 503);
  });

  test("[GW-10] health, readiness and version are etcd's, with their checks (1 server)", async () => {
    const get = async (path: string): Promise<readonly [number, string]> => {
      const answer = await fetch(`http://${endpoint}${path}`);
      return [answer.status, await answer.text()];
    };
    assert.deepEqual(await get("/health"), [200, '{"health":"true","reason":""}\n']);
    assert.deepEqual(await get("/livez"), [200, "ok\n"]);
    assert.deepEqual(await get("/readyz"), [200, "ok\n"]);
    assert.deepEqual(await get("/readyz/linearizable_read"), [200, "ok\n"]);
    assert.match((await get("/readyz?verbose"))[1], /^\[\+\]data_corruption ok\n.*\nok\n$/s);
    assert.equal((await get("/livez/data_corruption"))[0], 404);
    assert.match((await get("/version"))[1], /"etcdserver":"3\.5\.\d+","etcdcluster":"3\.5\.0"/);
    const alarm = (action: string, kind: string): Promise<unknown> =>
      post(
        endpoint,
        "maintenance/alarm",
        `{"action":"${action}","memberID":"${BigInt.asUintN(64, server.driver.status().memberId)}","alarm":"${kind}"}`,
      );
    await alarm("ACTIVATE", "NOSPACE");
    assert.deepEqual(await get("/health"), [503, '{"health":"false","reason":"ALARM NOSPACE"}\n']);
    assert.equal((await get("/health?exclude=NOSPACE"))[0], 200);
    assert.equal((await get("/readyz"))[0], 200);
    await alarm("ACTIVATE", "CORRUPT");
    const [status, text] = await get("/readyz");
    assert.equal(status, 503);
    assert.match(text, /^\[-\]data_corruption failed: alarm CORRUPT$/m);
    await alarm("DEACTIVATE", "CORRUPT");
    await alarm("DEACTIVATE", "NOSPACE");
    assert.equal((await get("/health"))[0], 200);
  });
});
