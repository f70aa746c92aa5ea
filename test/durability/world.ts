/**
 * One simulated node under load that loses power at random points: what was acknowledged is written down outside, and
 * compared with what recovery finds.
 *
 * The invariants (docs/spec/replica.md): DUR-1 every acknowledged write, lease and reply is there; DUR-2 no half
 * transaction; DUR-3 revisions never go back; DUR-4 a command repeated through its caller happens once.
 */
import assert from "node:assert/strict";
import { inspect } from "node:util";
import type { Bytes } from "../../src/base/bytes.ts";
import { utf8 } from "../../src/base/bytes.ts";
import type { Prng } from "../../src/base/prng.ts";
import { prng } from "../../src/base/prng.ts";
import { argsText } from "../../src/contract/json-data.ts";
import type { Procedure } from "../../src/contract/procedure.ts";
import { procedure, procedureSet } from "../../src/contract/procedure.ts";
import type { CallerStamp, Reply, Request, Response } from "../../src/contract/requests.ts";
import { openDriver } from "../../src/driver/driver.ts";
import type { Driver } from "../../src/driver/face.ts";
import { SimClock } from "../../src/verify/sim-clock.ts";
import { SimDisk } from "../../src/verify/sim-disk.ts";

/** Adds one to a counter: done twice, it shows. */
const count: Procedure<{ readonly key: string }, number> = procedure(
  "test/count@1",
  (tx, { key }) => {
    const next = Number(tx.get(key as Bytes)?.value ?? "0") + 1;
    tx.put(key as Bytes, utf8(String(next)));
    return next;
  },
  ({ key }) => key,
);
const procedures = procedureSet([count as Procedure<never, unknown>]);

const CALLER = 77n;
const KEYS = 4;

export interface WorldOptions {
  readonly seed: number;
  /** False: the disk does not keep what a durable open promises. */
  readonly honest?: boolean | undefined;
}

/** A command in flight when power was lost, to be repeated under its stamp. */
interface InFlight {
  readonly request: Request;
  readonly caller: CallerStamp;
}

export class World {
  readonly #random: Prng;
  readonly #disk: SimDisk;
  #clock: SimClock;
  #driver: Driver | undefined;
  #nowMs = 0;
  /** Latest acknowledged number of each key; numbers only grow. */
  readonly #acknowledged = new Map<string, number>();
  readonly #leases = new Set<bigint>();
  #revision = 0;
  #operation = 0;
  #sequence = 1;
  #counted = 0;
  #callerOpen = false;
  #inFlight: InFlight | undefined;
  #lastReply: { readonly stamp: CallerStamp; readonly reply: Reply } | undefined;
  crashes = 0;
  acknowledgements = 0;

  constructor(options: WorldOptions) {
    this.#random = prng(options.seed);
    this.#clock = new SimClock();
    this.#disk = new SimDisk({ random: this.#random, honest: options.honest });
  }

  /** Opens, checks, works for a while, loses power. */
  async cycle(): Promise<void> {
    await this.#open();
    if (this.#driver !== undefined) {
      await this.#check(this.#driver);
      await this.#repeat(this.#driver);
      await this.#work(this.#driver);
    }
    this.#nowMs = this.#clock.monotonicMs() + 1;
    this.#clock = new SimClock(this.#nowMs, 1_700_000_000_000 + this.#nowMs);
    this.#disk.crash();
    this.#driver = undefined;
    this.crashes++;
  }

  /** Opening itself can be interrupted: then the next cycle recovers from a half recovery. */
  async #open(): Promise<void> {
    const interrupted = this.#random.chance(1, 8) ? this.#random.below(12) : Infinity;
    const opening = openDriver({
      disk: this.#disk.mount(this.#clock),
      clock: this.#clock,
      entropy: { u32: () => this.#random.u32() },
      procedures,
      label: "simulated node",
      segmentBytes: 16 * 512,
      snapshotLogBytes: 24 * 512,
    });
    const state: { driver?: Driver; error?: unknown; settled: boolean } = { settled: false };
    opening.then(
      (driver) => {
        state.driver = driver;
        state.settled = true;
      },
      (error: unknown) => {
        state.error = error;
        state.settled = true;
      },
    );
    for (let step = 0; !state.settled && step < interrupted; step++) {
      await settle();
      if (!state.settled) this.#clock.step();
    }
    if (state.error !== undefined) throw state.error;
    this.#driver = state.driver;
  }

  async #check(driver: Driver): Promise<void> {
    const { revision } = driver.status();
    assert.ok(
      revision >= this.#revision,
      `DUR-3 revision ${revision} after ${this.#revision} was acknowledged`,
    );
    for (const [key, number] of this.#acknowledged) {
      const found = await this.#number(driver, key);
      assert.ok(found >= number, `DUR-1 ${key} is ${found}, ${number} was acknowledged`);
      this.#acknowledged.set(key, found);
    }
    const [left, right] = [await this.#number(driver, "left"), await this.#number(driver, "right")];
    assert.equal(left, right, "DUR-2 two keys of one transaction differ");
    const leases = await this.#ask(driver, { kind: "leases" });
    assert.ok(leases !== undefined && "ids" in leases);
    for (const id of this.#leases)
      assert.ok(leases.ids.includes(id), `DUR-1 lease ${id} was acknowledged`);
    // Sending the next command acknowledges the reply before it: only the last one may be asked for again.
    if (this.#lastReply === undefined || this.#inFlight !== undefined) return;
    const { stamp, reply } = this.#lastReply;
    assert.deepEqual(
      await this.#reply(driver, counting(), stamp),
      reply,
      "DUR-1 a stored reply is another one",
    );
  }

  /** What was in flight is sent again under its stamp: it must have happened once in the end. */
  async #repeat(driver: Driver): Promise<void> {
    if (this.#inFlight !== undefined) {
      const { request, caller } = this.#inFlight;
      const reply = await this.#reply(driver, request, caller);
      if (reply === undefined) return;
      this.#counted++;
      this.#answered(caller, reply);
    }
    assert.equal(
      await this.#number(driver, "count"),
      this.#counted,
      "DUR-4 a repeated command happened twice or never",
    );
  }

  async #work(driver: Driver): Promise<void> {
    if (!this.#callerOpen) {
      this.#callerOpen =
        (await this.#reply(driver, { kind: "callerOpen", id: CALLER }))?.ok === true;
      if (!this.#callerOpen) return;
    }
    const stepsLeft = this.#random.below(60);
    for (let at = 0; at < 12; at++) this.#submitOne(driver);
    for (let step = 0; step < stepsLeft; step++) {
      await settle();
      if (!this.#clock.step()) return;
    }
  }

  #submitOne(driver: Driver): void {
    const number = ++this.#operation;
    const value = utf8(String(number));
    switch (this.#random.below(6)) {
      case 0: {
        const puts = ["left", "right"].map((key) => ({
          kind: "put" as const,
          key: utf8(key),
          value,
        }));
        const request: Request = { kind: "txn", compare: [], success: puts, failure: [] };
        return this.#submit(driver, request, () => this.#acknowledge("left", number));
      }
      case 1: {
        const id = BigInt(number);
        return this.#submit(driver, { kind: "leaseGrant", id, ttlMs: 9e12 }, () =>
          this.#leases.add(id),
        );
      }
      case 2:
        return this.#count(driver);
      default: {
        const key = `key-${this.#random.below(KEYS)}`;
        const padded = utf8(String(number).padEnd(this.#random.below(900), " "));
        return this.#submit(driver, { kind: "put", key: utf8(key), value: padded }, () =>
          this.#acknowledge(key, number),
        );
      }
    }
  }

  #count(driver: Driver): void {
    if (this.#inFlight !== undefined) return;
    const caller = { id: CALLER, sequence: this.#sequence, firstUnacked: this.#sequence };
    this.#sequence++;
    this.#inFlight = { request: counting(), caller };
    driver.submit(counting(), caller, (reply) => {
      this.#counted++;
      this.#answered(caller, reply);
    });
  }

  #answered(stamp: CallerStamp, reply: Reply): void {
    if (!reply.ok) assert.fail(inspect(reply));
    this.acknowledgements++;
    this.#inFlight = undefined;
    this.#lastReply = { stamp, reply };
    this.#revision = Math.max(this.#revision, reply.response.revision);
  }

  #acknowledge(key: string, number: number): void {
    this.#acknowledged.set(key, Math.max(number, this.#acknowledged.get(key) ?? 0));
  }

  #submit(driver: Driver, request: Request, acknowledged: () => void): void {
    driver.submit(request, undefined, (reply) => {
      if (!reply.ok) assert.fail(inspect(reply));
      this.acknowledgements++;
      this.#revision = Math.max(this.#revision, reply.response.revision);
      acknowledged();
    });
  }

  async #number(driver: Driver, key: string): Promise<number> {
    const found = await this.#ask(driver, { kind: "range", key: utf8(key) });
    assert.ok(found !== undefined && "kvs" in found);
    return Number(found.kvs[0]?.value ?? "0");
  }

  async #ask(driver: Driver, request: Request): Promise<Response | undefined> {
    const reply = await this.#reply(driver, request);
    if (reply?.ok !== true) assert.fail(inspect(reply));
    return reply.response;
  }

  async #reply(driver: Driver, request: Request, caller?: CallerStamp): Promise<Reply | undefined> {
    let reply: Reply | undefined;
    driver.submit(request, caller, (given) => {
      reply = given;
    });
    while (reply === undefined) {
      await settle();
      if (reply === undefined && !this.#clock.step()) break;
    }
    return reply;
  }
}

function counting(): Request {
  return { kind: "run", procedure: count.name, args: argsText({ key: "count" }, count.name) };
}

/** Lets every promise that can go on do so. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 12; turn++) await Promise.resolve();
}
