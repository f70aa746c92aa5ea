/** Clients of simulated registers: read, write, append, compare-and-set. */
import type { RegisterCall, RegisterValue } from "../history/calls.ts";
import type { Effect, World } from "./world.ts";

const VALUES = ["1", "2", "3", null] as const;

export class RegisterClients {
  readonly #world: World;
  readonly #keys: number;
  readonly #values = new Map<string, RegisterValue>();

  constructor(world: World, keys: number) {
    this.#world = world;
    this.#keys = keys;
  }

  client(process: string, calls: number): void {
    const next = (left: number): void => {
      if (left === 0) return;
      const call = this.#call();
      this.#world.call(
        process,
        call,
        () => this.#carryOut(call),
        () => this.#world.after(this.#world.delay(), () => next(left - 1)),
      );
    };
    this.#world.after(this.#world.delay(), () => next(calls));
  }

  #call(): RegisterCall {
    const { chance } = this.#world;
    const key = `r${chance.below(this.#keys)}`;
    const dice = chance.below(10);
    if (dice < 4) return { kind: "read", key };
    if (dice < 7) return { kind: "write", key, value: chance.pick(VALUES) };
    if (dice < 9) return { kind: "cas", key, from: chance.pick(VALUES), to: chance.pick(VALUES) };
    return { kind: "append", key, value: "+" };
  }

  #carryOut(call: RegisterCall): Effect {
    const key = call.key ?? "";
    const held = this.#values.get(key) ?? null;
    switch (call.kind) {
      case "read":
        return { answer: { value: held } };
      case "write":
        this.#values.set(key, call.value);
        return { answer: {} };
      case "append":
        this.#values.set(key, (held ?? "") + call.value);
        return { answer: {} };
      case "cas":
        if (held === call.from) this.#values.set(key, call.to);
        return { answer: { done: held === call.from } };
    }
  }
}
