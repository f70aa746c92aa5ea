/** One replica whose machine is the test: it hears what the test says, its disk is as quick as the test wants. */
import type { HeadOptions } from "../../src/keyspace/head.ts";
import { procedureSet } from "../../src/contract/procedure.ts";
import type { Reply } from "../../src/contract/requests.ts";
import { Base } from "../../src/keyspace/base.ts";
import { KeyspaceTime } from "../../src/keyspace/keyspace-time.ts";
import type {
  Configuration,
  Message,
  MessageBody,
} from "../../src/protocols/agreement/raft/messages.ts";
import type { Raft } from "../../src/protocols/agreement/raft/raft.ts";
import { startRaft } from "../../src/protocols/agreement/raft/raft.ts";
import type { ReplicaInput, ReplicaOutput } from "../../src/replica/inputs.ts";
import { Replica } from "../../src/replica/replica.ts";

const NOW = { monotonicMs: 0, wallMs: 1_700_000_000_000 };
const FOREVER = {
  historyMs: Infinity,
  historyBytes: Infinity,
  historyRevisions: Infinity,
  callerIdleMs: Infinity,
};
const HEAD: HeadOptions = {
  procedures: procedureSet([]),
  quotaBytes: 1 << 30,
  minLeaseTtlMs: 1_000,
  leaseId: () => 1n,
};

export interface HostOptions {
  readonly id: number;
  readonly config: Configuration;
  readonly tailBytes?: number;
  readonly readsMax?: number;
  /** What the machine does with an output; absent: writes end at once. */
  readonly heed?: (output: ReplicaOutput) => readonly ReplicaInput[];
}

export class Host {
  readonly replica: Replica;
  readonly raft: Raft;
  readonly replies = new Map<number, Reply>();
  /** What it sent and nobody took yet. */
  sent: Message[] = [];
  readonly #id: number;
  readonly #heed: (output: ReplicaOutput) => readonly ReplicaInput[];

  constructor({ id, config, tailBytes = 1 << 20, readsMax, heed }: HostOptions) {
    const base = new Base();
    base.members.configure(config);
    this.raft = startRaft(
      { id, random: () => 0, ...(readsMax === undefined ? {} : { readsMax }) },
      {
        hardState: { term: 0, vote: 0 },
        snapshot: { index: 0, term: 0, source: id, config },
        entries: [],
      },
    );
    const time = KeyspaceTime.resume(0, NOW.monotonicMs, NOW.wallMs);
    const parts = { raft: this.raft, base, head: HEAD, time, retention: FOREVER };
    this.replica = new Replica({ ...parts, logged: true, tailBytes });
    this.#id = id;
    this.#heed = heed ?? written;
  }

  step(input: ReplicaInput): void {
    const inputs = [input];
    for (let next = inputs.shift(); next !== undefined; next = inputs.shift()) {
      for (const output of this.replica.step(next, NOW)) {
        if (output.kind === "send") this.sent.push(...output.messages);
        else if (output.kind === "reply") this.replies.set(output.id, output.reply);
        else inputs.push(...this.#heed(output));
      }
      if (this.replica.behind) inputs.unshift({ kind: "apply" });
    }
  }

  /** It hears `body` from another member, in its own term unless the test says of which. */
  hear(from: number, body: MessageBody, term: number = this.raft.term): void {
    this.step({ kind: "message", message: { from, to: this.#id, term, ...body } as Message });
  }
}

/** A disk that is quick. */
export function written(output: ReplicaOutput): readonly ReplicaInput[] {
  return output.kind === "write" ? [{ kind: "written", ticket: output.ticket }] : [];
}
