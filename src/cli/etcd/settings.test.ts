import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { QuorateError } from "../../base/errors.ts";
import { ETCD_FLAGS, variableOf } from "./flags.ts";
import type { EtcdSources } from "./settings.ts";
import { etcdSettings, minLeaseTtlS, retentionOf, unknownVariables } from "./settings.ts";
import { duration, Unreadable } from "./values.ts";

function settled(flags: EtcdSources["flags"] = {}, environment: EtcdSources["environment"] = {}) {
  return etcdSettings({ flags, environment });
}

function refusal(
  flags: EtcdSources["flags"],
  environment: EtcdSources["environment"] = {},
): string {
  try {
    settled(flags, environment);
  } catch (error) {
    assert.ok(QuorateError.is(error, "CONFIG") && error.outcome === "definite");
    return error.message;
  }
  return assert.fail("it was taken");
}

test("[ETCD-F1] without anything it is etcd's single member (no server)", () => {
  const settings = settled();
  assert.deepEqual(settings.listen, { addresses: ["127.0.0.1:2379"], secure: false });
  assert.equal(settings.dataDir, "default.etcd");
  assert.equal(settled({ name: "m1" }).dataDir, "m1.etcd");
  assert.equal(minLeaseTtlS(settings), 2);
  assert.equal(minLeaseTtlS(settled({ "election-timeout": "5000" })), 8);
  assert.deepEqual(retentionOf(settings), { historyKeep: 0, historyRevisions: undefined });
});

test("[ETCD-F2] a flag wins over its variable, a variable over the default (no server)", () => {
  const environment = {
    ETCD_NAME: "variable",
    ETCD_QUOTA_BACKEND_BYTES: "4096",
    ETCD_DATA_DIR: "",
  };
  const settings = settled({ name: "flag" }, environment);
  assert.equal(settings.name, "flag");
  assert.equal(settings.quotaBytes, 4096);
  assert.equal(settings.dataDir, "flag.etcd");
});

test("[ETCD-F3] values are read as Go writes them (no server)", () => {
  const urls = "http://localhost:2379,http://[::1]:12379";
  assert.deepEqual(settled({ "listen-client-urls": urls }).listen.addresses, [
    "127.0.0.1:2379",
    "[::1]:12379",
  ]);
  const files = { "cert-file": "c.pem", "key-file": "k.pem" };
  const secure = { "listen-client-urls": "https://a", ...files };
  assert.deepEqual(settled(secure).listen, { addresses: ["a:443"], secure: true });
  assert.match(refusal({ "listen-client-urls": "https://a" }), /no certificate to show/);
  assert.deepEqual(settled({ "advertise-client-urls": "http://a:1/,http://b:2" }).advertise, [
    "http://a:1",
    "http://b:2",
  ]);
  assert.equal(settled({ "insecure-bind": true }).insecureBind, true);
  assert.equal(settled({ "insecure-bind": "F" }).insecureBind, false);
  assert.equal(settled({ "quota-backend-bytes": "0" }).quotaBytes, undefined);
  assert.equal(settled({ "quota-backend-bytes": "-1" }).quotaBytes, Number.MAX_SAFE_INTEGER);
  const keep = (retention: string, mode = "periodic") =>
    retentionOf(settled({ "auto-compaction-retention": retention, "auto-compaction-mode": mode }));
  assert.equal(keep("2").historyKeep, 7_200);
  assert.equal(keep("1h30m").historyKeep, 5_400);
  assert.deepEqual(keep("1000", "revision"), { historyKeep: 0, historyRevisions: 1_000 });
  for (const [flag, value] of [
    ["election-timeout", "1s"],
    ["listen-client-urls", "127.0.0.1:2379"],
    ["listen-client-urls", "https://a:1,http://b:2"],
    ["auto-compaction-mode", "weekly"],
    ["report-version", "3.5"],
    ["log-level", "loud"],
  ] as const)
    assert.match(refusal({ [flag]: value }), new RegExp(`flag --${flag}: .* is not .*Give`), flag);
});

test("[ETCD-F3] durations are sums of Go's units (any parts)", () => {
  const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;
  const part = fc.tuple(
    fc.nat(999),
    fc.constantFrom(...(Object.keys(units) as (keyof typeof units)[])),
  );
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), (parts) => {
      const written = parts.map(([count, unit]) => `${count}${unit}`).join("");
      const sum = parts.reduce((total, [count, unit]) => total + count * units[unit], 0);
      assert.equal(duration(written), sum);
      assert.throws(() => duration(`${written}x`), Unreadable);
    }),
  );
});

test("[ETCD-F4] what would change behaviour is refused by name, what only tunes is taken (every flag)", () => {
  for (const { name, operand, rule } of ETCD_FLAGS) {
    const other = operand === undefined ? "true" : "something-else";
    if (rule.kind === "ignored") settled({ [name]: other });
    if (rule.kind !== "only") continue;
    for (const value of rule.values) settled({ [name]: value }, { [variableOf(name)]: value });
    const wrong = rule.values.includes(other) ? "false" : other;
    assert.match(refusal({ [name]: wrong }), new RegExp(`flag --${name}.*has no effect here`));
    assert.match(refusal({}, { [variableOf(name)]: wrong }), new RegExp(variableOf(name)));
  }
});

test("[ETCD-F9] a member is named in its cluster, at the urls that it advertises, with time for five heartbeats (no server)", () => {
  const cluster = "m1=http://a:2380,m2=http://b:2380,m1=http://c:2380";
  const advertised = { "initial-advertise-peer-urls": "http://c:2380,http://a:2380" };
  const settings = settled({ name: "m1", "initial-cluster": cluster, ...advertised });
  assert.deepEqual(settings.initialCluster, [
    { name: "m1", peerUrls: ["http://a:2380", "http://c:2380"] },
    { name: "m2", peerUrls: ["http://b:2380"] },
  ]);
  assert.match(
    refusal({ name: "m3", "initial-cluster": cluster }),
    /does not name this member, m3/,
  );
  assert.match(refusal({ name: "m1", "initial-cluster": cluster }), /Give the same urls in both/);
  assert.match(refusal({ "initial-cluster": "m1" }), /m1=http:/);
  settled({ "initial-cluster": "default=http://127.0.0.1:2380" });
  assert.match(refusal({ "election-timeout": "400" }), /five heartbeats/);
  settled({ "election-timeout": "400", "heartbeat-interval": "80" });
  assert.match(refusal({ "listen-peer-urls": "https://a:1" }), /--peer-cert-file/);
  assert.match(refusal({ "peer-client-cert-auth": "true" }), /--peer-trusted-ca-file/);
});

test("[ETCD-F5] a variable that is no flag's is told (no server)", () => {
  assert.deepEqual(
    unknownVariables({ ETCD_NAME: "a", ETCD_NAMES: "b", ETCDCTL_API: "3", PATH: "/" }),
    ["ETCD_NAMES"],
  );
});

test("[ETCD-F4] every flag that etcd has is known (a real etcd's help)", (t) => {
  const help = spawnSync("etcd", ["--help"], { encoding: "utf8" });
  if (help.error !== undefined) return t.skip("etcd is not installed");
  const theirs = [...`${help.stdout}${help.stderr}`.matchAll(/^ {2}--([a-z0-9-]+) /gm)];
  assert.ok(theirs.length > 60, `${theirs.length} flags in the help of etcd`);
  const ours = new Set(ETCD_FLAGS.map(({ name }) => name));
  // Etcd's gateway for other proxies' timing belongs to its version 2.
  const old = /^proxy-/;
  const missing = theirs.map(([, name = ""]) => name).filter((name) => !ours.has(name));
  assert.deepEqual(
    missing.filter((name) => !old.test(name)),
    [],
  );
});
