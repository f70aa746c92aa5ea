/**
 * A simulated watch: it lags, tells progress, splits batches at revisions or, if asked, within one, breaks and resumes.
 */
import type { Bytes } from "../../base/bytes.ts";
import type { WatchEvent } from "../../contract/keyspace.ts";
import type { KeyspaceTwin } from "../keyspace-twin.ts";
import type { World } from "./world.ts";

export interface WatcherOptions {
  readonly process: string;
  readonly key: Bytes;
  readonly end?: Bytes | undefined;
  readonly prevKv: boolean;
  readonly fragment: boolean;
  readonly without: "put" | "delete" | undefined;
}

export class Watcher {
  readonly #world: World;
  readonly #twin: KeyspaceTwin;
  readonly #newName: () => string;
  readonly #options: WatcherOptions;
  #name = "";
  /** Everything up to here was delivered. */
  #at = 0;

  constructor(world: World, twin: KeyspaceTwin, newName: () => string, options: WatcherOptions) {
    this.#world = world;
    this.#twin = twin;
    this.#newName = newName;
    this.#options = options;
  }

  start(batches: number): void {
    this.#world.after(this.#world.delay(), () => this.#ask(batches, undefined));
  }

  #ask(left: number, resumes: string | undefined): void {
    const watch = this.#newName();
    this.#name = watch;
    const past = this.#world.percent(30) ? 1 : undefined;
    const from = resumes === undefined ? past : this.#at + 1;
    this.#world.record({ type: "watch", watch, ...this.#options, from, resumes });
    this.#world.after(this.#world.delay(), () => {
      const { revision } = this.#twin;
      this.#at = from === undefined ? revision : from - 1;
      this.#world.after(this.#world.delay(), () => {
        this.#world.record({ type: "watching", watch, revision });
        this.#deliver(left);
      });
    });
  }

  #deliver(left: number): void {
    const world = this.#world;
    if (left === 0) return;
    if (world.percent(12)) {
      const watch = this.#name;
      world.record({ type: "watch-ended", watch, code: "UNAVAILABLE" });
      world.after(world.delay(), () => this.#ask(left - 1, watch));
      return;
    }
    const to = this.#at + world.chance.below(this.#twin.revision - this.#at + 1);
    this.#tell(to);
    world.after(world.delay() * 2, () => this.#deliver(left - 1));
  }

  #tell(to: number): void {
    if (to <= this.#at && !this.#world.percent(20)) return;
    const request = { ...this.#options, startRevision: this.#at + 1 };
    const events = this.#twin
      .watched(request, this.#at + 1)
      .filter(({ kv }) => kv.modRevision <= to);
    const watch = this.#name;
    const parts = this.#options.fragment ? this.#split(events) : [];
    for (const [part, revision] of parts)
      this.#world.record({ type: "batch", watch, revision, events: part, partial: true });
    const rest = events.slice(parts.reduce((sum, [part]) => sum + part.length, 0));
    this.#world.record({ type: "batch", watch, revision: to, events: rest });
    this.#at = to;
  }

  /** All but the last event one by one. */
  #split(events: readonly WatchEvent[]): readonly (readonly [readonly WatchEvent[], number])[] {
    return events.slice(0, -1).map((event) => [[event], event.kv.modRevision] as const);
  }
}
