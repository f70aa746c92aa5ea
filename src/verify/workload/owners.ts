/**
 * Processes that take turns in owning a lock or leading, lose what they own when they pause, and write to a resource that
 * checks tokens; others observe who leads.
 */
import type { Effect, World } from "./world.ts";

interface Place {
  readonly process: string;
  readonly place: number;
  /** Told when it owns. */
  served: () => void;
}

export interface OwnersOptions {
  readonly name: string;
  readonly noun: "lock" | "election";
}

export class Owners {
  readonly #world: World;
  readonly #options: OwnersOptions;
  /** The first one owns. */
  #line: Place[] = [];
  #revision = 1;
  #guard: { readonly token: number; readonly holder: string } = { token: 0, holder: "" };

  constructor(world: World, options: OwnersOptions) {
    this.#world = world;
    this.#options = options;
  }

  /** Starts a process that tries to own `times` times. */
  process(process: string, times: number): void {
    const next = (left: number): void => {
      if (left > 0)
        this.#turn(process, () => this.#world.after(this.#world.delay(), () => next(left - 1)));
    };
    this.#world.after(this.#world.delay(), () => next(times));
  }

  observer(process: string, times: number): void {
    const { name, noun } = this.#options;
    if (noun !== "election") return;
    const look = (left: number): void => {
      if (left === 0) return;
      const token = this.#line[0]?.place ?? null;
      this.#world.after(this.#world.delay(), () => {
        this.#world.record({ type: "observed", process, stream: `s-${process}`, name, token });
        look(left - 1);
      });
    };
    this.#world.after(this.#world.delay(), () => look(times));
  }

  #leave(mine: Place): boolean {
    const owned = this.#line[0] === mine;
    this.#line = this.#line.filter((each) => each !== mine);
    if (owned) this.#line[0]?.served();
    return owned;
  }

  #turn(process: string, done: () => void): void {
    const world = this.#world;
    const { name, noun } = this.#options;
    const mine: Place = { process, place: 0, served: () => {} };
    const answer = world.begin(process, { kind: noun === "lock" ? "acquire" : "campaign", name });
    world.after(world.delay(), () => {
      if (this.#line.length > 0 && world.percent(30)) {
        world.after(world.delay(), () => {
          answer({ answer: { token: null } });
          done();
        });
        return;
      }
      const own: Place = Object.assign(mine, { place: ++this.#revision });
      const owns = (): void => this.#owns(process, own, answer, done);
      own.served = owns;
      this.#line.push(own);
      if (this.#line[0] === own) owns();
    });
  }

  #owns(process: string, mine: Place, answer: (came: Effect) => void, done: () => void): void {
    const world = this.#world;
    const { name } = this.#options;
    const token = mine.place;
    if (!world.lossless && world.percent(8)) {
      // Its answer is lost and it crashes: the session ends by itself.
      world.after(world.delay() * 4, () => void this.#leave(mine));
      return;
    }
    world.after(world.delay(), () => {
      answer({ answer: { token, place: mine.place } });
      if (world.percent(20)) {
        // It pauses; its session ends meanwhile.
        world.after(world.delay() * 3, () => void this.#leave(mine));
        world.after(world.delay() * 3 + 40, () => {
          if (world.percent(50)) world.record({ type: "lost", process, name, token });
          this.#write(process, token, () => this.#release(process, mine, done));
        });
        return;
      }
      this.#write(process, token, () =>
        this.#write(process, token, () => this.#release(process, mine, done)),
      );
    });
  }

  #release(process: string, mine: Place, done: () => void): void {
    const { name, noun } = this.#options;
    const kind = noun === "lock" ? "release" : "resign";
    const call = { kind, name, token: mine.place } as const;
    let left = false;
    const leave = (): Effect => {
      left = true;
      return { answer: { held: this.#leave(mine) } };
    };
    this.#world.call(process, call, leave, () => {
      // Lost on the way, it is told again, or the session ends.
      if (!left) this.#world.after(this.#world.delay(), () => void this.#leave(mine));
      done();
    });
  }

  #write(process: string, token: number, done: () => void): void {
    const { name } = this.#options;
    const call = { kind: "guarded", resource: `of ${name}`, token, holder: process } as const;
    const effect = (): Effect => {
      const { token: last, holder } = this.#guard;
      const accepted = token > last || (token === last && holder === process);
      if (accepted) this.#guard = { token, holder: process };
      return { answer: { accepted } };
    };
    this.#world.call(process, call, effect, done);
  }
}
