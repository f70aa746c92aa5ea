/**
 * The watches of a replica, over whatever its base is, and when they are delivered to: soon after something was applied,
 * in turns, behind what others wait for.
 */
import type { Failure } from "../base/errors.ts";
import type { Identity } from "../contract/auth.ts";
import type { WatchRequest } from "../contract/keyspace.ts";
import { openPermitted } from "../keyspace/auth/permitted-watch.ts";
import type { Base } from "../keyspace/base.ts";
import { WatchHub } from "../keyspace/watch-hub.ts";
import type { HubHandle, WatchSink } from "../keyspace/watcher.ts";
import type { Clock } from "../ports/clock.ts";

export class Deliveries {
  readonly #clock: Clock;
  #base: Base;
  #hub: WatchHub;
  #isScheduled = false;

  constructor(base: Base, clock: Clock) {
    this.#clock = clock;
    this.#base = base;
    this.#hub = new WatchHub(base, () => this.schedule());
  }

  /** Watches that are open. */
  get count(): number {
    return this.#hub.count;
  }

  open(request: WatchRequest, identity: Identity, sink: WatchSink): HubHandle {
    return openPermitted(this.#base, this.#hub, { request, identity }, sink);
  }

  schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#clock.soon(() => {
      this.#isScheduled = false;
      // What is left comes after what others are waiting for: a write, an answer.
      if (this.#hub.deliver()) this.#clock.soon(() => this.schedule());
    });
  }

  /** The whole state is another one: whoever follows it must begin anew from the revision that it has. */
  replaced(base: Base, reason: Failure): void {
    const hub = this.#hub;
    this.#base = base;
    this.#hub = new WatchHub(base, () => this.schedule());
    hub.endAll(reason);
    this.schedule();
  }

  /** Ends all watches with `reason`. */
  endAll(reason: Failure): void {
    this.#hub.endAll(reason);
  }
}
