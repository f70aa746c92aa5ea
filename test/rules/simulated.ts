/**
 * One simulated machine with an embedded engine, a reactor and connections on it: time passes only when a test says so.
 */
import assert from "node:assert/strict";
import type { Bytes } from "../../src/base/bytes.ts";
import { prng } from "../../src/base/prng.ts";
import { fireDue, prefixed } from "../../src/contract/due.ts";
import type { Keyspace } from "../../src/contract/keyspace.ts";
import type { CommitmentPlane, OnCommitment } from "../../src/contract/plane.ts";
import { procedureSet } from "../../src/contract/procedure.ts";
import type { Driver } from "../../src/driver/face.ts";
import { openDriver } from "../../src/driver/driver.ts";
import { embeddedKeyspace, FILE_GUARANTEE } from "../../src/engines/embedded/embedded.ts";
import { openSession } from "../../src/mechanisms/membership/session/session.ts";
import { allProcedures } from "../../src/mechanisms/procedures.ts";
import { react } from "../../src/service/reactor.ts";
import { SimClock } from "../../src/verify/sim-clock.ts";
import { SimDisk } from "../../src/verify/sim-disk.ts";

const procedures = procedureSet(allProcedures);

export class Simulated {
  readonly disk: SimDisk = new SimDisk({ random: prng(5) });
  clock: SimClock = new SimClock();
  readonly #reacting = new AbortController();

  /** Starts the engine, and what acts on its deadlines. */
  async start(): Promise<{ readonly driver: Driver; readonly keyspace: Keyspace }> {
    const { clock } = this;
    const driver = await this.until(
      openDriver({
        disk: this.disk.mount(clock),
        clock,
        entropy: prng(6),
        procedures,
        label: "simulated",
        segmentBytes: 64 * 512,
      }),
    );
    const keyspace = embeddedKeyspace({ driver, clock, guarantee: FILE_GUARANTEE });
    void react(keyspace, clock, fireDue(procedures, prefixed), this.#reacting.signal);
    return { driver, keyspace };
  }

  /** Another process on it: a connection with a session of its own, opened at first use. */
  client(keyspace: Keyspace, service: string, ttlMs = 10_000): OnCommitment {
    const closing = new AbortController();
    let session: ReturnType<typeof openSession> | undefined;
    const commitment: CommitmentPlane = {
      keyspace,
      clock: this.clock,
      entropy: prng(service.length),
      identity: { service, host: "simulated", pid: 1 },
      prefix: "" as Bytes,
      session: () => (session ??= openSession(keyspace, this.clock, { ttlMs })),
      closing: closing.signal,
      busy: () => () => {},
      follow: (signals) => {
        const all = signals.filter((each) => each !== undefined);
        return { signal: AbortSignal.any(all), stop: () => {} };
      },
    };
    return { commitment };
  }

  /** Lets the machine run until `work` is settled. */
  async until<T>(work: Promise<T>): Promise<T> {
    let settled = false;
    const done = (): void => {
      settled = true;
    };
    work.then(done, done);
    for (await turn(); !settled; await turn())
      assert.ok(this.clock.step(), "nothing is left that could go on");
    return work;
  }

  /** Lets `ms` go by. */
  async pass(ms: number): Promise<void> {
    const until = this.clock.monotonicMs() + ms;
    do await turn();
    while (this.clock.step(until));
  }
}

async function turn(): Promise<void> {
  for (let at = 0; at < 24; at++) await Promise.resolve();
}
