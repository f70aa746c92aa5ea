/** Checks histories in a thread of its own, one after the other, while the next one is being recorded. */
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { check } from "../../src/verify/checker/check.ts";
import type { Report } from "../../src/verify/checker/check.ts";
import { readLines } from "../../src/verify/history/lines.ts";

export class Checks {
  readonly #worker = new Worker(new URL(import.meta.url));
  readonly #waiting: ((answer: Report | { readonly error: string }) => void)[] = [];

  constructor() {
    this.#worker.on("message", (answer: Report) => this.#waiting.shift()?.(answer));
  }

  async check(lines: string): Promise<Report> {
    const answered = new Promise<Report | { readonly error: string }>((resolve) =>
      this.#waiting.push(resolve),
    );
    this.#worker.postMessage(lines);
    const answer = await answered;
    if ("error" in answer) throw new Error(answer.error);
    return answer;
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}

function answer(lines: string): void {
  try {
    parentPort?.postMessage(check(readLines(lines)));
  } catch (error) {
    parentPort?.postMessage({ error: String(error) });
  }
}

if (!isMainThread) parentPort?.on("message", answer);
