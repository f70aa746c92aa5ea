/**
 * The processes of a cluster on this machine.
 *
 * Invariant: none outlives this one, however it ends. Each has a pipe as its standard input and drains when that ends,
 * which it does with this process; one that is stopped then is let go on first, here or by the kernel.
 */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Planned } from "./plan.ts";
import { argumentsOf } from "./plan.ts";

/** How long a member may take to drain. */
const DRAIN_MS = 8_000;
/** Of what a member says, what is kept to explain its end. */
const SAID_BYTES_MAX = 4_096;

export type Condition = "starting" | "running" | "stopped" | "ended";

export class CrewMember {
  readonly plan: Planned;
  readonly #all: readonly Planned[];
  #child: ChildProcess | undefined;
  #isStopped = false;
  #hasServed = false;
  #said = "";
  /** The exit of its last process. */
  #exited: Promise<void> = Promise.resolve();

  constructor(plan: Planned, all: readonly Planned[]) {
    this.plan = plan;
    this.#all = all;
  }

  get condition(): Condition {
    if (this.#child === undefined) return "ended";
    if (this.#isStopped) return "stopped";
    return this.#hasServed ? "running" : "starting";
  }
  get pid(): number | undefined {
    return this.#child?.pid;
  }
  /** The last that it said of itself. */
  get said(): string {
    return this.#said.trim();
  }

  start(): void {
    if (this.#child !== undefined) return;
    const main = process.argv[1] ?? fileURLToPath(new URL("../main.js", import.meta.url));
    const child = spawn(
      process.execPath,
      [...process.execArgv, main, ...argumentsOf(this.plan, this.#all)],
      {
        stdio: ["pipe", "pipe", "pipe"],
        env: { ...process.env, QUORATE_UNTIL_STDIN_ENDS: "1", QUORATE_LISTEN: "", QUORATE_URL: "" },
      },
    );
    this.#child = child;
    this.#isStopped = false;
    this.#hasServed = false;
    this.#said = "";
    // Its end is told by `close`.
    child.stdin.on("error", () => {});
    child.stdout.on("data", () => (this.#hasServed = true));
    child.stderr.on("data", (text: Buffer) => {
      this.#said = (this.#said + text.toString()).slice(-SAID_BYTES_MAX);
    });
    this.#exited = new Promise((resolve) => {
      const gone = (): void => {
        if (this.#child === child) this.#child = undefined;
        resolve();
      };
      child.once("error", (error) => {
        this.#said = error.message;
        gone();
      });
      child.once("close", gone);
    });
  }

  kill(): void {
    this.#child?.kill("SIGKILL");
  }

  /** Stops it where it is, or lets it go on. */
  pause(): void {
    this.#isStopped = !this.#isStopped;
    this.#child?.kill(this.#isStopped ? "SIGSTOP" : "SIGCONT");
  }

  /** Has it drain and end, or kills it when that takes too long. */
  async end(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    if (this.#isStopped) child.kill("SIGCONT");
    child.stdin?.end();
    const late = setTimeout(() => child.kill("SIGKILL"), DRAIN_MS);
    await this.#exited;
    clearTimeout(late);
  }
}
