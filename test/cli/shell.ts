/** Runs the CLI as a person does: as a process, in a directory, with an environment. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));
const PATIENCE_MS = 120_000;

/** What a command came to. */
export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that runs. */
export interface Running {
  readonly pid: number;
  /** Resolves with what was printed so far when it matches. */
  until(pattern: RegExp): Promise<string>;
  signal(signal: NodeJS.Signals): void;
  readonly ended: Promise<Outcome>;
}

/** A temporary directory in which `quorate` is a command. */
export class Shell {
  readonly directory: string;
  readonly environment: Record<string, string>;
  readonly #running = new Set<ChildProcess>();

  constructor() {
    this.directory = mkdtempSync(join(tmpdir(), "quorate-cli-"));
    const shim = join(this.directory, "quorate");
    writeFileSync(shim, `#!/bin/sh\nexec "${process.execPath}" "${MAIN}" "$@"\n`);
    chmodSync(shim, 0o755);
    const path = `${this.directory}${delimiter}${process.env["PATH"] ?? ""}`;
    this.environment = {
      PATH: path,
      HOME: this.directory,
      QUORATE_LISTEN: "127.0.0.1:0",
      ETCD_LISTEN_CLIENT_URLS: "http://127.0.0.1:0",
    };
  }

  /**
   * Starts one command line; a plain one without a shell in between, so that signals reach it
   * alone.
   */
  start(line: string, input = ""): Running {
    const plain = !line.includes("|");
    const child = spawn("sh", ["-c", plain ? `exec ${line}` : line], {
      cwd: this.directory,
      env: this.environment,
      detached: true,
    });
    this.#running.add(child);
    child.stdin.end(input);
    return running(child, line, () => this.#running.delete(child));
  }

  async run(line: string, input = ""): Promise<Outcome> {
    return await this.start(line, input).ended;
  }

  /** Starts a server; its url becomes that of the commands that follow. */
  async serve(flags = ""): Promise<Running> {
    const server = this.start(`quorate serve ${flags}`);
    const said = await server.until(/serves (\S+), data/);
    this.environment["QUORATE_URL"] = /serves (\S+), data/.exec(said)?.[1] ?? "";
    return server;
  }

  /** Ends what still runs and removes the directory. */
  async close(): Promise<void> {
    const ending = [...this.#running].map(async (child) => {
      const gone = new Promise((resolve) => child.once("close", resolve));
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      await gone;
    });
    await Promise.allSettled(ending);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function running(child: ChildProcess, line: string, done: () => void): Running {
  let stdout = "";
  let stderr = "";
  const listeners = new Set<() => void>();
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    for (const listener of listeners) listener();
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    for (const listener of listeners) listener();
  });
  const ended = new Promise<Outcome>((resolve, reject) => {
    const late = setTimeout(() => {
      reject(new Error(`${line}: did not end; printed ${stdout}${stderr}`));
    }, PATIENCE_MS);
    child.once("close", (code) => {
      clearTimeout(late);
      done();
      resolve({ code, stdout, stderr });
      for (const listener of listeners) listener();
    });
  });
  ended.catch(() => {});
  const until = async (pattern: RegExp): Promise<string> =>
    await new Promise((resolve, reject) => {
      const look = (): void => {
        const text = stdout + stderr;
        const ended = child.exitCode !== null;
        if (!pattern.test(text) && !ended) return;
        clearTimeout(late);
        listeners.delete(look);
        if (pattern.test(text)) resolve(text);
        else reject(new Error(`${line}: ended with ${child.exitCode} and printed ${text}`));
      };
      const late = setTimeout(() => {
        listeners.delete(look);
        reject(new Error(`${line}: did not print ${pattern}; printed ${stdout}${stderr}`));
      }, PATIENCE_MS);
      listeners.add(look);
      look();
    });
  assert.ok(child.pid !== undefined, `${line}: did not start`);
  const { pid } = child;
  return { pid, until, ended, signal: (signal) => void process.kill(pid, signal) };
}
