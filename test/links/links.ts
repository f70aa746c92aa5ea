/**
 * The links between the members of a cluster of processes, in a process of their own: whatever keeps the one that makes the load
 * busy delays no heartbeat.
 */
import type { ChildProcess } from "node:child_process";
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { LinkRule, Ruling } from "./rules.ts";
import { PASS } from "./rules.ts";

const PROCESS = fileURLToPath(new URL("process.js", import.meta.url));

type Order =
  | { readonly kind: "add"; readonly target: string; readonly port: number }
  | { readonly kind: "rename"; readonly called: string; readonly name: string }
  | { readonly kind: "rule"; readonly rulings: readonly Ruling[] };
export type LinkOrder = Order & { readonly id: number };
export interface LinkAnswer {
  readonly id: number;
  readonly port: number;
}

export class Links {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: LinkAnswer) => void>();
  readonly #names: string[] = [];
  #ids = 0;

  constructor() {
    this.#child = fork(PROCESS, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    this.#child.on("message", (answer: LinkAnswer) => {
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
  }

  /** Where others dial the member `name`, which listens at `port`. */
  async add(name: string, port: number): Promise<number> {
    this.#names.push(name);
    return await this.#order({ kind: "add", target: name, port });
  }

  /** Whoever says to be `called` is the member `name`. */
  async rename(called: string, name: string): Promise<void> {
    await this.#order({ kind: "rename", called, name });
  }

  /** Resolves when the rules hold. */
  async rule(...rulings: readonly Ruling[]): Promise<void> {
    await this.#order({ kind: "rule", rulings });
  }

  /** Both directions between `name` and each other member. */
  async around(name: string, rule: LinkRule): Promise<void> {
    const others = this.#names.filter((each) => each !== name);
    await this.rule(
      ...others.flatMap((other) => [
        { from: name, to: other, rule },
        { from: other, to: name, rule },
      ]),
    );
  }

  /** Everything passes again. */
  async heal(): Promise<void> {
    for (const name of this.#names) await this.around(name, PASS);
  }

  async close(): Promise<void> {
    this.#child.disconnect();
    await once(this.#child, "exit");
  }

  async #order(order: Order): Promise<number> {
    const id = ++this.#ids;
    const answered = new Promise<LinkAnswer>((resolve) => this.#waiting.set(id, resolve));
    this.#child.send({ ...order, id });
    return (await answered).port;
  }
}
