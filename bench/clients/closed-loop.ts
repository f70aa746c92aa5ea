/**
 * A closed loop: a fixed number of workers, each of which starts its next operation when its last one ended. Latencies
 * are kept of every operation up to a bound, evenly spread beyond it.
 */

/** What the parent process asks for, as JSON in the first argument. */
export interface Job {
  readonly host: string;
  readonly port: number;
  readonly work: string;
  readonly inFlight: number;
  readonly warmUpS: number;
  readonly seconds: number;
}

export function jobOfArguments(): Job {
  return JSON.parse(process.argv[2] ?? "") as Job;
}

const SAMPLES_MAX = 1 << 20;

/**
 * Runs `operation(worker)` with `job.inFlight` workers and prints the result as JSON. `counted`: what one counts for in
 * the rate.
 */
export async function closedLoop(
  job: Job,
  operation: (worker: number) => Promise<unknown>,
  counted = 1,
): Promise<void> {
  let measuring = false;
  let stopped = false;
  let operations = 0;
  const latencies = new Float64Array(SAMPLES_MAX);
  const worker = async (number: number): Promise<void> => {
    while (!stopped) {
      const started = performance.now();
      await operation(number);
      if (!measuring) continue;
      latencies[operations % SAMPLES_MAX] = performance.now() - started;
      operations++;
    }
  };
  const workers = Array.from({ length: job.inFlight }, (_, number) => worker(number));
  await sleep(job.warmUpS * 1_000);
  measuring = true;
  const started = performance.now();
  await sleep(job.seconds * 1_000);
  measuring = false;
  const elapsedS = (performance.now() - started) / 1_000;
  stopped = true;
  await Promise.all(workers);
  const kept = latencies.subarray(0, Math.min(operations, SAMPLES_MAX)).sort();
  const at = (q: number): number => kept[Math.floor(kept.length * q)] ?? Number.NaN;
  console.log(
    JSON.stringify({
      operations: operations * counted,
      perSecond: (operations * counted) / elapsedS,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
    }),
  );
}

function sleep(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
