/**
 * The seeds of a swarm in several threads. Each takes the next few seeds when it is done with its last ones; what a seed
 * comes to depends on nothing but the seed.
 */
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import type { SeedResult, SwarmOptions } from "./swarm.ts";
import { runSeed } from "./swarm.ts";

/** Seeds that are given out at a time. */
const BATCH = 4;

interface Work {
  readonly kind: "seeds of a swarm";
  readonly options: SwarmOptions;
}

export interface JobsOptions extends SwarmOptions {
  readonly jobs: number;
  /** The program that calls `workHere` in a thread. */
  readonly program: string;
  /** Aborts it: what has been run by then is told. */
  readonly signal: AbortSignal;
  /** Told of each seed that is done. */
  readonly done: (result: SeedResult) => void;
}

/** Runs all seeds. */
export async function runSeeds(options: JobsOptions): Promise<readonly SeedResult[]> {
  const { first, seeds, jobs, signal, done } = options;
  const results: SeedResult[] = [];
  let next = first;
  const take = (count: number): readonly number[] => {
    if (signal.aborted) return [];
    const taken = Math.min(count, first + seeds - next);
    next += taken;
    return Array.from({ length: taken }, (_, at) => next - taken + at);
  };
  const took = (result: SeedResult): void => {
    results.push(result);
    done(result);
  };
  if (jobs <= 1) {
    for (let [seed] = take(1); seed !== undefined; [seed] = take(1))
      took(await runSeed(seed, options));
  } else {
    const count = Math.min(jobs, Math.ceil(seeds / BATCH));
    await Promise.all(Array.from({ length: count }, () => inThread(options, take, took)));
  }
  return results.sort((a, b) => a.seed - b.seed);
}

function inThread(
  { program, ...all }: JobsOptions,
  take: (count: number) => readonly number[],
  took: (result: SeedResult) => void,
): Promise<void> {
  const { first, seeds, servers, history } = all;
  const work: Work = { kind: "seeds of a swarm", options: { first, seeds, servers, history } };
  const worker = new Worker(program, { argv: ["sim"], workerData: work });
  return new Promise((resolve, reject) => {
    let left = 0;
    const give = (): void => {
      const batch = take(BATCH);
      left = batch.length;
      if (left > 0) worker.postMessage(batch);
      else void worker.terminate().then(() => resolve());
    };
    worker.on("message", (result: SeedResult) => {
      took(result);
      if (--left === 0) give();
    });
    worker.on("error", reject);
    worker.once("online", give);
  });
}

/** Whether this is a thread that was begun here. */
export function isThread(): boolean {
  return !isMainThread && (workerData as Partial<Work> | null)?.kind === "seeds of a swarm";
}

/** In a thread: runs what it is given, until it is ended from outside. */
export function workHere(): Promise<never> {
  const { options } = workerData as Work;
  const port = parentPort;
  const run = async (batch: readonly number[]): Promise<void> => {
    for (const seed of batch) port?.postMessage(await runSeed(seed, options));
  };
  port?.on("message", (batch: readonly number[]) => void run(batch));
  return new Promise(() => {});
}
