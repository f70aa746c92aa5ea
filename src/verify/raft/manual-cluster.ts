/**
 * A Raft cluster in which nothing happens by itself: a test delivers, drops and repeats messages, flushes disks, gives
 * ticks. Elections draw no randomness: time-outs are the shortest.
 */
import { assert, must } from "../../base/assert.ts";
import type { Bytes } from "../../base/bytes.ts";
import { toArray } from "../../base/bytes.ts";
import type { Durable } from "../../protocols/agreement/raft/core.ts";
import type { Admitted, RaftInput } from "../../protocols/agreement/raft/inputs.ts";
import type { Message, MessageBody } from "../../protocols/agreement/raft/messages.ts";
import type { RaftOptions } from "../../protocols/agreement/raft/options.ts";
import type { Rules } from "../../protocols/agreement/raft/rules.ts";
import { RULES } from "../../protocols/agreement/raft/rules.ts";
import { Safety } from "./safety.ts";
import type { Observer } from "./sim-member.ts";
import { blank, SimMember } from "./sim-member.ts";

/** Which messages are meant; absent: any. */
export interface Which {
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  readonly kind?: MessageBody["kind"] | undefined;
}

export interface ManualOptions extends Partial<Omit<RaftOptions, "id">> {
  readonly rules?: Rules | undefined;
}

const ROUNDS_MAX = 200;

export class ManualCluster {
  readonly members: Map<number, SimMember> = new Map();
  readonly safety: Safety = new Safety();
  /** On their way. */
  wire: Message[] = [];
  readonly #options: ManualOptions;
  readonly #observer: Observer;
  readonly #cut = new Set<string>();

  constructor(voters: readonly number[], options: ManualOptions = {}, observer?: Observer) {
    this.#options = options;
    this.#observer = observer ?? this.safety;
    for (const id of voters) this.start(id, blank(voters));
  }

  /** Starts a member with what its storage holds; `blank([])` for one that is to join. */
  start(id: number, disk: Durable): SimMember {
    const { rules = RULES, ...options } = this.#options;
    const member = new SimMember({ random: () => 0, ...options, id, rules }, disk);
    member.observer = this.#observer;
    this.members.set(id, member);
    return member;
  }

  member(id: number): SimMember {
    return must(this.members.get(id), `member ${id} was started`);
  }

  step(id: number, input: RaftInput): Admitted | undefined {
    const admitted = this.member(id).step(input);
    this.collect();
    return admitted;
  }

  propose(id: number, value: string): Admitted | undefined {
    return this.step(id, { kind: "propose", data: toArray(value as Bytes) });
  }

  tick(id: number, count: number): void {
    for (let at = 0; at < count; at++) this.step(id, { kind: "tick", count: 1 });
  }

  /** Takes what members have sent onto the wire; cut links lose it. */
  collect(): void {
    for (const member of this.members.values()) {
      for (const message of member.out.splice(0))
        if (!this.#cut.has(`${message.from}>${message.to}`)) this.wire.push(message);
    }
  }

  /** Takes messages off the wire. */
  take(which: Which = {}): readonly Message[] {
    const isMeant = (message: Message): boolean => matches(message, which);
    const taken = this.wire.filter(isMeant);
    this.wire = this.wire.filter((message) => !isMeant(message));
    return taken;
  }

  /** Delivers what is on the wire now; returns it. */
  deliver(which: Which = {}): readonly Message[] {
    const taken = this.take(which);
    for (const message of taken) this.give(message);
    return taken;
  }

  /** Hands a message to its receiver, whether it is on the wire or not. */
  give(message: Message): void {
    if (this.members.has(message.to)) this.step(message.to, { kind: "message", message });
  }

  flush(id: number): void {
    this.member(id).flush();
    this.collect();
  }

  flushAll(): void {
    for (const member of this.members.values()) if (member.isUp) member.flush();
    this.collect();
  }

  /** Delivers and flushes until nothing is under way. */
  settle(): void {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      this.flushAll();
      if (this.deliver().length > 0) continue;
      const isIdle = [...this.members.values()].every(
        (member) => !member.isUp || member.pending === undefined,
      );
      if (isIdle) return;
    }
    throw new Error("the cluster does not come to rest");
  }

  /** Makes `id` the leader of a cluster that lets it. */
  elect(id: number): void {
    for (const member of this.members.values())
      if (member.isUp) member.step({ kind: "tick", count: 0 });
    this.step(id, { kind: "campaign" });
    this.settle();
  }

  /** Ticks at all members, each followed by all that comes of it: what was lost is sent again. */
  beat(ticks = 1): void {
    for (let at = 0; at < ticks; at++) {
      for (const { id, isUp } of this.members.values()) if (isUp) this.tick(id, 1);
      this.settle();
    }
  }

  /** What is sent that way from now on is lost. */
  cut(from: number, to: number): void {
    this.#cut.add(`${from}>${to}`);
  }

  isolate(id: number): void {
    for (const other of this.members.keys()) {
      this.cut(id, other);
      this.cut(other, id);
    }
  }

  heal(): void {
    this.#cut.clear();
  }

  leader(): number | undefined {
    const leaders = [...this.members.values()].filter(
      ({ isUp, raft }) => isUp && raft.role === "leader",
    );
    return leaders.sort((a, b) => b.raft.term - a.raft.term)[0]?.id;
  }
}

/** A cluster that member 1 leads, at rest. */
export function electedCluster(
  voters: readonly number[],
  options: ManualOptions = {},
): ManualCluster {
  const cluster = new ManualCluster(voters, options);
  cluster.elect(1);
  assert(cluster.leader() === 1, "a cluster at rest elects whoever stands");
  return cluster;
}

function matches(message: Message, { from, to, kind }: Which): boolean {
  return (
    (from === undefined || message.from === from) &&
    (to === undefined || message.to === to) &&
    (kind === undefined || message.kind === kind)
  );
}
