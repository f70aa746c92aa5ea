/**
 * One simulated connection: two ends, bytes that take their time, in order in each direction.
 *
 * Model: TCP as a program sees it. Bytes are delayed, never reordered within a direction and never damaged; while a
 * direction is shut they wait, because they would be sent again; a reset loses what is under way. A write says false
 * when more is under way than fits, and the writer is told when there is room again.
 */
import type { ByteStream, StreamHandler } from "../../ports/network.ts";
import type { Machine, MachineLife } from "./machine.ts";

/** Bytes under way in one direction before a writer is asked to wait. */
const WINDOW_BYTES: number = 256 << 10;

/** What lies between the two machines of a connection. */
export interface Way {
  /** Virtual time. */
  readonly nowMs: number;
  /** How long the next bytes take from one machine to the other, ms; undefined: nothing passes for now. */
  delayMs(from: Machine, to: Machine): number | undefined;
  /** Told of bytes that are taken out of the network. */
  passed(bytes: Uint8Array): void;
}

type Parcel =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "end" }
  | { readonly kind: "reset" };

export class Connection {
  readonly client: End;
  readonly server: End;

  constructor(way: Way, client: Machine, server: Machine) {
    this.client = new End(way, client, server);
    this.server = new End(way, server, client);
    this.client.other = this.server;
    this.server.other = this.client;
  }

  /** Bytes that waited because nothing passed go on. */
  resume(): void {
    this.client.pass();
    this.server.pass();
  }
  /** Both sides find it broken; what is under way is lost. */
  reset(): void {
    this.client.broken();
    this.server.broken();
  }
  /** Nobody will hear of it any more. */
  get isDone(): boolean {
    return this.client.isDone && this.server.isDone;
  }
}

export class End implements ByteStream {
  readonly peer: string;
  readonly machine: Machine;
  readonly #way: Way;
  readonly #peerMachine: Machine;
  readonly #life: MachineLife | undefined;
  readonly #peerLife: MachineLife | undefined;
  other: End | undefined;
  handler: StreamHandler | undefined;
  /** Written here and held back by a direction that is shut. */
  #held: Parcel[] = [];
  /** Arrived here and not taken yet. */
  readonly #arrived: Parcel[] = [];
  #lastArrivalMs = 0;
  #underWay = 0;
  #isFull = false;
  #paused = false;
  #ended = false;
  #over = false;

  constructor(way: Way, machine: Machine, peer: Machine) {
    this.#way = way;
    this.machine = machine;
    this.#life = machine.life;
    this.#peerLife = peer.life;
    this.peer = peer.name;
    this.#peerMachine = peer;
  }

  get isOver(): boolean {
    return this.#over;
  }
  /** Over, with nothing left to tell the other side. */
  get isDone(): boolean {
    return this.#over && this.#held.length === 0;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#over || this.#ended) return true;
    this.#underWay += bytes.length;
    this.#send({ kind: "bytes", bytes: bytes.slice() });
    this.#isFull = this.#underWay > WINDOW_BYTES;
    return !this.#isFull;
  }
  pause(): void {
    this.#paused = true;
  }
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#life?.in(0, () => this.#take());
  }
  keepAlive(): void {}
  end(): void {
    if (this.#over || this.#ended) return;
    this.#ended = true;
    this.#send({ kind: "end" });
  }
  destroy(): void {
    if (this.#over) return;
    this.#send({ kind: "reset" });
    this.broken();
  }

  /** This side finds the connection gone. */
  broken(): void {
    if (this.#over) return;
    this.#over = true;
    // That it is over is told, as soon as anything passes.
    this.#held = this.#held.filter(({ kind }) => kind !== "bytes");
    this.#arrived.length = 0;
    const { handler } = this;
    this.#life?.in(0, () => handler?.closed(undefined));
  }

  /** The machine is off: nobody is told here. */
  forsaken(): void {
    this.#over = true;
    this.#held.length = 0;
    this.handler = undefined;
  }

  /** What was held back is sent, if it can be now. */
  pass(): void {
    for (const parcel of this.#held.splice(0)) this.#send(parcel);
  }

  #send(parcel: Parcel): void {
    const delayMs =
      this.#held.length > 0 ? undefined : this.#way.delayMs(this.machine, this.#peerMachine);
    if (delayMs === undefined) {
      this.#held.push(parcel);
      return;
    }
    const { other } = this;
    const { nowMs } = this.#way;
    // Never before what was sent earlier.
    const arrivalMs = Math.max(nowMs + delayMs, this.#lastArrivalMs);
    this.#lastArrivalMs = arrivalMs;
    this.#peerLife?.in(arrivalMs - nowMs, () => other?.arrive(parcel));
  }

  arrive(parcel: Parcel): void {
    if (this.#over) return;
    if (parcel.kind === "reset") return this.broken();
    this.#arrived.push(parcel);
    this.#take();
  }

  #take(): void {
    while (!this.#paused && !this.#over) {
      const parcel = this.#arrived.shift();
      if (parcel === undefined) return;
      if (parcel.kind !== "bytes") {
        // The other side has said all: this one has nothing to add, as streams that are not half open.
        this.end();
        this.broken();
        return;
      }
      this.#way.passed(parcel.bytes);
      this.other?.delivered(parcel.bytes.length);
      this.handler?.received(parcel.bytes);
    }
  }

  /** So many bytes of this side's have been taken. */
  delivered(count: number): void {
    this.#underWay -= count;
    if (!this.#isFull || this.#underWay > WINDOW_BYTES / 2) return;
    this.#isFull = false;
    this.#life?.in(0, () => {
      if (!this.#over) this.handler?.drained();
    });
  }
}
