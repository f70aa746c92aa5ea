/**
 * Nextcloud's signaling server learns from etcd where its media proxies are. It is a program in Go, on etcd's own
 * `clientv3` with its balancer and its watcher; etcdctl, the other one, does one thing and ends. The same story on
 * `quorate etcd` and on a real etcd.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { utf8 } from "../../src/base/bytes.ts";
import { METHODS } from "../../src/wire/etcd/messages.ts";
import { GrpcClient } from "../etcd-face/grpc-client.ts";
import type { EtcdCommand } from "../etcd/etcd-process.ts";
import { ETCD, etcdMissing, QUORATE_ETCD, startEtcd } from "../etcd/etcd-process.ts";
import { freePort } from "../free-ports.ts";
import { openPremises } from "./premises.ts";
import { untilTold } from "./until.ts";

const PROGRAM = "nextcloud-spreed-signaling-server";
const missing =
  spawnSync(PROGRAM, ["-version"]).error !== undefined && `${PROGRAM} is not installed`;
const PREFIX = "/signaling/proxy/server";

interface Signaling {
  log(): string;
  signal(name: NodeJS.Signals): void;
}

/** Starts it in `directory`. */
async function startSignaling(directory: string, store: string): Promise<Signaling> {
  mkdirSync(directory);
  const key = join(directory, "key.pem");
  const { privateKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    privateKeyEncoding: { type: "pkcs1", format: "pem" },
    publicKeyEncoding: { type: "pkcs1", format: "pem" },
  });
  writeFileSync(key, privateKey);
  const settings = join(directory, "server.conf");
  writeFileSync(
    settings,
    `[http]
listen = 127.0.0.1:${await freePort()}
[sessions]
hashkey = 0123456789abcdef0123456789abcdef
[backend]
allowed = example.invalid
secret = secret
[nats]
url = :loopback:
[mcu]
type = proxy
urltype = etcd
token_id = server
token_key = ${key}
endpoints = ${store}
keyprefix = ${PREFIX}
`,
  );
  const path = join(directory, "log");
  const log = openSync(path, "a");
  const child = spawn(PROGRAM, ["-config", settings], {
    cwd: directory,
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  return {
    log: () => readFileSync(path, "utf8"),
    signal: (name) => void child.kill(name),
  };
}

function story(name: string, command: EtcdCommand, skip: string | false): void {
  test(
    `[PRG-6] a program on Go's clientv3 follows a prefix through the death of the store (${name})`,
    { skip },
    async (t) => {
      const premises = openPremises();
      const store = await startEtcd(command, premises.directory);
      const client = new GrpcClient(store.endpoint);
      const url = (proxy: string): string => `http://127.0.0.1:9/${proxy}/`;
      const put = async (proxy: string): Promise<void> => {
        const value = utf8(JSON.stringify({ address: url(proxy) }));
        await client.call(METHODS.put, { key: utf8(`${PREFIX}/${proxy}`), value });
      };
      const del = async (proxy: string): Promise<void> => {
        await client.call(METHODS.deleteRange, { key: utf8(`${PREFIX}/${proxy}`) });
      };
      let signaling: Signaling | undefined;
      const log = (): string => signaling?.log() ?? "";
      try {
        await put("before");
        signaling = await startSignaling(join(premises.directory, "signaling"), store.endpoint);
        const said = (what: string, proxy: string): number =>
          log().split(`${what} connection to ${url(proxy)} (from ${PREFIX}/${proxy})`).length - 1;
        const hears = (what: string, proxy: string): Promise<boolean> =>
          untilTold(`${what} ${proxy}`, () => said(what, proxy) > 0);
        await hears("Adding new", "before");
        await put("watched");
        await hears("Adding new", "watched");

        // Stopped meanwhile, so that the changes are made while it is cut off.
        signaling.signal("SIGSTOP");
        await store.kill();
        await store.restart();
        await untilTold("the store serves again", () => put("after").then(() => true));
        await del("watched");
        signaling.signal("SIGCONT");
        await hears("Adding new", "after");
        await hears("Removing", "watched");
        assert.deepEqual(
          ["before", "watched", "after"].map((each) => [
            said("Adding new", each),
            said("Removing", each),
          ]),
          [
            [1, 0],
            [1, 1],
            [1, 0],
          ],
          "each change was heard once",
        );
      } catch (error) {
        t.diagnostic(log());
        throw error;
      } finally {
        client.close();
        await premises.close();
        await store.stop();
      }
    },
  );
}

describe("Nextcloud's signaling server", { skip: missing, timeout: 480_000 }, () => {
  story("quorate etcd", QUORATE_ETCD, false);
  story("etcd", ETCD, etcdMissing);
});
