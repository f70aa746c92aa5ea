/**
 * The commit pump: runs procedures in this process over a keyspace that does not know them. Calls that contend go
 * through one queue, so that a process does not conflict with itself and many calls share one commit.
 *
 * Invariants: I1 a call's writes are committed at most once: a commit whose outcome is not known is never tried again,
 * and its calls fail as indefinite. I2 what a call returns or throws was true at one revision after it was made: either
 * nothing it read was cached before, or all of it was validated by a commit. I3 calls of one contention are answered in
 * order.
 * Cost: 1 round trip when what it reads is known from the last commit, 2 when another process has changed it (a failed
 * commit brings what is new), else 1 more for each read that depends on another.
 * Source: Kung and Robinson (TODS 1981); folding as in group commit (DeWitt et al., SIGMOD 1984).
 */
import type { Bytes } from "../../base/bytes.ts";
import { asFailure, failure, QuorateError } from "../../base/errors.ts";
import type { Failure } from "../../base/errors.ts";
import { resultText } from "../../contract/commit-revision.ts";
import { argsText, dataOf } from "../../contract/json-data.ts";
import type { CallOptions, Keyspace, Ran, RunOptions } from "../../contract/keyspace.ts";
import type { Procedure } from "../../contract/procedure.ts";
import type { Reply, TxnOperation, TxnResponse } from "../../contract/requests.ts";
import type { Write } from "../../keyspace/procedure-tx.ts";
import type { Clock } from "../../ports/clock.ts";
import { sleep } from "../../ports/clock.ts";
import type { Entropy } from "../../ports/entropy.ts";
import { pending, TIMEOUT_MS } from "../pending.ts";
import type { CallState } from "../pending.ts";
import type { Call, Evaluation, Outcome, ReadCache } from "./batch.ts";
import { evaluate, OPERATIONS_MAX } from "./batch.ts";
import type { Answer, Read } from "./reads.ts";
import { after, readName, rangeFor } from "./reads.ts";

/** How often a call may find that another process was faster before it fails with CONTENTION. */
const CONFLICTS_MAX = 64;
/** Conflicts that are retried at once; after that with a growing, random delay. */
const CONFLICTS_AT_ONCE = 2;
const BACKOFF_MAX_MS = 64;
/** Rounds of reads that one batch may need, each depending on the one before. */
const READ_ROUNDS_MAX = 128;
/** Idle contentions whose last reads are remembered. */
const REMEMBERED_MAX = 256;

export interface PumpOptions {
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** Keyspace time, ms since 1970. */
  readonly now: () => number | Promise<number>;
}

/** Runs a procedure in this process: what `Keyspace.run` does where the engine does not know it. */
export type Evaluate = <A, R>(
  procedure: Procedure<A, R>,
  args: A,
  options?: RunOptions,
) => Promise<Ran<R>>;

interface Job extends Call {
  readonly state: CallState;
  readonly done: (reply: Reply) => void;
  readonly timeoutMs: number;
  conflicts: number;
  /** Nobody waits for it any more. */
  abandoned: boolean;
}

interface Queue {
  readonly jobs: Job[];
  pumping: boolean;
  /** What the last commit left known; absent: nothing. */
  cache?: ReadCache | undefined;
  reads: readonly Read[];
  /** One call at a time, after a commit was refused: to find whose fault it was. */
  alone: boolean;
}

export function optimistic(keyspace: Keyspace, options: PumpOptions): Evaluate {
  const pump = new Pump(keyspace, options);
  return (procedure, args, given) => pump.run(procedure, args, given ?? {});
}

class Pump {
  readonly #keyspace: Keyspace;
  readonly #options: PumpOptions;
  readonly #queues = new Map<string, Queue>();
  #lastNow = 0;

  constructor(keyspace: Keyspace, options: PumpOptions) {
    this.#keyspace = keyspace;
    this.#options = options;
  }

  async run<A, R>(procedure: Procedure<A, R>, args: A, options: RunOptions): Promise<Ran<R>> {
    const prefix = options.prefix ?? ("" as Bytes);
    const contention = `${prefix}\n${procedure.contention(args)}`;
    const text = argsText(args, procedure.name);
    const request = { kind: "run" as const, procedure: procedure.name, args: text, prefix };
    let job: Job | undefined;
    const answer = await pending(
      this.#options.clock,
      this.#keyspace.label,
      request,
      options,
      (state, done) => {
        job = {
          procedure: procedure as never,
          args: text,
          prefix,
          state,
          done,
          timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
          conflicts: 0,
          abandoned: false,
        };
        this.#enqueue(contention, job);
      },
      () => {
        if (job !== undefined) job.abandoned = true;
      },
    );
    return { result: dataOf(answer.result) as R, revision: answer.revision };
  }

  #enqueue(contention: string, job: Job): void {
    const queue = this.#queues.get(contention) ?? {
      jobs: [],
      pumping: false,
      reads: [],
      alone: false,
    };
    // Set again: the map's order is that of use.
    this.#queues.delete(contention);
    this.#queues.set(contention, queue);
    queue.jobs.push(job);
    if (queue.pumping) return;
    queue.pumping = true;
    // Calls of one turn share a commit.
    this.#options.clock.soon(() => void this.#pump(queue));
  }

  async #pump(queue: Queue): Promise<void> {
    for (;;) {
      this.#remove(
        queue,
        queue.jobs.filter((job) => job.abandoned),
      );
      if (queue.jobs.length === 0) break;
      const jobs = queue.jobs.slice(0, queue.alone ? 1 : OPERATIONS_MAX);
      queue.alone = false;
      try {
        await this.#round(queue, jobs);
      } catch (error) {
        queue.cache = undefined;
        this.#end(queue, jobs, asFailure(error, this.#keyspace.label));
      }
    }
    queue.pumping = false;
    for (const [contention, each] of this.#queues) {
      if (this.#queues.size <= REMEMBERED_MAX) break;
      if (!each.pumping) this.#queues.delete(contention);
    }
  }

  /** Evaluates and commits as many of `jobs` as one commit holds. */
  async #round(queue: Queue, jobs: readonly Job[]): Promise<void> {
    const warm = queue.cache !== undefined;
    const { cache, evaluation } = await this.#evaluated(queue, jobs);
    const { outcomes, writes, conditions } = evaluation;
    const answered = jobs.slice(0, outcomes.length);
    if (writes.size === 0 && (!warm || conditions.length === 0)) {
      queue.cache = settled(evaluation, cache.revision);
      return this.#answer(queue, answered, outcomes, cache.revision);
    }
    if (answered.some((job) => job.abandoned)) {
      // What its caller has been told did not happen must not happen: the rest is evaluated without it.
      queue.cache = cache;
      return;
    }
    if (Math.max(conditions.length, evaluation.used.size) > OPERATIONS_MAX) {
      // Too much to validate what was cached: it is read again, at one revision.
      queue.cache = undefined;
      return;
    }
    await this.#commit(queue, answered, evaluation);
  }

  async #evaluated(
    queue: Queue,
    jobs: readonly Job[],
  ): Promise<{ readonly cache: ReadCache; readonly evaluation: Evaluation }> {
    const now = await this.#now();
    let cache = queue.cache ?? { revision: 0, answers: new Map() };
    if (cache.revision === 0 && queue.reads.length > 0) await this.#fetch(cache, queue.reads, jobs);
    for (let rounds = 0; rounds < READ_ROUNDS_MAX; rounds++) {
      const evaluation = evaluate(jobs, cache, now);
      if (evaluation.missing.length === 0) {
        queue.reads = [...evaluation.used.values()].map((answer) => answer.read);
        return { cache, evaluation };
      }
      try {
        await this.#fetch(cache, evaluation.missing, jobs);
      } catch (error) {
        // The revision that the attempt is pinned to has been compacted: it begins again.
        if (!QuorateError.is(error, "COMPACTED")) throw error;
        cache = { revision: 0, answers: new Map() };
        queue.cache = undefined;
      }
    }
    throw new QuorateError(this.#contention(jobs[0] as Job, "what it reads keeps changing"));
  }

  /** Adds the answers to `reads` to `cache`, at its revision; the first ones decide it. */
  async #fetch(cache: ReadCache, reads: readonly Read[], jobs: readonly Job[]): Promise<void> {
    for (let from = 0; from < reads.length; from += OPERATIONS_MAX) {
      const page = reads.slice(from, from + OPERATIONS_MAX);
      const revision = cache.revision === 0 ? undefined : cache.revision;
      const success = page.map((read) => rangeFor(read, revision));
      const request = { kind: "txn" as const, compare: [], success, failure: [] };
      const read = await this.#keyspace.call(request, withinTimeOf(jobs));
      if (cache.revision === 0) cache.revision = read.revision;
      keep(cache, page, read);
    }
  }

  async #commit(queue: Queue, jobs: readonly Job[], evaluation: Evaluation): Promise<void> {
    const { outcomes, writes, used, conditions } = evaluation;
    const reads = [...used.values()].map((answer) => answer.read);
    const success = [...writes.values()].map(operation);
    const failed = reads.map((read) => rangeFor(read));
    jobs.forEach((job, at) => (job.state.sent = wrote(outcomes[at])));
    let committed: TxnResponse;
    try {
      const request = { kind: "txn" as const, compare: conditions, success, failure: failed };
      committed = await this.#keyspace.call(request, withinTimeOf(jobs));
    } catch (error) {
      queue.cache = undefined;
      return this.#refused(queue, jobs, outcomes, asFailure(error, this.#keyspace.label));
    }
    if (committed.succeeded) {
      queue.cache = settled(evaluation, committed.revision);
      return this.#answer(queue, jobs, outcomes, committed.revision);
    }
    const cache: ReadCache = { revision: committed.revision, answers: new Map() };
    keep(cache, reads, committed);
    queue.cache = cache;
    await this.#conflicted(queue, jobs);
  }

  /** The engine did not take the commit, or did not say whether it did. */
  #refused(
    queue: Queue,
    jobs: readonly Job[],
    outcomes: readonly Outcome[],
    reason: Failure,
  ): void {
    if (reason.outcome === "definite" && jobs.length > 1) {
      for (const job of jobs) job.state.sent = false;
      queue.alone = true;
      return;
    }
    const lost = jobs.filter((_job, at) => reason.outcome === "definite" || wrote(outcomes[at]));
    // Those that only read try again with the next commit, unless nothing would change.
    this.#end(queue, lost.length > 0 ? lost : jobs, reason);
  }

  async #conflicted(queue: Queue, jobs: readonly Job[]): Promise<void> {
    for (const job of jobs) {
      job.state.sent = false;
      job.conflicts++;
    }
    const spent = jobs.filter((job) => job.conflicts >= CONFLICTS_MAX);
    for (const job of spent)
      this.#end(queue, [job], this.#contention(job, `others were faster ${CONFLICTS_MAX} times`));
    const most = Math.max(0, ...queue.jobs.map((job) => job.conflicts));
    if (most <= CONFLICTS_AT_ONCE) return;
    const ceiling = Math.min(BACKOFF_MAX_MS, 2 ** (most - CONFLICTS_AT_ONCE));
    const { clock, entropy } = this.#options;
    await sleep(clock, (entropy.u32() / 0x1_0000_0000) * ceiling);
  }

  #answer(
    queue: Queue,
    jobs: readonly Job[],
    outcomes: readonly Outcome[],
    revision: number,
  ): void {
    this.#remove(queue, jobs);
    jobs.forEach((job, at) => job.done(reply(job, outcomes[at] as Outcome, revision)));
  }

  #end(queue: Queue, jobs: readonly Job[], reason: Failure): void {
    this.#remove(queue, jobs);
    for (const job of jobs) job.done({ ok: false, failure: reason });
  }

  #remove(queue: Queue, jobs: readonly Job[]): void {
    const gone = new Set(jobs);
    queue.jobs.splice(0, queue.jobs.length, ...queue.jobs.filter((job) => !gone.has(job)));
  }

  async #now(): Promise<number> {
    this.#lastNow = Math.max(this.#lastNow, await this.#options.now());
    return this.#lastNow;
  }

  #contention(job: Job, what: string): Failure {
    return failure("CONTENTION", {
      object: `procedure ${job.procedure.name} at ${this.#keyspace.label}`,
      what,
      remedy: "Try again later, or let one process do the work of several.",
    });
  }
}

function wrote(outcome: Outcome | undefined): boolean {
  return outcome?.kind === "returned" && outcome.wrote;
}

function operation(write: Write): TxnOperation {
  if (write.kind === "delete") return { kind: "deleteRange", key: write.key };
  const { key, value, lease } = write;
  return { kind: "put", key, value, lease };
}

function keep(cache: ReadCache, reads: readonly Read[], { responses }: TxnResponse): void {
  reads.forEach((read, at) => {
    const answer = responses[at];
    if (answer?.kind === "range") cache.answers.set(readName(read), { read, kvs: answer.kvs });
  });
}

/** Each of them is given up by itself: a request for all lasts as long as any of them may. */
function withinTimeOf(jobs: readonly Job[]): CallOptions {
  return { timeoutMs: Math.max(...jobs.map(({ timeoutMs }) => timeoutMs)) };
}

/** What is known after a commit at `revision`: what it read and validated, as it left it. */
function settled({ used, writes }: Evaluation, revision: number): ReadCache {
  const answers = new Map<string, Answer>();
  for (const [name, answer] of used) {
    const left = after(answer, writes, revision);
    if (left !== undefined) answers.set(name, left);
  }
  return { revision, answers };
}

function reply(job: Job, outcome: Outcome, revision: number): Reply {
  if (outcome.kind === "thrown") return { ok: false, failure: outcome.failure };
  try {
    const result = resultText(outcome.result, revision, job.procedure.name);
    // Who was overtaken within its commit must find that commit among what came after.
    const seen = outcome.overtaken ? revision - 1 : revision;
    return { ok: true, response: { revision: seen, result } };
  } catch (error) {
    return { ok: false, failure: asFailure(error, `procedure ${job.procedure.name}`) };
  }
}
