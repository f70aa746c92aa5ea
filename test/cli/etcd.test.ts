/** `quorate etcd` as a process, as programs that start an etcd of their own use it. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { etcdctlMissing } from "../etcd/etcd-process.ts";
import { Authority, noOpenssl } from "../server/authority.ts";
import { Shell } from "./shell.ts";

interface Line {
  readonly level: string;
  readonly msg: string;
}

function lines(text: string): readonly Line[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
}

/** Where the server says that it listens, as `HOST:PORT`. */
function addressIn(text: string): string {
  const said = /"serving client traffic (?:in)?securely[^\n]*"address":"([^"]+)"/.exec(text);
  return said?.[1] ?? assert.fail(`no address in ${text}`);
}

describe("quorate etcd", () => {
  let shell = new Shell();
  beforeEach(() => {
    shell = new Shell();
  });
  afterEach(() => shell.close());

  test("[ETCD-F6] it logs what tools wait for, drains on SIGTERM and keeps its data (one server)", async (t) => {
    if (etcdctlMissing !== false) return t.skip(etcdctlMissing);
    let endpoint = "";
    const ctl = (...args: string[]): string => {
      const done = spawnSync("etcdctl", [`--endpoints=${endpoint}`, ...args], { encoding: "utf8" });
      assert.equal(done.status, 0, done.stderr);
      return done.stdout;
    };
    const first = shell.start("quorate etcd --name m1 --election-timeout=5000 -log-level info");
    endpoint = `http://${addressIn(await first.until(/"serving client traffic/))}`;
    assert.doesNotMatch(endpoint, /:0$/, "the port that was bound, not the one that was asked for");
    ctl("put", "kept", "1");
    assert.match(ctl("member", "list"), new RegExp(`, m1, .*${endpoint}`));
    assert.match(ctl("lease", "grant", "1"), /granted with TTL\(8s\)/);
    first.signal("SIGTERM");
    const { code, stderr } = await first.ended;
    assert.equal(code, 0);
    const said = lines(stderr).map(({ msg }) => msg);
    for (const awaited of [
      "enabled capabilities for version",
      "ready to serve client requests",
      "received signal; shutting down",
    ])
      assert.ok(said.includes(awaited), `${awaited} in ${said.join(", ")}`);
    assert.ok(existsSync(join(shell.directory, "m1.etcd")));
    const second = shell.start("quorate etcd --data-dir m1.etcd --log-outputs=out.log,stderr");
    endpoint = `http://${addressIn(await second.until(/"serving client traffic/))}`;
    assert.equal(ctl("get", "kept", "--print-value-only"), "1\n");
    second.signal("SIGINT");
    await second.ended;
    assert.ok(lines(readFileSync(join(shell.directory, "out.log"), "utf8")).length > 3);
  });

  test("[ETCD-F7] https urls are served with the certificate of etcd's flags, and clients must show theirs (one server)", async (t) => {
    if (etcdctlMissing !== false) return t.skip(etcdctlMissing);
    const missing = noOpenssl();
    if (missing !== false) return t.skip(missing);
    const authority = new Authority(join(shell.directory, "authority"));
    const [server, client] = [authority.issue("server"), authority.issue("client")];
    const started = shell.start(
      `quorate etcd --listen-client-urls https://127.0.0.1:0 --cert-file ${server.cert} --key-file ${server.key} --trusted-ca-file ${authority.cert} --client-cert-auth`,
    );
    const endpoint = `https://${addressIn(await started.until(/"serving client traffic/))}`;
    const ctl = (...args: string[]): ReturnType<typeof spawnSync> =>
      spawnSync("etcdctl", [`--endpoints=${endpoint}`, `--cacert=${authority.cert}`, ...args]);
    const shown = [`--cert=${client.cert}`, `--key=${client.key}`];
    assert.equal(ctl(...shown, "put", "a", "1").status, 0);
    assert.equal(String(ctl(...shown, "get", "a", "--print-value-only").stdout), "1\n");
    assert.notEqual(ctl("--command-timeout=2s", "get", "a").status, 0, "without a certificate");
    started.signal("SIGTERM");
    const { stderr } = await started.ended;
    assert.match(stderr, /"serving client traffic securely"/);
    const bare = await shell.run(`quorate etcd --listen-client-urls ${endpoint}`);
    assert.equal(bare.code, 2);
    assert.match(bare.stderr, /no certificate to show/);
  });

  test("[ETCD-F7] [SRV-1] it listens where etcd does: over TLS anywhere, in the clear only when told to (one server)", async (t) => {
    const missing = noOpenssl();
    if (missing !== false) return t.skip(missing);
    const { cert, key } = new Authority(join(shell.directory, "authority")).issue("server");
    const bare = await shell.run("quorate etcd --listen-client-urls http://0.0.0.0:0");
    assert.equal(bare.code, 2);
    assert.match(bare.stderr, /--insecure-bind/);
    const started = shell.start(
      `quorate etcd --listen-client-urls https://0.0.0.0:0 --cert-file ${cert} --key-file ${key}`,
    );
    const text = await started.until(/"serving client traffic/);
    assert.match(addressIn(text), /^0\.0\.0\.0:\d+$/);
    started.signal("SIGTERM");
    assert.equal((await started.ended).code, 0);
  });

  test("[ETCD-F4] [CLI-9] a flag without effect ends with 2, an unknown one names the nearest (no server)", async () => {
    const refused = await shell.run("quorate etcd --discovery http://example.com");
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /^CONFIG \(definite\) flag --discovery/);
    const unknown = await shell.run("quorate etcd --data-di x");
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /Did you mean --data-dir\?/);
    assert.equal(existsSync(join(shell.directory, "default.etcd")), false);
  });

  test("[ETCD-F6] it prints a version as etcd does (no server)", async () => {
    const { code, stdout } = await shell.run("quorate etcd --version");
    assert.equal(code, 0);
    assert.match(stdout, /^etcd Version: 3\.5\.\d+\n/);
  });
});
