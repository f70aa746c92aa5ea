/**
 * A small language for Raft scenarios: each command is answered by what it made happen, so that a file of commands and
 * answers reads as a story and a change of behaviour shows as a difference.
 *
 * Commands: `cluster 1 2 3 [append-bytes 1]` · `join 4` · `campaign 1` · `tick 1 3` · `propose 1 text` · `read 1 7` · `transfer 1 2` ·
 * `change 1 addLearner 4, promote 4, remove 2` · `deliver|drop|repeat [from 1] [to 2] [kind append]` · `flush 1|all` ·
 * `settle` · `cut 1 2` (one way) · `isolate 1` · `heal` · `lost 1 2` (1's connection to 2) · `crash 1 [kept]` · `restart 1` ·
 * `snapshot 1 [entries kept]` · `state [1 2]`. `#` begins a comment. Answers follow a line of four dashes.
 */
import type { Change } from "../../protocols/agreement/raft/configuration.ts";
import { isJoint, membersOf } from "../../protocols/agreement/raft/configuration.ts";
import { entryText } from "../../protocols/agreement/raft/fingerprint.ts";
import type { Admitted } from "../../protocols/agreement/raft/inputs.ts";
import type {
  Configuration,
  Message,
  MessageBody,
} from "../../protocols/agreement/raft/messages.ts";
import { NOBODY } from "../../protocols/agreement/raft/messages.ts";
import { messageText } from "./message-text.ts";
import type { Which } from "./manual-cluster.ts";
import { ManualCluster } from "./manual-cluster.ts";
import type { Observer } from "./sim-member.ts";
import { blank } from "./sim-member.ts";

const RULE = "----";

/** Runs a trace; returns it with the answers as they are now. */
export function runTrace(text: string): string {
  const player = new Player();
  return text
    .split(/\n{2,}/)
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map((part) => playPart(player, part))
    .join("\n\n")
    .concat("\n");
}

function playPart(player: Player, part: string): string {
  const lines = part.split("\n");
  const end = lines.indexOf(RULE);
  const asked = end < 0 ? lines : lines.slice(0, end);
  const commands = asked.filter((line) => !line.startsWith("#"));
  if (commands.length === 0) return asked.join("\n");
  const answers = commands.flatMap((command) => player.play(command));
  return [...asked, RULE, ...(answers.length === 0 ? ["nothing"] : answers)].join("\n");
}

class Player {
  #cluster = new ManualCluster([]);
  #lines: string[] = [];
  /** How many messages of the wire have been told. */
  #told = new Set<Message>();

  play(command: string): readonly string[] {
    this.#lines = [];
    const [verb = "", ...words] = command.trim().split(/\s+/);
    this.#act(verb, words);
    for (const message of this.#cluster.wire) {
      if (this.#told.has(message)) continue;
      this.#told.add(message);
      this.#lines.push(`  ${messageText(message)}`);
    }
    return this.#lines;
  }

  #act(verb: string, words: readonly string[]): void {
    const cluster = this.#cluster;
    const [id, second] = [Number(words[0]), Number(words[1])];
    const acts: Readonly<Record<string, () => void>> = {
      cluster: () => {
        const [members = "", bytes] = words.join(" ").split(" append-bytes ");
        const options = { electionTicks: 4, appendBytesMax: Number(bytes ?? 1 << 20) };
        this.#cluster = new ManualCluster(members.split(" ").map(Number), options, this.#observer);
      },
      join: () => void cluster.start(id, blank([])),
      campaign: () => this.#admitted(cluster.step(id, { kind: "campaign" })),
      tick: () => cluster.tick(id, Number.isNaN(second) ? 1 : second),
      propose: () => this.#admitted(cluster.propose(id, words.slice(1).join(" "))),
      read: () => this.#admitted(cluster.step(id, { kind: "read", id: second })),
      transfer: () => this.#admitted(cluster.step(id, { kind: "transfer", to: second })),
      change: () => this.#admitted(cluster.step(id, { kind: "change", changes: changesOf(words) })),
      lost: () => this.#admitted(cluster.step(id, { kind: "connectionLost", member: second })),
      deliver: () => this.#none(cluster.deliver(whichOf(words))),
      drop: () => this.#none(cluster.take(whichOf(words))),
      repeat: () => {
        const taken = cluster.take(whichOf(words));
        for (const message of [...taken, ...taken]) cluster.give(message);
      },
      flush: () => (words[0] === "all" ? cluster.flushAll() : cluster.flush(id)),
      settle: () => this.#settle(),
      cut: () => cluster.cut(id, second),
      isolate: () => cluster.isolate(id),
      heal: () => cluster.heal(),
      crash: () => cluster.member(id).crash(Number.isNaN(second) ? 0 : second),
      restart: () => cluster.member(id).restart(),
      snapshot: () => {
        cluster.member(id).snapshot(Number.isNaN(second) ? 0 : second);
        cluster.collect();
      },
      state: () => this.#state(words.map(Number)),
    };
    const act = acts[verb];
    if (act === undefined) throw new Error(`a trace has no command ${verb}`);
    act();
  }

  /** Round by round, so that the messages of each are told. */
  #settle(): void {
    const cluster = this.#cluster;
    for (let rounds = 0; rounds < 100; rounds++) {
      cluster.flushAll();
      const delivered = cluster.wire.slice();
      for (const message of delivered) {
        if (!this.#told.has(message)) this.#lines.push(`  ${messageText(message)}`);
        this.#told.add(message);
      }
      cluster.deliver();
      const isIdle = [...cluster.members.values()].every(
        (member) => !member.isUp || member.pending === undefined,
      );
      if (delivered.length === 0 && isIdle) return;
    }
    throw new Error("the cluster does not come to rest");
  }

  #none(messages: readonly Message[]): void {
    if (messages.length === 0) this.#lines.push("no such message");
  }

  #admitted(admitted: Admitted | undefined): void {
    if (admitted === undefined) return;
    if (admitted.ok) this.#lines.unshift(`admitted ${admitted.index}/${admitted.term}`);
    else this.#lines.unshift(`${admitted.failure.code}: ${admitted.failure.what}`);
  }

  #state(ids: readonly number[]): void {
    const shown = ids.length === 0 ? [...this.#cluster.members.keys()] : ids;
    for (const id of shown) {
      const { raft, isUp, state } = this.#cluster.member(id);
      if (!isUp) {
        this.#lines.push(`${id}: down`);
        continue;
      }
      const { log } = raft;
      const entries = log.slice(log.first, log.last, Infinity).map(entryText).join("").trim();
      const leader = raft.leader === NOBODY ? "nobody" : raft.leader;
      this.#lines.push(
        `${id}: ${raft.role} t${raft.term} vote ${raft.vote} leader ${leader} members ${configText(raft.config)}`,
        `   log ${log.first - 1}/${log.term(log.first - 1)} [${entries}] written ${log.written} commit ${log.commit} applied "${state}"`,
      );
      for (const [member, each] of raft.progress)
        this.#lines.push(
          `   ${member}: ${each.state} match ${each.match} next ${each.next} on the way ${each.sentMessages}`,
        );
    }
  }

  readonly #observer: Observer = {
    wrote: () => {},
    applied: (raft, entry) => this.#lines.push(`${raft.id} applies ${entryText(entry).trim()}`),
    stood: (raft) => {
      const led = raft.role === "follower" && raft.leader !== NOBODY ? ` of ${raft.leader}` : "";
      this.#lines.push(`${raft.id} is ${raft.role}${led} in term ${raft.term}`);
    },
    readConfirmed: (member, { id, index }) =>
      this.#lines.push(`${member} confirms read ${id} at ${index}`),
  };
}

function whichOf(words: readonly string[]): Which {
  const word = (name: string): string | undefined => {
    const at = words.indexOf(name);
    return at < 0 ? undefined : words[at + 1];
  };
  const number = (name: string): number | undefined => {
    const found = word(name);
    return found === undefined ? undefined : Number(found);
  };
  const kind = word("kind") as MessageBody["kind"] | undefined;
  return { from: number("from"), to: number("to"), kind };
}

function changesOf(words: readonly string[]): readonly Change[] {
  return words
    .slice(1)
    .join(" ")
    .split(",")
    .map((part) => {
      const [kind, member] = part.trim().split(" ");
      return { kind: kind as Change["kind"], member: Number(member) };
    });
}

function configText(config: Configuration): string {
  const outgoing = isJoint(config) ? ` from ${config.outgoing.join(" ")}` : "";
  const learners = config.learners.length === 0 ? "" : ` learning ${config.learners.join(" ")}`;
  return membersOf(config).length === 0
    ? "none"
    : `${config.voters.join(" ")}${outgoing}${learners}`;
}
