/**
 * The pump of a replica: gives it requests, ticks and flushes, carries out what it says.
 *
 * Invariants: I1 one append is in flight; what arrives meanwhile shares the next one. I2 after a failed write nothing is
 * answered but SHUTDOWN, and nothing that waited for it is acknowledged. I3 no slice of long work runs longer than a
 * few milliseconds. The same pump runs in a Node process and in the simulator; it has no timer but its tick.
 */
import { AssertionFailure } from "../base/assert.ts";
import { ByteWriter } from "../base/codec.ts";
import type { Failure } from "../base/errors.ts";
import { asFailure, failure, QuorateError } from "../base/errors.ts";
import { Slots } from "../base/slots.ts";
import type { Prng } from "../base/prng.ts";
import type { WatchRequest } from "../contract/keyspace.ts";
import type { ProcedureSet } from "../contract/procedure.ts";
import type {
  CallerStamp,
  Query,
  Reply,
  Request,
  Response,
  StatusResponse,
} from "../contract/requests.ts";
import { Base } from "../keyspace/base.ts";
import type { Entry } from "../keyspace/effects.ts";
import { encodeEntry } from "../keyspace/entry-codec.ts";
import { Head } from "../keyspace/head.ts";
import { KeyspaceTime } from "../keyspace/keyspace-time.ts";
import type { WatchHandle, WatchSink } from "../keyspace/watch-hub.ts";
import { WatchHub } from "../keyspace/watch-hub.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Disk } from "../ports/disk.ts";
import type { Entropy } from "../ports/entropy.ts";
import { id63 } from "../ports/entropy.ts";
import type { Meter } from "../ports/meter.ts";
import { silentMeter } from "../ports/meter.ts";
import { answer, stopped } from "../replica/queries.ts";
import type { ReplicaInput, ReplicaOutput } from "../replica/replica.ts";
import { Replica } from "../replica/replica.ts";
import { soloConsensus } from "../replica/solo.ts";
import type { OpenedDirectory } from "./data-directory.ts";
import { openDirectory } from "./data-directory.ts";
import type { Driver } from "./face.ts";
import { runInSlices } from "./slices.ts";
import { snapshotFrames, writeSnapshot } from "./snapshot-files.ts";

export const VERSION = "0.1.0";
const TICK_MS = 100;
/** Long queries that are worked on at once. */
const LONG_MAX = 16;
const SEGMENT_BYTES: number = 16 << 20;

/** How a driver is opened. Every field has a default but the ports and the procedures. */
export interface DriverOptions {
  /** Where it is durable; absent: in memory only, lost with the process. */
  readonly disk?: Disk | undefined;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly procedures: ProcedureSet;
  readonly label: string;
  /** Bytes that keys, values and history may occupy; default 1 GiB. */
  readonly quotaBytes?: number | undefined;
  /** Shortest time to live that is granted, ms; default 1,000. */
  readonly minLeaseTtlMs?: number | undefined;
  /** How long history can be read and watched, ms of keyspace time; default ten minutes. */
  readonly historyMs?: number | undefined;
  /** How long an unused caller is remembered, ms; default five minutes. */
  readonly callerIdleMs?: number | undefined;
  /** Accepts a step of more than a day at start. */
  readonly acceptClockJump?: boolean | undefined;
  /** Length of a log segment, bytes; a multiple of 512; default 16 MiB. Fixed when the directory is made. */
  readonly segmentBytes?: number | undefined;
  /** Log bytes after which a snapshot is written; default 256 MiB. More means slower recovery, less more writing. */
  readonly snapshotLogBytes?: number | undefined;
  /** Re-executes procedures at random to catch those that break the rules. */
  readonly strict?: Prng | undefined;
  readonly meter?: Meter | undefined;
}

export async function openDriver(options: DriverOptions): Promise<Driver> {
  const segmentBytes = options.segmentBytes ?? SEGMENT_BYTES;
  const opened =
    options.disk === undefined
      ? undefined
      : await openDirectory(options.disk, options.entropy, segmentBytes);
  const base = opened?.base ?? new Base();
  const { clock } = options;
  const accept = options.acceptClockJump === true;
  const time = KeyspaceTime.start(
    base.time,
    clock.monotonicMs(),
    clock.wallMs(),
    accept,
    options.label,
  );
  if (!(time instanceof KeyspaceTime)) {
    await opened?.log.close();
    await opened?.lock.release();
    throw new QuorateError(time);
  }
  const pump = new Pump(options, base, time, opened);
  await pump.start();
  return pump;
}

class Pump implements Driver {
  readonly label: string;
  readonly #options: DriverOptions;
  readonly #base: Base;
  readonly #head: Head;
  readonly #replica: Replica;
  readonly #hub: WatchHub;
  readonly #opened: OpenedDirectory | undefined;
  readonly #clock: Clock;
  readonly #time: KeyspaceTime;
  #done = new Slots<(reply: Reply) => void>();
  readonly #stopListeners: ((failure: Failure) => void)[] = [];
  readonly #ids: { readonly clusterId: bigint; readonly memberId: bigint };
  readonly #quotaBytes: number;
  readonly #flushMs: { record(value: number): void };
  readonly #entries: { add(by?: number): void };
  readonly #writer = new ByteWriter(64 << 10);
  #pumpScheduled = false;
  #deliverScheduled = false;
  #appending = false;
  #cancelTick: Cancel = () => {};
  #stopped: Failure | undefined;
  #closing: Promise<void> | undefined;
  #snapshotting: Promise<void> | undefined;
  #compacting = false;
  /** Queries of more than one step that wait for their turn. */
  readonly #long: { readonly id: number; readonly work: Generator<undefined, Response> }[] = [];
  #longRunning = 0;
  #compactedTo = 0;
  #onIdle: (() => void) | undefined;
  #onReady: () => void = () => {};

  constructor(
    options: DriverOptions,
    base: Base,
    time: KeyspaceTime,
    opened: OpenedDirectory | undefined,
  ) {
    this.label = options.label;
    this.#options = options;
    this.#base = base;
    this.#opened = opened;
    this.#clock = options.clock;
    this.#time = time;
    this.#quotaBytes = options.quotaBytes ?? 1 << 30;
    this.#head = new Head(base, {
      procedures: options.procedures,
      quotaBytes: this.#quotaBytes,
      minLeaseTtlMs: options.minLeaseTtlMs ?? 1_000,
      leaseId: () => id63(options.entropy),
      strict: options.strict,
    });
    const retention = {
      historyMs: options.historyMs ?? 600_000,
      historyBytes: this.#quotaBytes / 4,
      callerIdleMs: options.callerIdleMs ?? 300_000,
    };
    this.#replica = new Replica({
      base,
      head: this.#head,
      consensus: soloConsensus(),
      time,
      retention,
    });
    this.#hub = new WatchHub(base, () => this.#scheduleDelivery());
    this.#ids = {
      clusterId: BigInt(opened?.identity.clusterId ?? id63(options.entropy)),
      memberId: BigInt(opened?.identity.memberId ?? id63(options.entropy)),
    };
    const meter = options.meter ?? silentMeter;
    this.#flushMs = meter.histogram(
      "quorate_log_flush_ms",
      "Time of one log write, ms.",
      [0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 256, 1_024],
    );
    this.#entries = meter.counter("quorate_log_entries_total", "Entries written to the log.");
  }

  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#onReady = resolve;
      this.onStopped((reason) => reject(new QuorateError(reason)));
      this.#step({ kind: "start" });
      this.#tick();
    });
  }

  submit(request: Request, caller: CallerStamp | undefined, done: (reply: Reply) => void): void {
    if (this.#stopped !== undefined || this.#closing !== undefined) {
      done({
        ok: false,
        failure: this.#stopped === undefined ? closing(this.label) : stopped(this.#stopped),
      });
      return;
    }
    const id = this.#done.add(done);
    this.#step({ kind: "request", id, request, caller });
  }

  watch(request: WatchRequest, sink: WatchSink): WatchHandle {
    return this.#hub.open(request, sink);
  }

  status(): StatusResponse {
    const base = this.#base;
    return {
      revision: base.revision,
      compactRevision: base.compactRevision,
      ...this.#ids,
      leader: this.#ids.memberId,
      term: this.#replica.term,
      commitIndex: base.appliedIndex,
      version: VERSION,
      keys: base.versions.liveKeys,
      bytes: base.bytes,
      quotaBytes: this.#quotaBytes,
      leases: base.leases.count,
      watchers: this.#hub.count,
      alarms: [...base.alarms],
      time: Math.max(
        base.time,
        this.#time.advance(this.#clock.monotonicMs(), this.#clock.wallMs()),
      ),
      procedures: this.#head.procedureNames,
    };
  }

  onStopped(listener: (failure: Failure) => void): void {
    this.#stopListeners.push(listener);
  }

  async announce(url: string): Promise<void> {
    await this.#opened?.lock.announce(url);
  }

  async snapshot(each: (frame: Uint8Array) => Promise<void>): Promise<void> {
    for (const frame of snapshotFrames(this.#base)) await each(frame);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#cancelTick();
    await this.#idle();
    await this.#snapshotting;
    this.#hub.endAll(closing(this.label));
    if (this.#opened === undefined) return;
    if (this.#stopped === undefined) await this.#writeSnapshot();
    await this.#opened.log.close();
    await this.#opened.lock.release();
  }

  /** Resolves when nothing is being answered or written. */
  #idle(): Promise<void> {
    const idle = (): boolean => this.#done.size === 0 && !this.#appending && !this.#replica.open;
    if (this.#stopped !== undefined || idle()) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = (): void => {
        if (this.#stopped !== undefined || idle()) resolve();
      };
    });
  }

  #step(input: ReplicaInput): void {
    const now = { monotonicMs: this.#clock.monotonicMs(), wallMs: this.#clock.wallMs() };
    let outputs: readonly ReplicaOutput[];
    try {
      outputs = this.#replica.step(input, now);
    } catch (error) {
      // A broken invariant: whatever is in memory can no longer be trusted, and nothing more may be acknowledged.
      this.#stop(bug(this.label, error));
      return;
    }
    for (const output of outputs) this.#carryOut(output);
    if (this.#replica.open) this.#schedulePump();
  }

  #carryOut(output: ReplicaOutput): void {
    switch (output.kind) {
      case "append":
        return this.#append(output.entry);
      case "reply":
        return this.#reply(output.id, output.reply);
      case "query":
        return this.#query(output.id, output.request);
      case "applied":
        return this.#applied();
      case "ready":
        return this.#onReady();
    }
  }

  #reply(id: number, reply: Reply): void {
    this.#done.take(id)?.(reply);
    this.#onIdle?.();
  }

  #query(id: number, query: Query): void {
    if (query.kind === "status") return this.#reply(id, { ok: true, response: this.status() });
    const found = answer(this.#base, query, this.#clock.monotonicMs());
    if ("failure" in found) return this.#reply(id, { ok: false, failure: found.failure });
    if ("response" in found) return this.#reply(id, { ok: true, response: found.response });
    const first = found.work.next();
    if (first.done === true) return this.#reply(id, { ok: true, response: first.value });
    this.#long.push({ id, work: found.work });
    this.#workLong();
  }

  /** Long queries are worked on a few at a time: each may gather a large answer. */
  #workLong(): void {
    if (this.#longRunning >= LONG_MAX) return;
    const next = this.#long.shift();
    if (next === undefined) return;
    this.#longRunning++;
    runInSlices(this.#clock, next.work).then(
      (response) => {
        this.#longRunning--;
        this.#reply(next.id, { ok: true, response });
        this.#workLong();
      },
      (error: unknown) => this.#stop(bug(this.label, error)),
    );
  }

  #schedulePump(): void {
    if (this.#pumpScheduled || this.#appending) return;
    this.#pumpScheduled = true;
    this.#clock.soon(() => {
      this.#pumpScheduled = false;
      if (!this.#appending && this.#stopped === undefined) this.#step({ kind: "seal" });
    });
  }

  #append(entry: Entry): void {
    const log = this.#opened?.log;
    this.#appending = true;
    this.#entries.add();
    if (log === undefined) {
      this.#clock.soon(() => this.#flushed(entry.index));
      return;
    }
    this.#writer.reset();
    encodeEntry(this.#writer, entry);
    const started = this.#clock.monotonicMs();
    log.append(this.#writer.view(), entry.index).then(
      () => {
        this.#flushMs.record(this.#clock.monotonicMs() - started);
        this.#flushed(entry.index);
      },
      (error: unknown) => this.#stop(appendFailed(this.label, error)),
    );
  }

  #flushed(index: number): void {
    this.#appending = false;
    if (this.#stopped !== undefined) return;
    // The disk is given the next entry before this one's answers are made: they cost as much time as a flush.
    if (this.#replica.open) this.#step({ kind: "seal" });
    this.#step({ kind: "flushed", index });
    this.#onIdle?.();
  }

  #applied(): void {
    this.#scheduleDelivery();
    if (this.#base.compactRevision > this.#compactedTo) this.#compact();
    const log = this.#opened?.log;
    if (log !== undefined && log.bytes > (this.#options.snapshotLogBytes ?? 256 << 20))
      this.#snapshotSoon();
  }

  #compact(): void {
    if (this.#compacting) return;
    this.#compacting = true;
    this.#compactedTo = this.#base.compactRevision;
    runInSlices(this.#clock, this.#base.compactWork()).then(
      () => {
        this.#compacting = false;
      },
      (error: unknown) => this.#stop(bug(this.label, error)),
    );
  }

  #snapshotSoon(): void {
    if (this.#snapshotting !== undefined || this.#closing !== undefined) return;
    this.#snapshotting = this.#writeSnapshot().finally(() => {
      this.#snapshotting = undefined;
      // What the snapshot pinned may have held back a compaction.
      this.#compact();
    });
  }

  async #writeSnapshot(): Promise<void> {
    const { disk } = this.#options;
    if (disk === undefined) return;
    try {
      const index = await writeSnapshot(disk, this.#clock, this.#base);
      await this.#opened?.log.trim(index);
    } catch (error) {
      this.#stop(diskFailed(this.label, error));
    }
  }

  #scheduleDelivery(): void {
    if (this.#deliverScheduled) return;
    this.#deliverScheduled = true;
    this.#clock.soon(() => {
      this.#deliverScheduled = false;
      if (this.#hub.deliver()) this.#scheduleDelivery();
    });
  }

  #tick(): void {
    this.#cancelTick = this.#clock.after(
      TICK_MS,
      () => {
        if (this.#stopped !== undefined) return;
        this.#step({ kind: "tick" });
        this.#tick();
      },
      { idle: true },
    );
  }

  #stop(reason: Failure): void {
    if (this.#stopped !== undefined) return;
    this.#stopped = reason;
    this.#appending = false;
    this.#cancelTick();
    const answerless = this.#done.all();
    this.#done = new Slots();
    // What was in flight may be on the disk: only "perhaps" is honest.
    const perhaps: Failure = { ...stopped(reason), outcome: "indefinite" };
    for (const done of answerless) done({ ok: false, failure: perhaps });
    this.#hub.endAll(stopped(reason));
    for (const listener of this.#stopListeners) listener(reason);
    this.#onIdle?.();
  }
}

function closing(label: string): Failure {
  return failure("SHUTDOWN", {
    object: label,
    what: "is closing and takes no more requests",
    remedy: "Connect to another one, or wait until it is back.",
  });
}

function appendFailed(label: string, error: unknown): Failure {
  return error instanceof AssertionFailure ? bug(label, error) : diskFailed(label, error);
}

function diskFailed(label: string, error: unknown): Failure {
  if (QuorateError.is(error)) return error.failure;
  return failure("DISK", {
    object: label,
    what: `a write to the log failed (${asFailure(error, label).what}), and a failed flush must not be tried again`,
    remedy: "Look at the disk: space, quota, health; then start again.",
  });
}

function bug(label: string, error: unknown): Failure {
  return failure("BUG", {
    object: label,
    what: `stopped on a broken invariant: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    remedy: "Keep the data directory and report this; starting again replays the log.",
  });
}
