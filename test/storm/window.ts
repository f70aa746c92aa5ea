/**
 * A part of a storm that is recorded and checked by itself: clients at work on keys of their own, which nobody used before.
 * Bounded, so that neither the record nor the search for an order grows with the storm.
 */
import { text, utf8 } from "../../src/base/bytes.ts";
import type { Prng } from "../../src/base/prng.ts";
import { prng } from "../../src/base/prng.ts";
import type { Quorate } from "../../src/sdk/index.ts";
import { connect } from "../../src/sdk/index.ts";
import type { Header } from "../../src/verify/history/history.ts";
import { written } from "../../src/verify/history/lines.ts";
import { until } from "../until.ts";
import { Recording } from "../cluster/recording.ts";
import type { Client, Counted, Field } from "./clients.ts";
import { counter, counterKey, editor, locker, watchers } from "./clients.ts";
import type { Pace } from "./pace.ts";

/** How long what was going on may take to end when nobody begins anything any more. */
const END_MS = 60_000;
const MARGIN_MS = 200;

export interface Crowd {
  readonly editors: readonly Client[];
  readonly counters: readonly Client[];
  readonly lockers: readonly Client[];
  readonly watcher: Client;
}

export interface WindowResult {
  /** The history, as `quorate check` reads it. */
  readonly lines: string;
  readonly operations: number;
  readonly indefinite: number;
  readonly ownerships: number;
  readonly told: number;
  readonly counted: Counted & { readonly found: number };
}

/** Connects everybody who is to be in a storm. */
export async function crowd(
  url: string,
  random: Prng,
  sizes: { readonly editors: number; readonly counters: number; readonly lockers: number },
): Promise<Crowd> {
  const client = async (name: string): Promise<Client> => ({
    name,
    q: await connect(url, { service: name }),
    random: prng(random.u32()),
  });
  const several = (kind: string, count: number): Promise<Client[]> =>
    Promise.all(Array.from({ length: count }, (_, at) => client(`${kind}${at}`)));
  return {
    editors: await several("editor", sizes.editors),
    counters: await several("counter", sizes.counters),
    lockers: await several("locker", sizes.lockers),
    watcher: await client("watcher"),
  };
}

export async function leave({ editors, counters, lockers, watcher }: Crowd): Promise<void> {
  const all = [...editors, ...counters, ...lockers, watcher];
  await Promise.all(all.map(({ q }) => q.close()));
}

export async function recordWindow(
  name: string,
  { editors, counters, lockers, watcher }: Crowd,
  pace: Pace,
  isOver: () => boolean,
): Promise<WindowResult> {
  const prefix = `storm/${name}/`;
  const scope = { key: utf8(prefix), end: utf8(`storm/${name}0`) };
  const recording = new Recording();
  const field: Field = { recording, prefix, scope, pace, isOver };
  const { keyspace } = watcher.q.commitment;
  const since = await standing(watcher.q);
  const counted = { certainly: 0, perhaps: 0 };
  let seen = 0;
  const done = new AbortController();
  const watching = watchers(field, watcher, since + 1, {
    signal: done.signal,
    seen: (revision) => (seen = revision),
  });
  await Promise.all([
    ...editors.map((each) => editor(field, each)),
    ...counters.map((each) => counter(field, each, counted)),
    ...lockers.map((each) => locker(field, each)),
  ]);
  const last = await finish(watcher, field);
  await until(
    () => seen >= last,
    () => `the watch is at ${seen}, ${last} was written`,
    END_MS,
  );
  done.abort();
  await watching;
  const found = await keyspace.call({ kind: "range", key: counterKey(prefix) });
  await tidy(watcher.q, scope);
  const header: Header = { unitMs: 1, marginMs: MARGIN_MS, since, scope: [scope] };
  const count = (holds: (event: Recording["events"][number]) => boolean): number =>
    recording.events.filter(holds).length;
  return {
    lines: written(recording.events, header),
    operations: recording.answered,
    indefinite: count(({ type }) => type === "indefinite"),
    ownerships: count((each) => each.type === "invoke" && each.call.kind === "release"),
    told: count(({ type }) => type === "batch"),
    counted: {
      ...counted,
      found: Number(found.kvs[0] === undefined ? 0 : text(found.kvs[0].value)),
    },
  };
}

/** The store's revision. */
async function standing(q: Quorate): Promise<number> {
  const { revision } = await again(() =>
    q.commitment.keyspace.call({ kind: "range", key: utf8("storm/") }),
  );
  return revision;
}

/** Reads everything, and writes one more key: who is told of that was told of everything. */
async function finish({ name, q }: Client, { recording, scope, prefix }: Field): Promise<number> {
  const { keyspace } = q.commitment;
  const put = { kind: "put", key: utf8(`${prefix}end`), value: utf8("") } as const;
  const { revision } = await again(() => recording.call(name, keyspace, put));
  await again(() => recording.call(name, keyspace, { kind: "range", ...scope }));
  return revision;
}

/** What is over takes no room. */
async function tidy({ commitment: { keyspace } }: Quorate, scope: Field["scope"]): Promise<void> {
  const { revision } = await again(() => keyspace.call({ kind: "deleteRange", ...scope }));
  await again(() => keyspace.call({ kind: "compact", revision }));
}

/** Until it succeeds: an outage may be longer than a call waits. */
async function again<T>(act: () => Promise<T | undefined>): Promise<T> {
  const end = performance.now() + END_MS;
  for (;;) {
    try {
      const result = await act();
      if (result !== undefined) return result;
    } catch (error) {
      if (performance.now() > end) throw error;
    }
    if (performance.now() > end) throw new Error(`nothing was carried out for ${END_MS} ms`);
  }
}
