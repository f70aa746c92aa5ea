/** A simulated cluster without faults and clients, and what tests of rules do with it. */
import { assert } from "../../base/assert.ts";
import { utf8 } from "../../base/bytes.ts";
import { SYSTEM } from "../../contract/auth.ts";
import type { Formats } from "../../contract/formats.ts";
import type { Reply, Request } from "../../contract/requests.ts";
import type { Driver } from "../../driver/face.ts";
import type { MemberOrder } from "../../replica/members.ts";
import { NO_FAULTS } from "./faults.ts";
import type { Node } from "./node.ts";
import { ELECTION_MS } from "./node.ts";
import type { Shape } from "./run.ts";
import { ClusterRun } from "./run.ts";

export const put = (key: string, value = "x"): Request => ({
  kind: "put",
  key: utf8(key),
  value: utf8(value),
});
export const range = (key: string): Request => ({ kind: "range", key: utf8(key) });

export class Calm extends ClusterRun {
  constructor(
    options: {
      readonly seed?: number;
      readonly members?: number;
      readonly shape?: Partial<Shape>;
      readonly formats?: Formats;
    } = {},
  ) {
    const { seed = 1, members = 3, shape, formats } = options;
    const shaped = { electionMs: ELECTION_MS, ...shape };
    const answers = { timeoutMs: 700, answerMs: 1 };
    super({ seed, members, clients: 0, faults: NO_FAULTS, shape: shaped, answers, formats });
  }

  /** Lets time go by until `holds`. */
  async until(what: string, holds: () => boolean, limitMs = 10_000): Promise<number> {
    const began = this.scheduler.nowMs;
    while (!holds()) {
      assert(
        this.scheduler.nowMs - began < limitMs,
        `not in ${limitMs} ms: ${what}; ${this.draw()}`,
      );
      await this.pass(1);
    }
    return this.scheduler.nowMs - began;
  }

  /** Whoever leads and serves, other than `but`. */
  async led(but?: Node): Promise<Node> {
    let found: Node | undefined;
    await this.until("somebody leads", () => {
      const node = this.leader();
      found = node === but ? undefined : node;
      return found !== undefined;
    });
    const node = found as Node;
    await this.until("it serves", () => this.#serves(node));
    return node;
  }

  #served = new WeakMap<Node, boolean>();
  #serves(node: Node): boolean {
    node.driver?.submit(range("none"), undefined, ({ ok }) => this.#served.set(node, ok), SYSTEM);
    const serves = this.#served.get(node) === true;
    if (serves) this.#served.delete(node);
    return serves;
  }

  /** Lets time go by until `work` is settled. */
  async settled<T>(work: Promise<T>): Promise<T> {
    let isSettled = false;
    const done = (): void => {
      isSettled = true;
    };
    work.then(done, done);
    await this.until("it is settled", () => isSettled);
    return work;
  }

  others(node: Node): readonly Node[] {
    return this.nodes.filter((each) => each !== node);
  }

  async ok(node: Node, request: Request): Promise<Reply & { readonly ok: true }> {
    const reply = await this.ask(must(node.driver), request);
    if (!reply.ok) throw new Error(`${reply.failure.code}: ${reply.failure.what}`);
    return reply;
  }

  async ordered(order: MemberOrder): Promise<Reply> {
    let reply: Reply | undefined;
    this.leader()?.driver?.order(order, (given) => (reply = given), SYSTEM);
    await this.until(`${order.kind} is answered`, () => reply !== undefined);
    return reply as unknown as Reply;
  }

  /** Asks until the answer is good: what is to come may take its time. */
  async orderedInTheEnd(order: MemberOrder): Promise<void> {
    for (let at = 0; at < 200; at++) {
      const reply = await this.ordered(order);
      if (reply.ok) return;
      assert(
        ["CONTENTION", "NOT_LEADER", "LEADER_CHANGED"].includes(reply.failure.code),
        reply.failure.what,
      );
      await this.pass(20);
      await this.led();
    }
    throw new Error(`${order.kind} never came about`);
  }
}

export function must(driver: Driver | undefined): Driver {
  assert(driver !== undefined, "it is up");
  return driver;
}
