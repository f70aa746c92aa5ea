/** Where the settings of serve come from, and what is refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { QuorateError } from "../base/errors.ts";
import {
  flagOf,
  misspelt,
  resolveServeSettings,
  SETTINGS,
  type Sources,
  variableOf,
} from "./settings.ts";

const none: Sources = { flags: {}, environment: {} };
const file = (value: unknown): Sources["file"] => ({ path: "q.json", text: JSON.stringify(value) });

function refused(sources: Sources): QuorateError {
  try {
    resolveServeSettings(sources);
  } catch (error) {
    if (QuorateError.is(error, "CONFIG")) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

test("[CLI-1] without sources every setting has its default (no server)", () => {
  const settled = resolveServeSettings(none);
  assert.equal(settled.listen, "127.0.0.1:2379");
  assert.equal(settled.dataDir, "./.quorate");
  assert.equal(settled.quotaBytes, undefined);
  assert.equal(settled.insecureBind, false);
});

test("[CLI-1] a flag wins over the environment, the environment over the file (no server)", () => {
  const all: Sources = {
    flags: { listen: "127.0.0.1:1" },
    environment: { QUORATE_LISTEN: "127.0.0.1:2", QUORATE_DATA_DIR: "/env" },
    file: file({ listen: "127.0.0.1:3", dataDir: "/file", quotaBytes: 4096 }),
  };
  const settled = resolveServeSettings(all);
  assert.deepEqual(
    [settled.listen, settled.dataDir, settled.quotaBytes],
    ["127.0.0.1:1", "/env", 4096],
  );
});

test("[CLI-3] members, urls and times that cannot be meant are refused and say what is (no server)", () => {
  for (const [key, given] of [
    ["initialCluster", "m1"],
    ["initialCluster", "m1=a:1"],
    ["initialCluster", ""],
    ["advertise", "a:1"],
    ["peerAdvertise", "http://a"],
    ["peerListen", "http://a:1"],
    ["join", "http://a:1"],
    ["name", "a,b"],
    ["electionMs", "0"],
    ["heartbeatMs", "1s"],
  ] as const)
    assert.match(refused({ ...none, flags: { [key]: given } }).message, /is not .*Give/, key);
});

test("[CLI-1] every setting is read alike from flag, variable and file (no server)", () => {
  const sample: Readonly<Record<string, readonly [string, unknown]>> = {
    listen: ["[::1]:0", "[::1]:0"],
    dataDir: ["./d", "./d"],
    quotaBytes: ["2m", 2_097_152],
    minLeaseTtlS: ["5", 5],
    historyKeep: ["2h", 7200],
    acceptClockJump: ["true", true],
    insecureBind: ["1", true],
    certFile: ["s.pem", "s.pem"],
    keyFile: ["s.key", "s.key"],
    trustedCaFile: ["ca.pem", "ca.pem"],
    clientCertAuth: ["true", true],
    clientCrlFile: ["crl.pem", "crl.pem"],
    authToken: ["simple", "simple"],
    authTokenTtlS: ["60", 60],
    name: ["m1", "m1"],
    advertise: ["http://a:1/,https://[::1]:2", ["http://a:1", "https://[::1]:2"]],
    peerListen: ["127.0.0.1:2380", "127.0.0.1:2380"],
    peerAdvertise: ["http://a:1", ["http://a:1"]],
    initialCluster: [
      "m1=http://a:1,m2=http://b:1,m1=http://c:1/",
      [
        { name: "m1", peerUrls: ["http://a:1", "http://c:1"] },
        { name: "m2", peerUrls: ["http://b:1"] },
      ],
    ],
    initialClusterToken: ["t", "t"],
    join: ["quorate://u:p@a:1", "quorate://u:p@a:1"],
    learner: ["true", true],
    electionMs: ["1000", 1_000],
    heartbeatMs: ["100", 100],
    peerCertFile: ["m.pem", "m.pem"],
    peerKeyFile: ["m.key", "m.key"],
    peerTrustedCaFile: ["ca.pem", "ca.pem"],
    peerCrlFile: ["crl.pem", "crl.pem"],
  };
  for (const { key } of SETTINGS) {
    const [given, wanted] = sample[key] ?? assert.fail(`no sample for ${key}`);
    assert.deepEqual(resolveServeSettings({ ...none, flags: { [key]: given } })[key], wanted);
    assert.deepEqual(
      resolveServeSettings({ ...none, environment: { [variableOf(key)]: given } })[key],
      wanted,
    );
    assert.deepEqual(resolveServeSettings({ ...none, file: file({ [key]: given }) })[key], wanted);
  }
});

test("[CLI-2] an unknown key of the file is CONFIG and names the nearest (no server)", () => {
  const error = refused({ ...none, file: file({ quotaByte: 1 }) });
  assert.match(
    error.message,
    /configuration file q\.json.*unknown key "quotaByte".*Did you mean quotaBytes\?/,
  );
  assert.match(
    refused({ ...none, file: file({ "data-dirr": "x" }) }).help,
    /Did you mean dataDir\?/,
  );
  assert.match(refused({ ...none, file: file({ colour: 1 }) }).help, /Known keys: listen, /);
});

test("[CLI-2] a file that is no object, or no JSON, is CONFIG (no server)", () => {
  assert.match(refused({ ...none, file: { path: "q.json", text: "{" } }).message, /is not JSON/);
  assert.match(refused({ ...none, file: file([1]) }).message, /is not a JSON object/);
});

test("[CLI-2] what is wrong in a file is told with its line (no server)", () => {
  const told = (lines: readonly string[]): string =>
    refused({ ...none, file: { path: "q.json", text: lines.join("\n") } }).message;
  const listen = '  "listen": "127.0.0.1:0",';
  assert.match(told(["{", listen, '  "quotaBytes": 5,,', "}"]), /is not JSON, line 3, column 19: /);
  assert.match(told(["{", listen, '  "quotaBytes": 5']), /is not JSON, line 3, column 18: /);
  assert.match(told(["{", listen, '  "quotaByte": 5', "}"]), /file q\.json, line 3: has the unk/);
  assert.match(told(["{", listen, '  "quotaBytes": {}', "}"]), /quotaBytes of q\.json, line 3: /);
});

test("[CLI-2] a key named like a property of every object is unknown (no server)", () => {
  const text = '{"__proto__": {"listen": "127.0.0.1:9"}}';
  assert.match(
    refused({ ...none, file: { path: "q.json", text } }).message,
    /unknown key "__proto__"/,
  );
});

test("[CLI-3] a value that cannot be meant names the place it came from (no server)", () => {
  const cases: readonly (readonly [Sources, RegExp])[] = [
    [
      { ...none, flags: { quotaBytes: "lots" } },
      /flag --quota-bytes: "lots" is not a number of bytes/,
    ],
    [
      { ...none, environment: { QUORATE_LISTEN: "2379" } },
      /variable QUORATE_LISTEN: "2379" is not HOST:PORT/,
    ],
    [
      { ...none, file: file({ historyKeep: "soon" }) },
      /key historyKeep of q\.json, line 1: "soon" is not a duration/,
    ],
    [{ ...none, file: file({ minLeaseTtlS: -1 }) }, /minLeaseTtlS.*-1 is not a number of seconds/],
    [{ ...none, file: file({ insecureBind: "yes" }) }, /insecureBind.*"yes" is not true or false/],
  ];
  for (const [sources, message] of cases) {
    const error = refused(sources);
    assert.match(error.message, message);
    assert.equal(error.outcome, "definite");
    assert.notEqual(error.help, "");
  }
});

test("[CLI-3] a misspelt variable is told, a known or far one is not (no server)", () => {
  const found = misspelt({
    QUORATE_LISTN: "x",
    QUORATE_URL: "y",
    QUORATE_SOMETHING_ELSE: "z",
    HOME: "/",
  });
  assert.deepEqual(found, [{ name: "QUORATE_LISTN", meant: "QUORATE_LISTEN" }]);
});

test("[CLI-1] flag and variable are the key in their own spelling (no server)", () => {
  assert.equal(flagOf("minLeaseTtlS"), "--min-lease-ttl-s");
  assert.equal(variableOf("minLeaseTtlS"), "QUORATE_MIN_LEASE_TTL_S");
});
