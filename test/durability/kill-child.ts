/**
 * A process that writes to a data directory until it is killed. It first says what it finds, then reports each
 * acknowledgement by a synchronous write to its standard output: what its parent has read had been acknowledged.
 *
 * Arguments: directory, sequence to repeat under its stamp (0: none), last sequence that was answered.
 */
import { writeSync } from "node:fs";
import type { Bytes } from "../../src/base/bytes.ts";
import { utf8 } from "../../src/base/bytes.ts";
import { argsText, dataOf } from "../../src/contract/json-data.ts";
import type { Procedure } from "../../src/contract/procedure.ts";
import { procedure, procedureSet } from "../../src/contract/procedure.ts";
import type { CallerStamp, Reply, Request, Response } from "../../src/contract/requests.ts";
import { openDriver } from "../../src/driver/driver.ts";
import type { Driver } from "../../src/driver/face.ts";
import { hostClock } from "../../src/host/clock.ts";
import { hostDisk } from "../../src/host/disk.ts";
import { hostEntropy } from "../../src/host/entropy.ts";
import type { KillReport } from "./kill-report.ts";
import { CALLER, KEYS } from "./kill-report.ts";

const IN_FLIGHT = 32;

const count: Procedure<{ readonly key: string }, number> = procedure(
  "test/count@1",
  (tx, { key }) => {
    const next = Number(tx.get(key as Bytes)?.value ?? "0") + 1;
    tx.put(key as Bytes, utf8(String(next)));
    return next;
  },
  ({ key }) => key,
);

function say(report: KillReport): void {
  writeSync(1, `${JSON.stringify(report)}\n`);
}

function ask(driver: Driver, request: Request, caller?: CallerStamp): Promise<Response> {
  return new Promise((resolve, reject) => {
    driver.submit(request, caller, (reply: Reply) => {
      if (reply.ok) resolve(reply.response);
      else reject(new Error(`${request.kind}: ${reply.failure.code} ${reply.failure.what}`));
    });
  });
}

async function numberOf(driver: Driver, key: string): Promise<number> {
  const found = await ask(driver, { kind: "range", key: utf8(key) });
  return "kvs" in found ? Number(found.kvs[0]?.value ?? "0") : Number.NaN;
}

async function counted(driver: Driver, sequence: number): Promise<void> {
  say({ kind: "sending", sequence });
  const stamp = { id: CALLER, sequence, firstUnacked: sequence };
  const answer = await ask(
    driver,
    { kind: "run", procedure: count.name, args: argsText({ key: "count" }, count.name) },
    stamp,
  );
  say({
    kind: "counted",
    sequence,
    result: "result" in answer ? Number(dataOf(answer.result)) : Number.NaN,
  });
}

/** Says what recovery found, after repeating what was in flight at the kill. Returns the highest number found. */
async function report(driver: Driver, repeat: number): Promise<number> {
  await ask(driver, { kind: "callerOpen", id: CALLER });
  if (repeat > 0) await counted(driver, repeat);
  const numbers: Record<string, number> = {};
  for (const key of [...KEYS, "left", "right", "count"]) numbers[key] = await numberOf(driver, key);
  const leases = await ask(driver, { kind: "leases" });
  const ids = "ids" in leases ? leases.ids.map(Number) : [];
  say({ kind: "found", revision: driver.status().revision, numbers, leases: ids });
  return Math.max(0, ...KEYS.map((key) => numbers[key] ?? 0), numbers["left"] ?? 0, ...ids);
}

async function write(driver: Driver, number: number): Promise<void> {
  const value = utf8(String(number).padEnd(number % 700, " "));
  if (number % 16 === 0) {
    await ask(driver, { kind: "leaseGrant", id: BigInt(number), ttlMs: 1e9 });
    return say({ kind: "granted", number });
  }
  if (number % 4 === 0) {
    const puts = ["left", "right"].map((key) => ({ kind: "put" as const, key: utf8(key), value }));
    await ask(driver, { kind: "txn", compare: [], success: puts, failure: [] });
    return say({ kind: "put", key: "left", number });
  }
  const key = KEYS[number % KEYS.length] as string;
  const answer = await ask(driver, { kind: "put", key: utf8(key), value });
  say({ kind: "put", key, number, revision: answer.revision });
}

const [directory = "", repeat = "0", answered = "0"] = process.argv.slice(2);
const driver = await openDriver({
  disk: hostDisk(directory),
  clock: hostClock,
  entropy: hostEntropy,
  procedures: procedureSet([count as Procedure<never, unknown>]),
  label: "killed node",
  segmentBytes: 64 << 10,
  snapshotLogBytes: 160 << 10,
});
driver.onStopped((reason) => {
  console.error(reason);
  process.exit(1);
});

let next = (await report(driver, Number(repeat))) + 1;
let sequence = Math.max(Number(repeat), Number(answered)) + 1;
const writer = async (): Promise<never> => {
  for (;;) await write(driver, next++);
};
const counter = async (): Promise<never> => {
  for (;;) await counted(driver, sequence++);
};
await Promise.all([counter(), ...Array.from({ length: IN_FLIGHT }, writer)]);
