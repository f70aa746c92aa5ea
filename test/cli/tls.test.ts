/** The command line over TLS: a server that asks for certificates, and verbs that show one. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { Authority, noOpenssl } from "../server/authority.ts";
import { Shell } from "./shell.ts";

describe("quorate over TLS", { skip: noOpenssl() }, () => {
  let shell = new Shell();
  beforeEach(() => {
    shell = new Shell();
  });
  afterEach(() => shell.close());

  test("[TLS-1] [TLS-3] [CLI-1] flags, variables and the file say which certificates count (one server)", async () => {
    const authority = new Authority(join(shell.directory, "pki"));
    const server = authority.issue("server");
    const client = authority.issue("client");
    const settings = { certFile: server.cert, keyFile: server.key, clientCertAuth: true };
    writeFileSync(join(shell.directory, "quorate.json"), JSON.stringify(settings));
    shell.environment["QUORATE_TRUSTED_CA_FILE"] = authority.cert;
    await shell.serve("--config quorate.json");
    assert.match(shell.environment["QUORATE_URL"] ?? "", /^quorates:/);
    const flags = `--cacert ${authority.cert} --cert ${client.cert} --key ${client.key}`;
    const put = await shell.run(`quorate put greeting hello ${flags}`);
    assert.equal(put.code, 0, put.stderr);
    const unknown = await shell.run("quorate get greeting");
    assert.equal(unknown.code, 3);
    assert.match(unknown.stderr, /^UNAVAILABLE \(definite\) .*certificate that is not accepted/);
    shell.environment["QUORATE_CACERT"] = authority.cert;
    const nameless = await shell.run("quorate get greeting");
    assert.equal(nameless.code, 3);
    assert.match(nameless.stderr, /^UNAVAILABLE \(definite\)/);
    shell.environment["QUORATE_CERT"] = client.cert;
    shell.environment["QUORATE_KEY"] = client.key;
    assert.equal((await shell.run("quorate get greeting --raw")).stdout, "hello");
    const saved = await shell.run("quorate snapshot save all.snap --output json");
    assert.equal(saved.code, 0, saved.stderr);
    assert.equal((JSON.parse(saved.stdout) as { readonly keys: number }).keys, 1);
    const partial = await shell.run(`quorate serve --data-dir ./other --cert-file ${server.cert}`);
    assert.equal(partial.code, 2);
    assert.match(
      partial.stderr,
      /^CONFIG \(definite\) TLS of the server: .*--trusted-ca-file|both/,
    );
  });
});
