/**
 * One machine of a simulated cluster: its disk stays, its clocks and whatever runs on it end with each life. It runs a
 * driver and the reactor beside it, as a server does.
 */
import { assert, must } from "../../base/assert.ts";
import { QuorateError } from "../../base/errors.ts";
import type { Prng } from "../../base/prng.ts";
import { prng } from "../../base/prng.ts";
import { fireDue, prefixed } from "../../contract/due.ts";
import type { Formats } from "../../contract/formats.ts";
import { FORMATS } from "../../contract/formats.ts";
import type { ProcedureSet } from "../../contract/procedure.ts";
import { openDriverMadeBy } from "../../driver/driver.ts";
import type { Driver } from "../../driver/face.ts";
import { readIdentity } from "../../driver/identity.ts";
import type { Makers } from "../../driver/makers.ts";
import type { PeerAddress } from "../../driver/peers.ts";
import { embeddedKeyspace, FILE_GUARANTEE } from "../../engines/embedded/embedded.ts";
import type { MemberId } from "../../protocols/agreement/raft/messages.ts";
import type { Raft } from "../../protocols/agreement/raft/raft.ts";
import { react } from "../../service/reactor.ts";
import { SimDisk } from "../sim-disk.ts";
import type { SimNetwork } from "./network.ts";
import type { Plant } from "./plant.ts";
import { makersOf } from "./plant.ts";
import type { Scheduler } from "./scheduler.ts";
import { Life } from "./scheduler.ts";

/** The longest time without a leader that is drawn, ms. */
export const ELECTION_MS = 300;
const HEARTBEATS = 6;
export const CLUSTER_ID = 99n;
export const SEGMENT_BYTES: number = 64 * 512;
/** Short enough for leases to end while a run lasts. */
const LEASE_TTL_MIN_MS = 200;

/** What is known of a machine before it has shown itself. */
export function recordOf(id: MemberId): Omit<PeerAddress, "learner"> {
  return { id, name: `m${id}`, peerUrls: [`sim://m${id}`], clientUrls: [], identity: "" };
}

export interface NodeOptions {
  readonly scheduler: Scheduler;
  readonly network: SimNetwork;
  readonly random: Prng;
  readonly id: MemberId;
  /** Absent: joins. */
  readonly initial: readonly PeerAddress[] | undefined;
  readonly procedures: ProcedureSet;
  readonly tailBytes: number;
  readonly chunkBytes: number;
  readonly snapshotLogBytes: number;
  /** Time without a leader after which an election begins, ms. */
  readonly electionMs: number;
  /** Absent: that of all. */
  readonly clusterId?: bigint | undefined;
  /** A mistake that it makes. */
  readonly plant?: Plant | undefined;
}

export class Node {
  readonly options: NodeOptions;
  disk: SimDisk;
  life: Life | undefined;
  driver: Driver | undefined;
  /** Its Raft machine, to be read only. */
  raft: Raft | undefined;
  /** Why it could not be opened, or stopped by itself. */
  failure: string | undefined;
  /** What was done to its disk that the others may not be able to mend: that it is refused then is no finding. */
  harm: "damaged" | "gone" | undefined;
  /** It was switched off for good. */
  isRetired = false;
  /** What is on its disk does not verify. */
  refusedToStart = false;
  /** How fast its clock is. */
  rate = 1;
  wallOffsetMs = 0;
  /** Of the program that runs on it. */
  formats: Formats = FORMATS;
  #lives = 0;
  #write: { readonly raft: Raft; readonly ticket: number; readonly sinceMs: number } | undefined;
  #reacting = new AbortController();

  constructor(options: NodeOptions) {
    this.options = options;
    this.disk = this.#freshDisk();
  }

  #freshDisk(): SimDisk {
    return new SimDisk({ random: prng(this.options.random.u32()) });
  }

  get id(): MemberId {
    return this.options.id;
  }
  get isUp(): boolean {
    return this.driver !== undefined;
  }
  get isLeading(): boolean {
    return this.driver?.standing().role === "leader";
  }

  /** How long the log's write under way was seen to last, ms by its own clock that stands still with it. */
  seeWrite(): number {
    const { raft, life } = this;
    const ticket = raft?.writing ?? 0;
    if (raft === undefined || life === undefined || ticket === 0) {
      this.#write = undefined;
      return 0;
    }
    const ranMs = life.ranMs();
    const isSame = this.#write?.raft === raft && this.#write.ticket === ticket;
    const seen = isSame ? must(this.#write, "it was seen") : { raft, ticket, sinceMs: ranMs };
    this.#write = seen;
    return ranMs - seen.sinceMs;
  }

  /** Begins a life; it serves some events later. */
  start(): void {
    assert(this.life === undefined, "it is down");
    const { scheduler } = this.options;
    const life = new Life(scheduler, this.rate, this.wallOffsetMs);
    this.life = life;
    this.failure = undefined;
    this.#open(life).then(
      (driver) => {
        if (!life.isOver) this.#serve(driver, life);
      },
      (error: unknown) => {
        if (life.isOver) return;
        this.failure = error instanceof Error ? error.message : String(error);
        this.refusedToStart ||= QuorateError.is(error, "DAMAGED");
        this.kill();
      },
    );
  }

  #serve(driver: Driver, life: Life): void {
    const { procedures, plant, random } = this.options;
    this.driver = plant?.driver?.(driver, prng(random.u32())) ?? driver;
    driver.onStopped((reason) => {
      this.failure = `${reason.code} ${reason.what}`;
      if (!life.isOver) this.kill();
    });
    this.#reacting = new AbortController();
    const keyspace = embeddedKeyspace({ driver, clock: life, guarantee: FILE_GUARANTEE });
    void react(keyspace, life, fireDue(procedures, prefixed), this.#reacting.signal);
  }

  async #open(life: Life): Promise<Driver> {
    const { network, id, initial, procedures, random, plant } = this.options;
    const entropy = prng(random.u32() + ++this.#lives);
    const mounted = this.disk.mount(life);
    const disk = plant?.disk?.(mounted, prng(random.u32())) ?? mounted;
    const belonging = { id, clusterId: this.options.clusterId ?? CLUSTER_ID };
    const { directoryId } = await readIdentity(
      disk,
      entropy,
      SEGMENT_BYTES,
      belonging,
      this.formats,
    );
    const clientUrls = [`quorate://m${id}`];
    const { newest } = this.formats;
    const shown = { identity: directoryId, name: `m${id}`, clientUrls, newest };
    const peers = network.peers(id, life, shown);
    const makers = makersOf(plant);
    const raft: Makers["raft"] = (options, durable) => {
      this.raft = makers.raft(options, durable);
      return this.raft;
    };
    return openDriverMadeBy(
      { ...makers, raft },
      {
        disk,
        clock: plant?.clock?.(life) ?? life,
        entropy,
        procedures,
        label: `member ${id}`,
        formats: this.formats,
        segmentBytes: SEGMENT_BYTES,
        snapshotLogBytes: this.options.snapshotLogBytes,
        minLeaseTtlMs: LEASE_TTL_MIN_MS,
        cluster: {
          ...belonging,
          name: shown.name,
          clientUrls,
          peers: plant?.peers?.(peers) ?? peers,
          initial,
          electionMs: this.options.electionMs,
          heartbeatMs: this.options.electionMs / HEARTBEATS,
          tailBytes: this.options.tailBytes,
          chunkBytes: this.options.chunkBytes,
        },
      },
    );
  }

  /** The process ends in good order. */
  close(): Promise<void> {
    this.#reacting.abort();
    return must(this.driver, "it is up").close();
  }

  /** Power is lost. */
  crash(): void {
    this.#end();
    this.disk.crash();
  }

  /** Power is lost in the middle of its next write. */
  crashInWrite(): void {
    this.disk.inWrite = () => this.crash();
  }

  /** The process ends, the machine goes on. */
  kill(): void {
    this.#end();
    this.disk.end();
  }

  #end(): void {
    if (this.life === undefined) return;
    this.wallOffsetMs = this.life.wallOffsetMs;
    this.life.isOver = true;
    this.life = undefined;
    this.driver = undefined;
    this.raft = undefined;
    this.#reacting.abort();
    this.disk.failAfter = undefined;
    this.disk.inWrite = undefined;
    this.options.network.drop(this.id);
  }

  /** The disk is gone, and another one in its place. */
  loseDisk(): void {
    assert(this.life === undefined, "it is down");
    this.disk = this.#freshDisk();
  }
}
