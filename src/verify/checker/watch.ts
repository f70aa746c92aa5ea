/**
 * The guarantees of watches: ordered, unique, reliable, atomic, resumable, true progress, right values and previous values.
 *
 * Each watch is compared with all changes that are known: those of the replay and those that any watch told.
 *
 * Invariants: I1 a watch owes every change of its range from its start to the last revision that it said was complete.
 * I2 an event without its previous value is right if the key was new, or if a compaction may have dropped it.
 * Source: etcd, "KV API guarantees", section on watch, and its robustness tests. Leaves out: how soon events come.
 */
import type { Bytes } from "../../base/bytes.ts";
import type { WatchEvent } from "../../contract/keyspace.ts";
import type { Delivered, History, Placed, WatchStream } from "../history/history.ts";
import { ChangeIndex } from "./change-index.ts";
import { difference, shownValue } from "./difference.ts";
import type { KeyspaceVerdict } from "./keyspace.ts";
import { SINCE } from "./keyspace-order.ts";
import { covers } from "./keyspace-state.ts";
import { Findings, type Verdict } from "./verdict.ts";

/** A compaction that was asked for and not refused. */
interface Compaction {
  readonly invoked: number;
  readonly revision: number;
}

export function checkWatches(
  history: History,
  keyspace: KeyspaceVerdict | undefined,
): Verdict | undefined {
  if (history.watches.length === 0) return undefined;
  const findings = new Findings();
  const replayed = keyspace?.replay?.state;
  // Where others write elsewhere, the replay knows the declared scope only, and so does a watch that stays within it.
  const scope =
    replayed === undefined
      ? []
      : (history.header.scope ?? [{ key: "" as Bytes, end: "\0" as Bytes }]);
  const context: Context = {
    index: new ChangeIndex(replayed, history.watches),
    knows: (key) => scope.some((each) => covers(each, key)),
    replayed: new ChangeIndex(replayed, []),
    since: history.header.since ?? SINCE,
    compactions: history.operations.flatMap(({ call, invoked, outcome }) =>
      call.kind === "compact" && outcome.kind !== "definite"
        ? [{ invoked, revision: call.revision }]
        : [],
    ),
    findings,
  };
  const ends = new Map<string, number>();
  let events = 0;
  for (const watch of history.watches) {
    const checked = new WatchCheck(watch, context, ends.get(watch.asked.resumes ?? ""));
    checked.run();
    ends.set(watch.asked.watch, checked.complete);
    events += checked.events;
  }
  return findings.verdict("watch", { watches: history.watches.length, events });
}

interface Context {
  readonly index: ChangeIndex;
  readonly replayed: ChangeIndex;
  /** Whether the replay knows every change of a key. */
  readonly knows: (key: Bytes) => boolean;
  readonly since: number;
  readonly compactions: readonly Compaction[];
  readonly findings: Findings;
}

class WatchCheck {
  readonly #watch: WatchStream;
  readonly #context: Context;
  /** Up to where the watch that this one goes on with had told everything. */
  readonly #resumedAt: number | undefined;
  readonly #told = new Set<string>();
  readonly #newest = new Map<Bytes, WatchEvent>();
  /** Revision of the last event. */
  #last = 0;
  /** Everything up to here is said to be delivered. */
  complete: number;
  events = 0;

  constructor(watch: WatchStream, context: Context, resumedAt: number | undefined) {
    this.#watch = watch;
    this.#context = context;
    this.#resumedAt = resumedAt;
    const from = this.#from;
    this.complete = from === undefined ? 0 : from - 1;
  }

  /** First revision that it owes; undefined where nobody knows. */
  get #from(): number | undefined {
    const { asked, stands } = this.#watch;
    return asked.from ?? (stands === undefined ? undefined : stands.revision + 1);
  }

  run(): void {
    this.#start();
    for (const batch of this.#watch.batches) this.#batch(batch);
    this.#reliable();
  }

  #breach(rule: string, what: string, place: number): void {
    const { watch } = this.#watch.asked;
    this.#context.findings.add({
      rule: `HIST-WATCH-${rule}`,
      what: `watch ${watch}: ${what}`,
      place,
      operations: [],
      watch,
    });
  }

  #start(): void {
    const from = this.#from;
    const { asked } = this.#watch;
    if (this.#resumedAt === undefined || from === undefined || from <= this.#resumedAt + 1) return;
    const what = `goes on at revision ${from}, though ${asked.resumes} had told everything only up to ${this.#resumedAt}`;
    this.#breach("RESUMABLE", what, asked.place);
  }

  #batch(batch: Placed<Delivered>): void {
    const { revision, partial, events, place } = batch;
    const complete = this.complete;
    for (const event of events) this.#event(event, complete, batch);
    if (partial === true) {
      if (this.#watch.asked.fragment !== true)
        this.#breach("ATOMIC", `splits revision ${revision} without having been asked to`, place);
      return;
    }
    if (revision < this.#last)
      this.#breach("PROGRESS", `says revision ${revision} after events of ${this.#last}`, place);
    else if (revision < complete)
      this.#breach("PROGRESS", `goes back from revision ${complete} to ${revision}`, place);
    this.complete = Math.max(complete, revision);
  }

  #event(event: WatchEvent, complete: number, { place }: Placed<Delivered>): void {
    this.events++;
    const { kv, kind } = event;
    const { key, modRevision } = kv;
    const name = `${shownValue(key)} of revision ${modRevision}`;
    const id = `${modRevision} ${key}`;
    const { asked } = this.#watch;
    if (this.#told.has(id)) this.#breach("UNIQUE", `told ${name} twice`, place);
    else if (modRevision < this.#last)
      this.#breach("ORDERED", `told ${name} after revision ${this.#last}`, place);
    else if (modRevision === this.#last && modRevision <= complete)
      this.#breach("ATOMIC", `told ${name} apart from the rest of its revision`, place);
    else if (modRevision <= complete)
      this.#breach(
        "PROGRESS",
        `told ${name} after it had said that ${complete} was complete`,
        place,
      );
    else if (!covers(asked, key) || kind === asked.without)
      this.#breach("RANGE", `told ${name}, which it was not asked for`, place);
    else this.#content(event, name, place);
    this.#told.add(id);
    this.#last = Math.max(this.#last, modRevision);
    this.#newest.set(key, event);
  }

  /** Whether the event is what happened. */
  #content(event: WatchEvent, name: string, place: number): void {
    const { index, replayed, knows } = this.#context;
    const { key, modRevision } = event.kv;
    if (knows(key) && replayed.at(key, modRevision) === undefined) {
      this.#breach("RELIABLE", `told ${name}, which did not happen`, place);
      return;
    }
    const wanted = index.at(key, modRevision)?.kv;
    const said = event.kind === "put" ? event.kv : undefined;
    const wrong = difference(said, wanted);
    if (wrong !== undefined) this.#breach("VALUE", `told ${name} wrongly: ${wrong}`, place);
    else if (this.#watch.asked.prevKv === true) this.#previous(event, name, place);
  }

  #previous({ kv, prevKv }: WatchEvent, name: string, place: number): void {
    const { index, knows, compactions } = this.#context;
    const own = this.#newest.get(kv.key);
    const known = knows(kv.key);
    if (!known && own === undefined) return;
    const ownKv = own?.kind === "put" ? own.kv : undefined;
    const wanted = known ? index.before(kv.key, kv.modRevision) : ownKv;
    if (prevKv === undefined && wanted !== undefined) {
      const dropped = compactions.some(
        ({ invoked, revision }) => invoked < place && revision >= kv.modRevision - 1,
      );
      if (dropped) return;
    }
    const wrong = difference(prevKv, wanted);
    if (wrong !== undefined)
      this.#breach("PREVIOUS", `told ${name} with a wrong previous value: ${wrong}`, place);
  }

  /** Nothing is missing. */
  #reliable(): void {
    const { asked, batches } = this.#watch;
    const { index, since } = this.#context;
    const from = Math.max(
      since + 1,
      this.#from ??
        batches.find(({ events }) => events.length > 0)?.events[0]?.kv.modRevision ??
        Infinity,
    );
    const to = this.complete;
    if (to < from) return;
    if (index.count(asked, from, to, asked.without) === this.#told.size) return;
    const told = (key: Bytes, revision: number): boolean => this.#told.has(`${revision} ${key}`);
    const missing = index.missing(asked, from, to, asked.without, told);
    if (missing === undefined) return;
    const what = `did not tell ${shownValue(missing.key)} of revision ${missing.revision}, though it said that ${to} was complete`;
    const place = batches.find(
      ({ revision, partial }) => partial !== true && revision >= missing.revision,
    )?.place;
    this.#breach("RELIABLE", what, place ?? asked.place);
  }
}
