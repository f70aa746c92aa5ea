/**
 * A client of a simulated cluster that watches: with or without previous values, now from here, now from the past or the
 * future, reading slowly at times, asking for progress, and going on at another member where one has left it.
 */
import type { Failure } from "../../base/errors.ts";
import { SYSTEM } from "../../contract/auth.ts";
import type { WatchBatch, WatchRequest } from "../../contract/keyspace.ts";
import { utf8 } from "../../base/bytes.ts";
import type { HubHandle, WatchSink } from "../../keyspace/watcher.ts";
import type { Asker } from "./asker.ts";
import { SCOPE } from "./keyspace-client.ts";
import type { Node } from "./node.ts";
import type { Life } from "./scheduler.ts";

const LOOK_MS = 60;

/** One watch at one member, for as long as both want. */
interface Stand {
  readonly name: string;
  readonly life: Life;
  handle: HubHandle | undefined;
  isOver: boolean;
}

export async function watchKeyspace(asker: Asker): Promise<void> {
  const watcher = new Watcher(asker);
  while (!asker.isStopped) {
    watcher.look();
    await asker.sleep(1 + asker.random.below(LOOK_MS));
  }
  await watcher.end();
}

class Watcher {
  readonly #asker: Asker;
  readonly #wants: Omit<WatchRequest, "startRevision">;
  /** The last one, and the revision up to which it had told everything; undefined: it begins anew. */
  #last: { readonly name: string; readonly complete: number } | undefined;
  #stand: Stand | undefined;
  #isSlow = false;

  constructor(asker: Asker) {
    const { random } = asker;
    this.#asker = asker;
    const without = random.chance(1, 6) ? random.pick(["put", "delete"] as const) : undefined;
    this.#wants = {
      ...(random.chance(2, 3) ? SCOPE : { key: utf8("h/0") }),
      prevKv: random.chance(1, 2),
      fragment: random.chance(1, 4),
      without,
    };
    this.#isSlow = random.chance(1, 2);
  }

  /** Sees to it that something is watched; now and then asks for progress, or goes elsewhere. */
  look(): void {
    const { random } = this.#asker;
    const stand = this.#stand;
    if (stand?.life.isOver === true) this.#over(stand, undefined);
    if (this.#stand === undefined) {
      const node = this.#asker.someNode();
      if (node?.life !== undefined) this.#begin(node, node.life);
    } else if (random.chance(1, 3)) this.#at(this.#stand, ({ handle }) => handle?.progress());
    else if (random.chance(1, 12)) this.#leave(this.#stand);
  }

  /** Waits for what has been told by then; a watch that is left says nothing more. */
  async end(): Promise<void> {
    await this.#asker.sleep(LOOK_MS);
    if (this.#stand !== undefined) this.#leave(this.#stand);
  }

  #at(stand: Stand, act: (stand: Stand) => void): void {
    const { scheduler } = this.#asker.world;
    scheduler.at(
      scheduler.nowMs + 0.2,
      () => {
        if (!stand.isOver) act(stand);
      },
      stand.life,
    );
  }

  #begin(node: Node, life: Life): void {
    const { recording, facts } = this.#asker.world;
    const { random } = this.#asker;
    const name = recording.watchName();
    const last = this.#last;
    const anew = random.pick([undefined, facts.revision - random.below(15), facts.revision + 4]);
    const from = last === undefined ? anew : last.complete + 1;
    const startRevision = from === undefined ? undefined : Math.max(1, from);
    const stand: Stand = { name, life, handle: undefined, isOver: false };
    this.#stand = stand;
    recording.tell({
      type: "watch",
      process: `c${this.#asker.id}`,
      watch: name,
      ...this.#wants,
      from: startRevision,
      resumes: last?.name,
    });
    this.#last = startRevision === undefined ? undefined : { name, complete: startRevision - 1 };
    this.#at(stand, () => {
      stand.handle = node.driver?.watch(
        { ...this.#wants, startRevision },
        this.#sink(stand),
        SYSTEM,
      );
    });
  }

  #sink(stand: Stand): WatchSink {
    const { recording } = this.#asker.world;
    return {
      started: (revision) => {
        if (stand.isOver) return;
        recording.tell({ type: "watching", watch: stand.name, revision });
        this.#last ??= { name: stand.name, complete: revision };
      },
      batch: (batch) => !stand.isOver && this.#batch(stand, batch),
      ended: (failure) => this.#over(stand, failure),
    };
  }

  #batch(stand: Stand, { revision, events, partial }: WatchBatch): boolean {
    const { random, world } = this.#asker;
    world.recording.tell({ type: "batch", watch: stand.name, revision, events, partial });
    if (!partial) this.#last = { name: stand.name, complete: revision };
    if (!this.#isSlow || random.chance(1, 2)) return true;
    world.scheduler.at(
      world.scheduler.nowMs + random.below(150),
      () => stand.handle?.resume(),
      stand.life,
    );
    return false;
  }

  #leave(stand: Stand): void {
    const { scheduler } = this.#asker.world;
    this.#over(stand, undefined);
    scheduler.at(scheduler.nowMs, () => stand.handle?.cancel(), stand.life);
  }

  #over(stand: Stand, failure: Failure | undefined): void {
    if (stand.isOver) return;
    stand.isOver = true;
    this.#stand = undefined;
    // What is compacted is not told any more: whoever wants to go on begins anew.
    if (failure?.code === "COMPACTED") this.#last = undefined;
    const { recording } = this.#asker.world;
    recording.tell({ type: "watch-ended", watch: stand.name, code: failure?.code });
  }
}
