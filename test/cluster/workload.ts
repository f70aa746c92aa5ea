/**
 * A client of a cluster while its members come and go: it holds a lock, leads an election, watches, and writes one key after
 * another. At the end everything that was acknowledged is there once, the watch has told of each change once and in order, and
 * the lock was held and the election led all along, in the eyes of another client too.
 */
import assert from "node:assert/strict";
import { text, utf8 } from "../../src/base/bytes.ts";
import type { Bytes } from "../../src/base/bytes.ts";
import { QuorateError } from "../../src/base/errors.ts";
import { connect } from "../../src/sdk/index.ts";
import type { Quorate } from "../../src/sdk/index.ts";
import { until } from "../until.ts";

let begun = 0;

type Lock = Awaited<ReturnType<ReturnType<Quorate["lock"]>["acquire"]>>;
type Leadership = Awaited<ReturnType<ReturnType<Quorate["election"]>["campaign"]>>;

interface Party {
  readonly q: Quorate;
  /** Looks at who leads, through a connection of its own. */
  readonly observer: Quorate;
  readonly held: Lock;
  readonly leads: Leadership;
}

export class Workload {
  readonly q: Quorate;
  /** Of its keys: another's are not its own. */
  readonly #prefix = `work${++begun}/`;
  readonly acknowledged: string[] = [];
  readonly failures: string[] = [];
  /** Keys in the order in which the watch told of them. */
  readonly seen: { readonly key: string; readonly revision: number }[] = [];
  readonly #party: Party;
  /** Tokens of who leads, as the other client was told. */
  readonly #led: (number | undefined)[] = [];
  /** Ends the writing; the watch goes on until it has told of everything. */
  readonly #enough = new AbortController();
  readonly #stop = new AbortController();
  readonly #writing: Promise<void>;
  readonly #watching: Promise<unknown>;
  /** The longest time between two acknowledgements, ms. */
  slowestMs = 0;
  #lost: unknown;

  private constructor(party: Party) {
    this.q = party.q;
    this.#party = party;
    for (const { signal } of [party.held, party.leads])
      signal.addEventListener("abort", () => (this.#lost ??= signal.reason));
    this.#watching = Promise.all([this.#watch(), this.#observe()]);
    this.#writing = this.#write();
  }

  static async begin(url: string, sessionTtlMs = 10_000): Promise<Workload> {
    const q = await connect(url, { sessionTtlMs, service: "workload" });
    const observer = await connect(url, { service: "observer" });
    const held = await q.lock("the lock").acquire();
    const leads = await q.election("the election").campaign({ value: "the only one" });
    return new Workload({ q, observer, held, leads });
  }

  /** Disturbs what a client is at work on, and looks at what came of it: it goes on, and holds its lock as before. */
  static async under(url: string, disturb: (work: Workload) => Promise<void>): Promise<void> {
    const work = await Workload.begin(url);
    try {
      await work.goesOn(20);
      const { token } = work;
      await disturb(work);
      await work.verify();
      assert.equal(work.token, token);
    } finally {
      await work.close();
    }
  }

  get token(): number {
    return this.#party.held.token;
  }

  /** Resolves when `count` more writes have been acknowledged. */
  async goesOn(count: number): Promise<void> {
    const from = this.acknowledged.length;
    await until(
      () => this.acknowledged.length >= from + count,
      () =>
        `${this.acknowledged.length - from} of ${count} acknowledged; ${this.failures.slice(-3).join("; ")}; lost: ${String(this.#lost)}`,
    );
  }

  /** Ends and looks at what came of it. */
  async verify(): Promise<void> {
    this.#enough.abort();
    await this.#writing;
    const last = this.acknowledged.at(-1) ?? assert.fail("nothing was acknowledged");
    await until(
      () => this.seen.some(({ key }) => key === last),
      () => `the watch is at ${this.seen.at(-1)?.key}, ${last} was written`,
    );
    this.#stop.abort();
    await this.#watching;
    const { held, leads } = this.#party;
    assert.equal(this.#lost, undefined, `the lock or the lead was lost: ${String(this.#lost)}`);
    held.assertHeld();
    leads.assertHeld();
    assert.deepEqual(new Set(this.#led), new Set([leads.token]), "the election was led by one");
    assert.deepEqual(this.failures, []);
    const all = { kind: "range", ...this.#range } as const;
    const { kvs } = await this.q.commitment.keyspace.call(all);
    const versions = new Map(kvs.map(({ key, version }) => [text(key), version]));
    for (const key of this.acknowledged)
      assert.equal(
        versions.get(key),
        1,
        `${key} was acknowledged and is there ${versions.get(key)} times`,
      );
    assert.equal(
      new Set(this.seen.map(({ key }) => key)).size,
      this.seen.length,
      "none is told twice",
    );
    const revisions = this.seen.map(({ revision }) => revision);
    assert.deepEqual(
      revisions,
      revisions.toSorted((a, b) => a - b),
      "in order",
    );
    for (const key of this.acknowledged)
      assert.ok(
        this.seen.some((each) => each.key === key),
        `${key} was not told`,
      );
  }

  async close(): Promise<void> {
    this.#enough.abort();
    this.#stop.abort();
    await Promise.all([this.q.close(), this.#party.observer.close()]);
    await Promise.allSettled([this.#writing, this.#watching]);
  }

  get #range(): { readonly key: Bytes; readonly end: Bytes } {
    return { key: utf8(this.#prefix), end: utf8(this.#prefix.replace(/\/$/, "0")) };
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stop;
    const request = { ...this.#range, startRevision: 1 };
    for await (const { events } of this.q.commitment.keyspace.watch(request, { signal }))
      for (const { kv } of events) this.seen.push({ key: text(kv.key), revision: kv.modRevision });
  }

  async #observe(): Promise<void> {
    const { signal } = this.#stop;
    const election = this.#party.observer.election("the election");
    for await (const leader of election.observe({ signal })) this.#led.push(leader?.token);
  }

  async #write(): Promise<void> {
    let at = performance.now();
    for (let n = 0; !this.#enough.signal.aborted; n++) {
      const key = `${this.#prefix}${String(n).padStart(6, "0")}`;
      const put = { kind: "put", key: utf8(key), value: "x" as Bytes } as const;
      try {
        await this.q.commitment.keyspace.call(put, { timeoutMs: 20_000 });
        this.acknowledged.push(key);
        this.slowestMs = Math.max(this.slowestMs, performance.now() - at);
        at = performance.now();
      } catch (error) {
        if (!QuorateError.is(error)) throw error;
        this.failures.push(error.message);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  }
}
