/**
 * A simulated server: the replica, its reactor and the native service on one machine, over a disk that keeps what it
 * promised when the power goes. One of several is a member of a cluster and speaks with the others by the frames and over
 * the connections of the product; only what carries the bytes is simulated.
 *
 * Invariants: I1 a life of the server ends with its machine: nothing of it acts in the next one. I2 whatever the disk
 * was left with, it opens again; that it does not is a finding, as is a stop on a broken invariant, and a member that the
 * others turn away.
 */
import { assert } from "../../base/assert.ts";
import { QuorateError } from "../../base/errors.ts";
import { fireDue, prefixed } from "../../contract/due.ts";
import { procedureSet } from "../../contract/procedure.ts";
import type { Driver, MemberStanding } from "../../driver/face.ts";
import { openDriver } from "../../driver/driver.ts";
import type { PeerAddress } from "../../driver/peers.ts";
import { embeddedKeyspace, FILE_GUARANTEE } from "../../engines/embedded/embedded.ts";
import { allProcedures } from "../../mechanisms/procedures.ts";
import { sleep } from "../../ports/clock.ts";
import { silentMeter } from "../../ports/meter.ts";
import { Acceptor } from "../../service/acceptor.ts";
import type { Cluster } from "../../service/cluster/cluster.ts";
import { react } from "../../service/reactor.ts";
import type { SimDisk } from "../sim-disk.ts";
import type { Machine } from "./machine.ts";
import type { Membership } from "./membership.ts";
import { memberNamed, SimMember } from "./membership.ts";
import type { SimNetwork } from "./network.ts";
import type { DiskSpeed } from "./slow-disk.ts";

/** Small, so that snapshots, new segments and recoveries are common. */
const SEGMENT_BYTES = 64 * 512;
const SNAPSHOT_LOG_BYTES = 96 * 512;
/** Between the last answer and the end of a process that stops, ms. */
const LAST_WORDS_MS = 10;
/** After this long a supervisor starts a server again that has ended by itself, ms. */
export const AGAIN_MS = 500;

export interface ServerParts {
  readonly machine: Machine;
  /** Where its supervisor is. */
  readonly supervisor: Machine;
  readonly network: SimNetwork;
  readonly disk: SimDisk;
  readonly speed: DiskSpeed;
  /** As which member of which cluster it begins; absent: alone. */
  readonly membership?: Membership | undefined;
  /** Told when this server sees another leader, or another term. */
  readonly stands: (standing: MemberStanding) => void;
  /** Told of what happened, for people. */
  readonly say: (text: string) => void;
  /** Told of what must not happen. */
  readonly found: (rule: string, text: string) => void;
}

interface Life {
  readonly driver: Driver;
  readonly member: SimMember | undefined;
  readonly cluster: Cluster | undefined;
  readonly acceptor: Acceptor;
  readonly reacting: AbortController;
}

const procedures = procedureSet(allProcedures);

export class SimServer {
  readonly machine: Machine;
  readonly speed: DiskSpeed;
  readonly #parts: ServerParts;
  #life: Life | undefined;
  #disk: SimDisk;
  #membership: Membership | undefined;
  /** A write fails, or has failed: that the server stops is as it should be. */
  #fails = false;
  /** Nothing of it comes back; another one may take its place. */
  #isLost = false;
  #starts = 0;

  constructor(parts: ServerParts) {
    this.#parts = parts;
    this.machine = parts.machine;
    this.speed = parts.speed;
    this.#disk = parts.disk;
    this.#membership = parts.membership;
  }

  get name(): string {
    return this.machine.name;
  }
  /** The replica, while it serves. */
  get driver(): Driver | undefined {
    return this.#life?.driver;
  }
  get cluster(): Cluster | undefined {
    return this.#life?.cluster;
  }
  get id(): number {
    return this.#membership?.id ?? 0;
  }

  /** Opens the data and serves. Resolves when it does, or when it could not. */
  async #start(): Promise<void> {
    const { machine, found } = this.#parts;
    const membership = this.#membership;
    const { clock } = machine;
    const member =
      membership === undefined
        ? undefined
        : new SimMember(membership, machine, this.#parts.network, (what) =>
            found("server-runs", `is turned away by the others: ${what}`),
          );
    let driver: Driver;
    try {
      driver = await this.#open(member);
    } catch (error) {
      if (!this.#fails || !QuorateError.is(error, "DISK"))
        return found("server-opens", `could not open its data: ${textOf(error)}`);
      return this.#exit(error.failure.what);
    }
    this.#starts++;
    driver.onStopped(({ code, what }) => {
      if (this.#fails && code === "DISK") this.#exit(what);
      else found("server-runs", `stopped by itself: ${code} ${what}`);
    });
    driver.onStanding((standing) => this.#parts.stands(standing));
    this.#parts.stands(driver.standing());
    const keyspace = embeddedKeyspace({ driver, clock, guarantee: FILE_GUARANTEE });
    const reacting = new AbortController();
    void react(keyspace, clock, fireDue(procedures, prefixed), reacting.signal);
    const cluster = member?.begin(driver);
    const context = { driver, clock, meter: silentMeter, cluster };
    const acceptor = new Acceptor(context, machine.name);
    this.#life = { driver, member, cluster, acceptor, reacting };
    this.#parts.network.listen(machine, (stream) => acceptor.accept(stream));
    const { revision } = driver.status();
    this.#parts.say(this.#starts === 1 ? "serves" : `serves again, at revision ${revision}`);
  }

  #open(member: SimMember | undefined): Promise<Driver> {
    const { machine, speed } = this.#parts;
    const { clock } = machine;
    return openDriver({
      disk: this.#disk.mount(speed.of(clock)),
      clock,
      entropy: machine.random,
      procedures,
      label: machine.name,
      segmentBytes: SEGMENT_BYTES,
      snapshotLogBytes: SNAPSHOT_LOG_BYTES,
      cluster: member?.clusterOptions,
    });
  }

  /** The power goes, or the process is killed: what was not on the disk is lost. */
  crash(silent: boolean): void {
    const { machine, network } = this.#parts;
    this.#life = undefined;
    machine.turnOff();
    this.#disk.crash();
    network.gone(machine, silent);
  }

  /** It is gone for good, with all that it has written. */
  lose(): void {
    this.crash(true);
    this.#isLost = true;
  }

  /** Another machine takes its place and its name, with an empty disk, as the member `id` that the `others` have taken in. */
  replace(id: number, others: readonly PeerAddress[], disk: SimDisk): void {
    assert(this.#isLost && this.#membership !== undefined, "who is replaced was lost");
    const members = [...others, memberNamed(this.name, id)];
    this.#membership = { ...this.#membership, id, members, joins: true };
    this.#disk = disk;
    this.#isLost = false;
    this.restart();
  }

  /** A write or flush fails, after `after` more that do not. */
  failWrite(after: number): void {
    this.#fails = true;
    this.#disk.failAfter = after;
  }
  mendDisk(): void {
    this.#disk.failAfter = undefined;
  }

  /** The process ends because a write has failed; a supervisor starts it again. What was written stays as it is. */
  #exit(what: string): void {
    const { machine, network, supervisor, say } = this.#parts;
    say(`ends: ${what}`);
    this.#life = undefined;
    machine.turnOff();
    network.gone(machine, false);
    supervisor.in(AGAIN_MS, () => this.restart());
  }

  /** Comes back after a crash, unless it has already, or is lost. */
  restart(): void {
    const { machine, network } = this.#parts;
    if (machine.isOn || this.#isLost) return;
    machine.turnOn();
    network.back(machine);
    this.begin();
  }

  /** Starts on its machine. */
  begin(): void {
    this.machine.in(0, () => void this.#start());
  }

  /** Stops in good order: answers what is in flight and closes its data. Is started again `afterMs` later. */
  stopAndStart(afterMs: number): void {
    const { supervisor } = this.#parts;
    this.machine.in(0, () => {
      void this.#stop().then(() => {
        this.machine.turnOff();
        this.#parts.network.gone(this.machine, false);
        supervisor.in(afterMs, () => this.restart());
      });
    });
  }

  /** It is up and not stopping. */
  get serves(): boolean {
    return this.#life !== undefined;
  }

  async #stop(): Promise<void> {
    const life = this.#life;
    if (life === undefined) return;
    this.#life = undefined;
    const { driver, member, acceptor, reacting } = life;
    // Of this life: if a failed write ends it meanwhile, what comes after does not happen.
    const { clock } = this.machine;
    await member?.handOver();
    await acceptor.drain();
    reacting.abort();
    // Where there are other members a client has somewhere to go at once.
    if (member !== undefined) acceptor.end();
    try {
      await driver.close();
    } catch (error) {
      // A failed write stops it, which has been told.
      if (!this.#fails || !QuorateError.is(error, "DISK"))
        this.#parts.found("server-runs", `could not close its data: ${textOf(error)}`);
    }
    await member?.close();
    acceptor.end();
    // What it said last leaves before the process does.
    await sleep(clock, LAST_WORDS_MS);
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
