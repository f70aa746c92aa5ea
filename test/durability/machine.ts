/** A simulated machine on which a driver runs, with a disk that outlives it. */
import assert from "node:assert/strict";
import { utf8 } from "../../src/base/bytes.ts";
import { QuorateError } from "../../src/base/errors.ts";
import { prng } from "../../src/base/prng.ts";
import { procedureSet } from "../../src/contract/procedure.ts";
import type { CallerStamp, Reply, Request, ResponseOf } from "../../src/contract/requests.ts";
import type { DriverOptions } from "../../src/driver/driver.ts";
import { openDriver } from "../../src/driver/driver.ts";
import type { Driver } from "../../src/driver/face.ts";
import { SimClock } from "../../src/verify/sim-clock.ts";
import { SimDisk } from "../../src/verify/sim-disk.ts";

export const SEGMENT_BYTES: number = 16 * 512;

/** Lets the time of `clock` go by until `work` is settled. */
export async function until<T>(clock: SimClock, work: Promise<T>): Promise<T> {
  let settled = false;
  const done = (): void => {
    settled = true;
  };
  work.then(done, done);
  while (!settled) {
    for (let turn = 0; turn < 64; turn++) await Promise.resolve();
    if (!settled) assert.ok(clock.step(), "nothing is left that could go on");
  }
  return work;
}

/** One simulated machine: its disk, its clock and whatever runs on it now. */
export class Machine {
  readonly disk: SimDisk;
  clock: SimClock = new SimClock();

  constructor(seed = 3) {
    this.disk = new SimDisk({ random: prng(seed) });
  }

  open(options: Partial<DriverOptions> = {}): Promise<Driver> {
    const random = prng(4);
    return this.until(
      openDriver({
        disk: this.disk.mount(this.clock),
        clock: this.clock,
        entropy: random,
        procedures: procedureSet([]),
        label: "node",
        segmentBytes: SEGMENT_BYTES,
        ...options,
      }),
    );
  }

  /** Lets the machine run until `work` is settled. */
  until<T>(work: Promise<T>): Promise<T> {
    return until(this.clock, work);
  }

  /** Lets `ms` go by. */
  async pass(ms: number): Promise<void> {
    const until = this.clock.monotonicMs() + ms;
    do for (let turn = 0; turn < 64; turn++) await Promise.resolve();
    while (this.clock.step(until));
  }

  reply(driver: Driver, request: Request, caller?: CallerStamp): Promise<Reply> {
    return this.until(new Promise((resolve) => driver.submit(request, caller, resolve)));
  }

  async ask<R extends Request>(
    driver: Driver,
    request: R,
    caller?: CallerStamp,
  ): Promise<ResponseOf[R["kind"]]> {
    const reply = await this.reply(driver, request, caller);
    if (!reply.ok) throw new QuorateError(reply.failure);
    return reply.response as ResponseOf[R["kind"]];
  }

  /** The process ends, the machine goes on. */
  kill(): void {
    this.disk.end();
    this.clock = new SimClock(this.clock.monotonicMs() + 1, this.clock.wallMs() + 1);
  }

  /** Power is lost; the machine is `offMs` without it, by its wall clock. */
  crash(offMs = 0): void {
    this.disk.crash();
    const now = this.clock.monotonicMs() + 1;
    this.clock = new SimClock(now, this.clock.wallMs() + 1 + offMs);
  }
}

export function put(key: string, value = "x"): Request & { readonly kind: "put" } {
  return { kind: "put", key: utf8(key), value: utf8(value) };
}
