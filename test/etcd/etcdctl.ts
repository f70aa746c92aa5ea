/** Etcd's own command line: runs that end, and runs that go on. */
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { spawn } from "node:child_process";

const RUN_MS = 80_000;

/** An `etcdctl` that goes on: its output, and its end. */
export class Ctl {
  readonly child: ChildProcessWithoutNullStreams;
  /** Its exit code; null if a signal ended it. */
  readonly ended: Promise<number | null>;
  #said = "";
  #complained = "";
  #tell: () => void = () => {};
  constructor(endpoint: string, ...args: readonly string[]) {
    this.child = spawn("etcdctl", ["--endpoints", endpoint, ...args], {
      env: { ...process.env, ETCDCTL_COMMAND_TIMEOUT: "60s", ETCDCTL_API: "3" },
      timeout: RUN_MS,
    });
    this.child.stdout.on("data", (chunk: Buffer) => {
      this.#said += chunk.toString();
      this.#tell();
    });
    // Who has ended reads no more.
    this.child.stdin.on("error", () => {});
    this.child.stderr.on("data", (chunk: Buffer) => (this.#complained += chunk.toString()));
    this.ended = new Promise((resolve) => this.child.once("close", (code) => resolve(code)));
    void this.ended.then(() => this.#tell());
  }
  async until(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.#said)) {
      if (this.child.exitCode !== null || this.child.signalCode !== null)
        throw new Error(`etcdctl ended first: ${this.#said}${this.#complained}`);
      await new Promise<void>((told) => (this.#tell = told));
    }
  }
  get said(): string {
    return this.#said;
  }
  get complained(): string {
    return this.#complained;
  }
}

/** What a run came to. */
export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export async function etcdctl(endpoint: string, args: readonly string[], stdin = ""): Promise<Ran> {
  const run = new Ctl(endpoint, ...args);
  run.child.stdin.end(stdin);
  const code = await run.ended;
  return { code, stdout: run.said, stderr: run.complained };
}
