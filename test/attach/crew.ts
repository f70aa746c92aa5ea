/** The processes of a test on one data directory, and the resource that their shared lock guards. */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { guard } from "../../src/sdk/selection.ts";
import { until } from "../until.ts";
import type { FromMember, ToMember } from "./messages.ts";

export class Member {
  readonly name: string;
  readonly child: ChildProcess;
  readonly acknowledged = new Set<number>();
  /** Of its own lock; 0 until it has it. */
  token = 0;
  /** The highest token that anybody had before it started. */
  readonly floor: number;
  slowestMs = 0;
  ended: (FromMember & { readonly kind: "ended" }) | undefined;
  readonly exited: Promise<number | null>;

  constructor(name: string, child: ChildProcess, floor: number) {
    this.floor = floor;
    this.name = name;
    this.child = child;
    this.exited = once(child, "exit").then(([code]) => code as number | null);
  }

  get pid(): number {
    return this.child.pid ?? assert.fail(`${this.name} did not start`);
  }

  tell(message: ToMember): void {
    // It may have been killed since it asked; then there is nobody to tell.
    if (this.child.connected) this.child.send(message, () => {});
  }
}

export class Crew {
  readonly directory: string;
  readonly #ttlMs: number;
  readonly alive = new Set<Member>();
  /** Who is inside what the shared lock guards. */
  inside: Member | undefined;
  readonly #overtaken = new Map<Member, Member>();
  readonly faults: string[] = [];
  /** How often somebody was inside. */
  entered = 0;
  readonly #resource = guard("resource");
  #count = 0;
  #highest = 0;

  constructor(directory: string, ttlMs: number) {
    this.directory = directory;
    this.#ttlMs = ttlMs;
  }

  add(): Member {
    const name = `m${this.#count++}`;
    const args = [this.directory, name, String(this.#ttlMs)];
    const member = new Member(
      name,
      fork(join(import.meta.dirname, "member.js"), args),
      this.#highest,
    );
    this.alive.add(member);
    member.child.on("message", (message: FromMember) => this.#heed(member, message));
    return member;
  }

  /** Kills `member` and waits until it is gone. */
  async kill(member: Member): Promise<void> {
    this.alive.delete(member);
    member.child.kill("SIGKILL");
    await member.exited;
    if (this.inside === member) this.inside = undefined;
  }

  /** The member that the directory says is serving. */
  async serving(): Promise<Member> {
    const found = (): Member | undefined => {
      const pid = holderPid(this.directory);
      return [...this.alive].find((member) => member.pid === pid);
    };
    return await until(found, () => "no member serves");
  }

  /** Waits until each member has had `count` more acknowledgements, all of which it asked for after now. */
  async progress(count: number): Promise<void> {
    const goals = [...this.alive].map((member) => [member, member.acknowledged.size + count]);
    for (const [member, goal] of goals as [Member, number][]) {
      const goesOn = (): boolean => {
        assert.equal(member.child.exitCode, null, `${member.name} ended`);
        return member.token > 0 && member.acknowledged.size >= goal;
      };
      await until(goesOn, () => `${member.name} does not go on`);
    }
  }

  #heed(member: Member, message: FromMember): void {
    switch (message.kind) {
      case "held":
        member.token = message.token;
        this.#highest = Math.max(this.#highest, message.token);
        return;
      case "done":
        member.acknowledged.add(message.number);
        member.slowestMs = Math.max(member.slowestMs, message.tookMs);
        return;
      case "ended":
        member.ended = message;
        return;
      case "enter":
        // A message that was under way when its sender was killed.
        if (!this.alive.has(member)) return;
        // Then the one inside must have known that it was the owner no more.
        if (this.inside !== undefined) this.#overtaken.set(this.inside, member);
        try {
          this.#resource.admit(message.token, member.name);
        } catch {
          // Refused by its token: it must know by the time it leaves.
          this.#overtaken.set(member, member);
        }
        this.inside = member;
        this.entered++;
        return member.tell({ kind: "go", id: message.id });
      case "leave":
        if (this.#overtaken.has(member) && !message.lost)
          this.faults.push(
            `${this.#overtaken.get(member)?.name} entered while ${member.name} was inside`,
          );
        this.#overtaken.delete(member);
        if (this.inside === member) this.inside = undefined;
        return member.tell({ kind: "go", id: message.id });
    }
  }
}

export function holderPid(directory: string): number {
  try {
    const read = JSON.parse(readFileSync(join(directory, "holder.json"), "utf8")) as {
      readonly pid: number;
    };
    return read.pid;
  } catch {
    return 0;
  }
}
