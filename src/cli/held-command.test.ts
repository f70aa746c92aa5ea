/** A command under a lock, with real processes and a loss at will. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { fail, type Failure, type QuorateError } from "../base/errors.ts";
import { runHolding } from "./held-command.ts";
import type { Terminal } from "./output.ts";

const lost = (): QuorateError =>
  fail("LOST", { object: "lock a", what: "renewal stopped", remedy: "Acquire again." });

describe("a command under a lock", () => {
  const directory = mkdtempSync(join(tmpdir(), "quorate-held-"));
  after(() => rmSync(directory, { recursive: true }));
  const failures: Failure[] = [];
  const silent = (): void => {};
  const terminal: Terminal = {
    format: "table",
    line: silent,
    json: silent,
    raw: silent,
    note: silent,
    failure: (failure) => void failures.push(failure),
  };
  const environment = { PATH: process.env["PATH"] };
  const never = new AbortController().signal;
  const script = (text: string): readonly string[] => ["sh", "-c", `cd ${directory}; ${text}`];

  async function appears(name: string): Promise<string> {
    const path = join(directory, name);
    while (!existsSync(path) || readFileSync(path, "utf8") === "") await wait(5);
    return readFileSync(path, "utf8").trim();
  }
  function alive(pid: number): boolean {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  }

  test("[CLI-13] it gets token and name, and its exit code is passed on (no server)", async () => {
    const context = { terminal, environment, interrupt: never };
    const command = script('echo "$QUORATE_LOCK $QUORATE_TOKEN" >given; exit 7');
    assert.equal(await runHolding(context, "a b", { token: 42, signal: never }, command, 100), 7);
    assert.equal(await appears("given"), "a b 42");
  });

  test("[CLI-13] death by signal n is 128 + n (no server)", async () => {
    const context = { terminal, environment, interrupt: never };
    const held = { token: 1, signal: never };
    assert.equal(await runHolding(context, "a", held, script("kill -9 $$"), 100), 137);
  });

  test("[CLI-13] a program that does not exist is INVALID (no server)", async () => {
    const context = { terminal, environment, interrupt: never };
    const held = { token: 1, signal: never };
    await assert.rejects(
      runHolding(context, "a", held, ["no-such-program"], 100),
      /INVALID .*cannot be started/,
    );
  });

  test("[CLI-14] at loss a command that ignores SIGTERM is killed with its children, code 5 (no server)", async () => {
    const context = { terminal, environment, interrupt: never };
    const loss = new AbortController();
    const command = script('trap "" TERM; sleep 60 & echo $! >child; wait; sleep 60');
    const ended = runHolding(context, "a", { token: 1, signal: loss.signal }, command, 50);
    const child = Number(await appears("child"));
    assert.ok(alive(child));
    loss.abort(lost());
    assert.equal(await ended, 5);
    assert.equal(failures.at(-1)?.code, "LOST");
    while (alive(child)) await wait(5);
  });

  test("[CLI-14] a lock that is lost before the start ends the command at once (no server)", async () => {
    const context = { terminal, environment, interrupt: never };
    const loss = new AbortController();
    loss.abort(lost());
    const held = { token: 1, signal: loss.signal };
    assert.equal(await runHolding(context, "a", held, script("exec sleep 60"), 50), 5);
  });

  test("[CLI-13] an interrupt reaches the command, which may end in its own way (no server)", async () => {
    const interruption = new AbortController();
    const context = { terminal, environment, interrupt: interruption.signal };
    // Of a child that has not become `sleep` yet the signal is lost: it should not be a long one.
    const command = script('trap "exit 9" TERM; echo on >ready; while :; do sleep 0.05; done');
    const ended = runHolding(context, "a", { token: 1, signal: never }, command, 50);
    await appears("ready");
    interruption.abort();
    assert.equal(await ended, 9);
  });
});
