/**
 * The pump of a replica: gives it requests, messages, ticks and writes that ended, carries out what it says.
 *
 * Invariants: I1 one write is in flight; what arrives meanwhile shares the next one. I2 after a failed write nothing is
 * answered but SHUTDOWN, and nothing that waited for it is acknowledged. I3 no slice of long work runs longer than a
 * few milliseconds. I4 ticks that are due come before anything else. The same pump runs in a Node process and in the
 * simulator; it has no timer but its tick.
 */
import type { Failure } from "../base/errors.ts";
import { QuorateError } from "../base/errors.ts";
import { Slots } from "../base/slots.ts";
import type { Identity } from "../contract/auth.ts";
import { NOBODY } from "../contract/auth.ts";
import type { WatchRequest } from "../contract/keyspace.ts";
import type { Formats } from "../contract/formats.ts";
import { FORMATS } from "../contract/formats.ts";
import type { CallerStamp, Query, Reply, Request, StatusResponse } from "../contract/requests.ts";
import type { Operation } from "../keyspace/auth/authority.ts";
import type { GivenView } from "../keyspace/auth/users.ts";
import type { KeyspaceTime } from "../keyspace/keyspace-time.ts";
import type { HubHandle, WatchSink } from "../keyspace/watcher.ts";
import type { Clock } from "../ports/clock.ts";
import { silentMeter } from "../ports/meter.ts";
import type { ByteStream, StreamHandler } from "../ports/network.ts";
import type { Now, ReplicaInput, ReplicaOutput } from "../replica/inputs.ts";
import type { LogRecord } from "../replica/log-record.ts";
import type { MemberOrder } from "../replica/members.ts";
import { answer, stopped } from "../replica/queries.ts";
import type { Replica } from "../replica/replica.ts";
import { CatchUp } from "./catch-up.ts";
import { Compaction } from "./compaction.ts";
import type { OpenedDirectory } from "./data-directory.ts";
import { Deliveries } from "./deliveries.ts";
import type { DriverOptions } from "./driver.ts";
import type { Driver, MemberStanding } from "./face.ts";
import { bug, closing, diskFailed, outgrown, replaced } from "./failures.ts";
import { LongQueries } from "./long-queries.ts";
import { addressesOf } from "./member-list.ts";
import type { ClusterOptions, PeerAddress } from "./peers.ts";
import { snapshotFrames } from "./snapshot-files.ts";
import { standingOf, statusOf } from "./status.ts";
import { Storage } from "./storage.ts";
import { Ticker } from "./ticker.ts";
import { Upkeep } from "./upkeep.ts";

/** How long a member that closes waits for what is in flight. */
const CLOSE_MS = 2_000;
const SNAPSHOT_LOG_BYTES: number = 256 << 20;

/** What a pump is made of. */
export interface PumpParts {
  readonly replica: Replica;
  readonly time: KeyspaceTime;
  readonly quotaBytes: number;
  readonly opened: OpenedDirectory | undefined;
  readonly clusterId: bigint;
  readonly tickMs: number | undefined;
}

export class Pump implements Driver {
  readonly label: string;
  readonly #options: DriverOptions;
  readonly #replica: Replica;
  readonly #deliveries: Deliveries;
  readonly #opened: OpenedDirectory | undefined;
  readonly #storage: Storage | undefined;
  readonly #catchUp: CatchUp | undefined;
  readonly #upkeep: Upkeep | undefined;
  readonly #cluster: ClusterOptions | undefined;
  readonly #clock: Clock;
  readonly #time: KeyspaceTime;
  readonly #formats: Formats;
  readonly #ticker: Ticker;
  readonly #long: LongQueries;
  readonly #compaction: Compaction;
  #done = new Slots<(reply: Reply) => void>();
  readonly #stopListeners: ((failure: Failure) => void)[] = [];
  readonly #standingListeners: ((standing: MemberStanding) => void)[] = [];
  readonly #ids: { readonly clusterId: bigint; readonly memberId: bigint };
  readonly #quotaBytes: number;
  readonly #flushMs: { record(value: number): void };
  readonly #entries: { add(by?: number): void };
  #pumpScheduled = false;
  #writing = false;
  #stopped: Failure | undefined;
  #closing: Promise<void> | undefined;
  /** It takes no part in the cluster any more. */
  #left = false;
  #onIdle: (() => void) | undefined;
  #onReady: () => void = () => {};

  constructor(options: DriverOptions, parts: PumpParts) {
    const { replica, opened } = parts;
    const { base, raft } = replica;
    this.label = options.label;
    this.#options = options;
    this.#opened = opened;
    this.#cluster = options.cluster;
    this.#clock = options.clock;
    this.#time = parts.time;
    this.#formats = options.formats ?? FORMATS;
    this.#quotaBytes = parts.quotaBytes;
    this.#replica = replica;
    this.#deliveries = new Deliveries(base, this.#clock);
    this.#ids = { clusterId: parts.clusterId, memberId: BigInt(raft.id) };
    const meter = options.meter ?? silentMeter;
    this.#flushMs = meter.histogram(
      "quorate_log_flush_ms",
      "Time of one log write, ms.",
      [0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 256, 1_024],
    );
    this.#entries = meter.counter("quorate_log_entries_total", "Entries written to the log.");
    this.#ticker = new Ticker(this.#clock, parts.tickMs, () => this.#tick());
    const broken = (error: unknown): void => this.#stop(bug(this.label, error));
    this.#long = new LongQueries(
      this.#clock,
      (id, response) => this.#reply(id, { ok: true, response }),
      broken,
    );
    this.#compaction = new Compaction(base, this.#clock, () => this.#onIdle?.(), broken);
    const { disk } = options;
    if (disk === undefined || opened === undefined) return;
    const storage = new Storage(disk, this.#clock, opened);
    this.#storage = storage;
    const failed = (error: unknown): void => this.#stop(diskFailed(this.label, error));
    this.#upkeep = new Upkeep(disk, opened, failed);
    this.#catchUp = new CatchUp({
      disk,
      storage,
      base: () => this.#replica.base,
      step: (input) => this.#step(input),
      failed,
      chunkBytes: options.cluster?.chunkBytes,
    });
  }

  /** Resolves when requests are taken: who decides alone leads by then. */
  start(isAlone: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#onReady = resolve;
      this.onStopped((reason) => reject(new QuorateError(reason)));
      this.#join();
      if (isAlone) this.#step({ kind: "start" });
      this.#ticker.start();
      if (!isAlone) resolve();
    });
  }

  /** Connects to the other members. */
  #join(): void {
    const cluster = this.#cluster;
    if (cluster === undefined) return;
    const { id, name, clientUrls, peers } = cluster;
    peers.attach({
      received: (message) => this.#step({ kind: "message", message }),
      lost: (member) => this.#step({ kind: "connectionLost", member }),
      identified: (member, shown) => this.#step({ kind: "shown", member, shown }),
    });
    const identity = this.#opened?.identity.directoryId ?? "";
    const own = (cluster.initial ?? cluster.known)?.find((each) => each.id === id);
    const { newest } = this.#formats;
    const shown = { identity, name, clientUrls, peerUrls: own?.peerUrls, newest };
    this.#step({ kind: "shown", member: id, shown });
    this.#tellMembers();
  }

  #tellMembers(): void {
    const members = this.members();
    if (members.length === 0) this.#cluster?.peers.suppose(this.#cluster.known ?? []);
    else this.#cluster?.peers.members(members, this.#replica.base.members.kept);
  }

  /** The directory says of which format it is now; whoever does not read that one goes no further. */
  #raise(): void {
    const { format } = this.#replica.base.members;
    const { newest } = this.#formats;
    if (format > newest) this.#stop(outgrown(this.label, format, newest));
    else this.#upkeep?.raise(format);
  }

  #repaired(): void {
    if (this.#replica.raft.isRepairing || this.#upkeep?.whole() !== true) return;
    for (const listener of this.#standingListeners) listener(this.standing());
  }

  get users(): GivenView {
    return this.#replica.base.users;
  }

  refuses(operation: Operation, identity: Identity = NOBODY): Failure | undefined {
    return this.#replica.base.authority.refuses(identity, operation);
  }

  submit(
    request: Request,
    caller: CallerStamp | undefined,
    done: (reply: Reply) => void,
    identity: Identity = NOBODY,
  ): void {
    const refused = this.#refusal();
    if (refused !== undefined) return done({ ok: false, failure: refused });
    const physical = request.kind === "compact" && request.physical === true;
    const id = this.#done.add(physical ? this.#compaction.whenGone(request.revision, done) : done);
    this.#step({ kind: "request", id, request, caller, identity });
  }

  order(order: MemberOrder, done: (reply: Reply) => void, identity: Identity = NOBODY): void {
    const refused = this.#refusal() ?? this.refuses({ kind: "maintain" }, identity);
    if (refused !== undefined) return done({ ok: false, failure: refused });
    this.#step({ kind: "order", id: this.#done.add(done), order });
  }

  /** Why nothing is taken any more. */
  #refusal(): Failure | undefined {
    if (this.#stopped !== undefined) return stopped(this.#stopped);
    return this.#closing === undefined ? undefined : closing(this.label);
  }

  watch(request: WatchRequest, sink: WatchSink, identity: Identity = NOBODY): HubHandle {
    return this.#deliveries.open(request, identity, sink);
  }

  status(): StatusResponse {
    const nowMs = this.#time.advance(this.#clock.monotonicMs(), this.#clock.wallMs());
    const of = { ids: this.#ids, quotaBytes: this.#quotaBytes, watchers: this.#deliveries.count };
    return statusOf(this.#replica, of, nowMs);
  }

  members(): readonly PeerAddress[] {
    return addressesOf(this.#replica.base.members);
  }

  standing(): MemberStanding {
    return standingOf(this.#replica, this.#opened?.identity.directoryId ?? "");
  }

  onStanding(listener: (standing: MemberStanding) => void): void {
    this.#standingListeners.push(listener);
  }

  onStopped(listener: (failure: Failure) => void): void {
    this.#stopListeners.push(listener);
  }

  async announce(url: string): Promise<void> {
    await this.#opened?.lock.announce(url);
  }

  accept(attach: (stream: ByteStream) => StreamHandler): void {
    this.#opened?.lock.accept(attach);
  }

  async snapshot(each: (frame: Uint8Array) => Promise<void>): Promise<void> {
    for (const frame of snapshotFrames(this.#replica.base)) await each(frame);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#cluster === undefined) {
      this.#ticker.stop();
      await this.#idle();
    } else await this.#leave(this.#cluster);
    const before = this.#stopped;
    this.#deliveries.endAll(closing(this.label));
    const storage = this.#storage;
    if (storage === undefined) return;
    try {
      await this.#catchUp?.close();
      await this.#upkeep?.close();
      if (before === undefined) {
        if (storage.isSnapshotting) await storage.snapshot(this.#replica.base);
        await storage.snapshot(this.#replica.base);
      }
      await storage.close();
    } catch (error) {
      this.#stop(diskFailed(this.label, error));
    } finally {
      await storage.release();
    }
    // Why it stopped before that has been said.
    if (this.#stopped !== before) throw new QuorateError(this.#stopped as Failure);
  }

  /** A member hands leadership over and ends what is in flight, as far as the others are there for it. */
  async #leave(cluster: ClusterOptions): Promise<void> {
    let cancel = (): void => {};
    const patience = new Promise<void>((resolve) => {
      cancel = this.#clock.after(CLOSE_MS, resolve);
    });
    const to = this.#replica.successor;
    if (to !== undefined && this.#stopped === undefined) {
      const id = this.#done.add(() => {});
      this.#step({ kind: "order", id, order: { kind: "transfer", to } });
    }
    await Promise.race([this.#idle(), patience]);
    cancel();
    this.#ticker.stop();
    this.#left = true;
    this.#giveUp(closing(this.label));
    await cluster.peers.close();
    await this.#until(() => !this.#writing);
  }

  /** Resolves when nothing is being answered or written. */
  #idle(): Promise<void> {
    return this.#until(
      () =>
        this.#stopped !== undefined ||
        (this.#done.size + this.#compaction.waiting === 0 && !this.#writing && !this.#replica.open),
    );
  }

  /** Resolves when `isSo`, which only an answer or the end of a write can bring about. */
  #until(isSo: () => boolean): Promise<void> {
    if (isSo()) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = (): void => {
        if (isSo()) resolve();
      };
    });
  }

  #step(input: ReplicaInput): void {
    if (this.#stopped !== undefined || this.#left) return;
    const now = this.#now();
    const count = this.#ticker.due(now.monotonicMs);
    if (count > 0) this.#run({ kind: "tick", count }, now);
    if (this.#stopped !== undefined || this.#left) return;
    // Whoever heard of what the ticks brought may have asked for something meanwhile.
    this.#run(input, count > 0 ? this.#now() : now);
    while (this.#replica.behind && this.#stopped === undefined)
      this.#run({ kind: "apply" }, this.#now());
    if (this.#replica.open) this.#schedulePump();
  }

  #now(): Now {
    return { monotonicMs: this.#clock.monotonicMs(), wallMs: this.#clock.wallMs() };
  }

  #run(input: ReplicaInput, now: Now): void {
    let outputs: readonly ReplicaOutput[];
    try {
      outputs = this.#replica.step(input, now);
    } catch (error) {
      // A broken invariant: whatever is in memory can no longer be trusted, and nothing more may be acknowledged.
      this.#stop(bug(this.label, error));
      return;
    }
    for (const output of outputs) this.#carryOut(output);
  }

  #carryOut(output: ReplicaOutput): void {
    switch (output.kind) {
      case "write":
        return this.#write(output.ticket, output.record);
      case "send":
        return this.#cluster?.peers.send(output.messages);
      case "reply":
        return this.#reply(output.id, output.reply);
      case "query":
        return this.#query(output.id, output.request, output.identity);
      case "applied":
        return this.#applied();
      case "replaced":
        this.#compaction.replaced(output.base);
        return this.#deliveries.replaced(output.base, replaced(this.label));
      case "ready":
        return this.#onReady();
      case "standing":
        for (const listener of this.#standingListeners) listener(this.standing());
        return;
      case "members":
        this.#raise();
        return this.#tellMembers();
      case "chunkRead":
        return this.#catchUp?.read(output);
      case "chunkWrite":
        return this.#catchUp?.write(output);
    }
  }

  #reply(id: number, reply: Reply): void {
    this.#done.take(id)?.(reply);
    this.#onIdle?.();
  }

  #query(id: number, query: Query, identity: Identity): void {
    const { base } = this.#replica;
    const refused = base.authority.refuses(identity, query);
    if (refused !== undefined) return this.#reply(id, { ok: false, failure: refused });
    if (query.kind === "status") return this.#reply(id, { ok: true, response: this.status() });
    const found = answer(base, query, this.#clock.monotonicMs());
    if ("failure" in found) return this.#reply(id, { ok: false, failure: found.failure });
    if ("response" in found) return this.#reply(id, { ok: true, response: found.response });
    this.#long.add(id, found.work);
  }

  #schedulePump(): void {
    if (this.#pumpScheduled || this.#writing) return;
    this.#pumpScheduled = true;
    this.#clock.soon(() => {
      this.#pumpScheduled = false;
      if (!this.#writing) this.#step({ kind: "seal" });
    });
  }

  #write(ticket: number, record: LogRecord): void {
    this.#writing = true;
    this.#entries.add(record.entries.length);
    if (this.#storage === undefined) {
      this.#clock.soon(() => this.#written(ticket));
      return;
    }
    const started = this.#clock.monotonicMs();
    this.#storage.write(record).then(
      () => {
        this.#flushMs.record(this.#clock.monotonicMs() - started);
        this.#written(ticket);
      },
      (error: unknown) => this.#stop(diskFailed(this.label, error)),
    );
  }

  #written(ticket: number): void {
    this.#writing = false;
    // The disk is given the next write before this one's answers are made: they cost as much time as a flush.
    this.#step({ kind: "written", ticket });
    this.#repaired();
    this.#onIdle?.();
  }

  #applied(): void {
    this.#deliveries.schedule();
    this.#compaction.applied();
    const storage = this.#storage;
    if (storage === undefined || storage.isSnapshotting || this.#closing !== undefined) return;
    const { snapshotLogBytes = SNAPSHOT_LOG_BYTES, snapshotLogShare = 0 } = this.#options;
    if (!storage.outgrew(snapshotLogBytes, snapshotLogShare)) return;
    if (!this.#replica.isFeeding) storage.pinned = undefined;
    storage
      .snapshot(this.#replica.base)
      .catch((error: unknown) => this.#stop(diskFailed(this.label, error)));
  }

  #tick(): void {
    if (this.#stopped !== undefined) return;
    const nowMs = this.#clock.monotonicMs();
    if (this.#ticker.isMaintenanceDue(nowMs)) this.#step({ kind: "maintain" });
    else this.#step({ kind: "tick", count: 0 });
  }

  #stop(reason: Failure): void {
    if (this.#stopped !== undefined) return;
    this.#stopped = reason;
    this.#writing = false;
    this.#ticker.stop();
    this.#giveUp(stopped(reason));
    this.#deliveries.endAll(stopped(reason));
    for (const listener of this.#stopListeners) listener(reason);
    this.#onIdle?.();
  }

  /** Nothing that waits will be answered any more. */
  #giveUp(reason: Failure): void {
    const answerless = this.#done.all();
    this.#done = new Slots();
    // What was in flight may be on the disk: only "perhaps" is honest.
    const perhaps: Failure = { ...reason, outcome: "indefinite" };
    for (const done of answerless) done({ ok: false, failure: perhaps });
    this.#compaction.stop(perhaps);
  }
}
