/**
 * Real processes killed under load with SIGKILL, on the real disk. `QUORATE_KILLS` and `QUORATE_SEED` change the run.
 * It proves recovery, the lock and the order of acknowledgements; only a power cut (crash.test.ts) proves the flush.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import type { Prng } from "../../src/base/prng.ts";
import { prng } from "../../src/base/prng.ts";
import type { KillReport } from "./kill-report.ts";
import { KEYS } from "./kill-report.ts";

const KILLS = Number(process.env["QUORATE_KILLS"] ?? 200);
const SEED = Number(process.env["QUORATE_SEED"] ?? 1);
const CHILD = join(import.meta.dirname, "kill-child.js");
const WORK_MS_MAX = 60;

/** What has been acknowledged, as the parent heard it. */
class Ledger {
  readonly numbers = new Map<string, number>();
  readonly leases = new Set<number>();
  readonly results = new Map<number, number>();
  revision = 0;
  sent = 0;
  answered = 0;
  acknowledgements = 0;

  hear(report: KillReport): void {
    switch (report.kind) {
      case "found":
        return this.#check(report);
      case "put":
        this.numbers.set(report.key, Math.max(report.number, this.numbers.get(report.key) ?? 0));
        this.revision = Math.max(this.revision, report.revision ?? 0);
        this.acknowledgements++;
        return;
      case "granted":
        this.leases.add(report.number);
        this.acknowledgements++;
        return;
      case "sending":
        this.sent = report.sequence;
        return;
      case "counted":
        assert.equal(report.result, report.sequence, "DUR-4 a command counted twice or never");
        this.answered = report.sequence;
        this.acknowledgements++;
    }
  }

  #check({ revision, numbers, leases }: KillReport & { readonly kind: "found" }): void {
    assert.ok(revision >= this.revision, `DUR-3 revision ${revision} after ${this.revision}`);
    for (const key of [...KEYS, "left"]) {
      const found = numbers[key] ?? 0;
      const acknowledged = this.numbers.get(key) ?? 0;
      assert.ok(
        found >= acknowledged,
        `DUR-1 ${key} is ${found}, ${acknowledged} was acknowledged`,
      );
      // Found and not acknowledged is allowed; from now on it must stay.
      this.numbers.set(key, found);
    }
    assert.equal(numbers["left"], numbers["right"], "DUR-2 two keys of one transaction differ");
    assert.equal(
      numbers["count"],
      this.answered,
      "DUR-4 a repeated command happened twice or never",
    );
    const present = new Set(leases);
    for (const id of this.leases) assert.ok(present.has(id), `DUR-1 lease ${id} was acknowledged`);
    this.revision = revision;
  }
}

/** One life: it opens, says what it found, works for a random while and is killed. */
async function life(directory: string, ledger: Ledger, random: Prng): Promise<void> {
  const repeat = ledger.sent > ledger.answered ? ledger.sent : 0;
  // A child that repeats goes on from there; one that does not goes on from the last answer.
  const args = [CHILD, directory, String(repeat), String(ledger.answered)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  let complaint = "";
  child.stderr.on("data", (part: Buffer) => {
    complaint += part.toString();
  });
  const ended = new Promise<NodeJS.Signals | null>((resolve) =>
    child.once("close", (_code, signal) => resolve(signal)),
  );
  // Some are killed while they recover: that, too, must be recovered from.
  const early = random.chance(1, 6);
  let killing = early ? setTimeout(() => child.kill("SIGKILL"), random.below(150)) : undefined;
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      if (!line.endsWith("}")) break;
      const report = JSON.parse(line) as KillReport;
      ledger.hear(report);
      if (report.kind === "found")
        killing ??= setTimeout(() => child.kill("SIGKILL"), random.below(WORK_MS_MAX));
    }
  } finally {
    clearTimeout(killing);
    child.kill("SIGKILL");
  }
  assert.equal(await ended, "SIGKILL", `the process ended by itself: ${complaint}`);
}

test(`[DUR-1..4] [DRV-2] ${KILLS} kills under load lose nothing acknowledged and leave no lock (one process at a time)`, async () => {
  const directory = await mkdtemp(join(tmpdir(), "quorate-kill-"));
  const random = prng(SEED);
  const ledger = new Ledger();
  try {
    for (let kill = 0; kill < KILLS; kill++) {
      try {
        await life(directory, ledger, random);
      } catch (error) {
        throw new Error(`kill ${kill} with QUORATE_SEED=${SEED}: ${String(error)}`, {
          cause: error,
        });
      }
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  assert.ok(
    ledger.acknowledgements > 20 * KILLS,
    `only ${ledger.acknowledgements} acknowledgements`,
  );
});
