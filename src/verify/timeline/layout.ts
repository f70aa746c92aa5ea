/**
 * Where everything stands on a timeline: a window around the failure, a column for each event in it, rows for what overlaps.
 *
 * Invariants: I1 at most `OPERATIONS_MAX` operations are shown, those nearest to the failure. I2 columns are in the order of
 * events, not to scale: what matters is what was before what. I3 no two bars of a row overlap.
 */
import type { Fault, History, Operation, Placed, WatchStream } from "../history/history.ts";

export const OPERATIONS_MAX = 2_000;
/** Of the window so much is behind the failure. */
const BEHIND = 0.25;

/** A bar from one column to another. */
export interface Bar {
  readonly operation: Operation;
  readonly from: number;
  readonly to: number;
  /** It goes on beyond `to`, nobody knows how long. */
  readonly open: boolean;
}
export interface Mark {
  readonly column: number;
  readonly kind: "batch" | "stands" | "ended" | "lost" | "observed" | "state";
  readonly label: string;
  readonly details: string;
}
export interface Lane {
  readonly name: string;
  readonly rows: readonly (readonly Bar[])[];
  readonly marks: readonly Mark[];
}
export interface Band {
  readonly what: string;
  readonly from: number;
  readonly to: number;
}
export interface Layout {
  readonly lanes: readonly Lane[];
  readonly bands: readonly Band[];
  /** Column and time of some events, for the axis. */
  readonly ticks: readonly { readonly column: number; readonly at: number }[];
  readonly columns: number;
  readonly failure: number | undefined;
  readonly shown: number;
  readonly all: number;
}

const TICKS = 8;

/** Lays out the history around the event at `failure`, by default around its end; lanes named `first` on top. */
export function layout(
  history: History,
  failure: number | undefined,
  first: ReadonlySet<string>,
): Layout {
  const window = windowOf(history, failure ?? history.events);
  const chosen = history.operations.filter((each) => overlaps(each, window));
  const columns = columnsOf(history, chosen, window);
  const end = columns.size;
  const lanes = (all: readonly Lane[]): readonly Lane[] => [
    ...all.filter(({ name }) => first.has(name)),
    ...all.filter(({ name }) => !first.has(name)),
  ];
  const column = (place: number): number =>
    columns.get(place) ?? (place < window.from ? 0 : Math.max(0, end - 1));
  return {
    lanes: lanes(lanesOf(history, chosen, column, (place) => columns.has(place), end)),
    bands: bandsOf(history.faults, window, column, end),
    ticks: [...columns]
      .filter(([, at]) => at % TICKS === 0)
      .map(([place, at]) => ({ column: at, at: history.times[place] ?? 0 })),
    columns: end,
    failure: failure === undefined ? undefined : column(failure),
    shown: chosen.length,
    all: history.operations.length,
  };
}

interface Window {
  readonly from: number;
  readonly to: number;
}

/** Where an operation stops being drawn. */
function drawnTo(operation: Operation): number {
  return Number.isFinite(operation.returned)
    ? operation.returned
    : (operation.failed ?? operation.invoked);
}

function overlaps(operation: Operation, { from, to }: Window): boolean {
  return operation.invoked <= to && drawnTo(operation) >= from;
}

/** From so many invocations in front of the failure to so many behind it. */
function windowOf({ operations, events }: History, failure: number): Window {
  if (operations.length <= OPERATIONS_MAX) return { from: 0, to: events };
  const near = operations.findIndex(({ invoked }) => invoked > failure);
  const middle = near < 0 ? operations.length : near;
  const wanted = Math.min(operations.length, middle + Math.floor(OPERATIONS_MAX * BEHIND));
  const first = Math.max(0, wanted - OPERATIONS_MAX);
  const last = Math.min(operations.length, first + OPERATIONS_MAX);
  const to = last === operations.length ? events : (operations[last]?.invoked ?? events) - 1;
  // What is still under way from before would be more than there is room for.
  return { from: operations[first]?.invoked ?? 0, to };
}

function columnsOf(
  history: History,
  chosen: readonly Operation[],
  { from, to }: Window,
): ReadonlyMap<number, number> {
  const places = [
    ...chosen.flatMap((each) => [each.invoked, drawnTo(each)]),
    ...history.watches.flatMap(({ asked, stands, batches, ended }) =>
      [asked, stands, ...batches, ended].flatMap((each) => each?.place ?? []),
    ),
    ...[history.losses, history.observations, history.states, history.faults].flatMap((all) =>
      all.map(({ place }) => place),
    ),
  ].filter((place) => place >= from && place <= to);
  const sorted = [...new Set(places)].sort((a, b) => a - b);
  return new Map(sorted.map((place, at) => [place, at]));
}

function bandsOf(
  faults: readonly Placed<Fault>[],
  { from, to }: Window,
  column: (place: number) => number,
  end: number,
): readonly Band[] {
  const open = new Map<string, Placed<Fault>>();
  const bands: Band[] = [];
  const add = (begin: Placed<Fault>, last: number): void => {
    if (begin.place > to || last < from) return;
    bands.push({ what: begin.what, from: column(begin.place), to: last > to ? end : column(last) });
  };
  for (const fault of faults) {
    const begun = open.get(fault.fault);
    if (fault.phase === "once") add(fault, fault.place);
    else if (fault.phase === "begin") open.set(fault.fault, begun ?? fault);
    else if (begun !== undefined) {
      open.delete(fault.fault);
      add(begun, fault.place);
    }
  }
  for (const fault of open.values()) add(fault, Number.POSITIVE_INFINITY);
  return bands;
}

function lanesOf(
  history: History,
  chosen: readonly Operation[],
  column: (place: number) => number,
  inside: (place: number) => boolean,
  end: number,
): readonly Lane[] {
  const bars = new Map<string, Bar[]>();
  for (const operation of chosen) {
    const open = !Number.isFinite(operation.returned);
    const from = column(operation.invoked);
    const to = Math.max(column(drawnTo(operation)), from + 1);
    const bar = { operation, from, to: open ? Math.min(to + 2, end + 1) : to, open };
    const own = bars.get(operation.process);
    if (own === undefined) bars.set(operation.process, [bar]);
    else own.push(bar);
  }
  const marks = marksOf(history, column, inside);
  const names = [...new Set([...bars.keys(), ...marks.keys()])].sort(byName);
  return names.map((name) => ({
    name,
    rows: rowsOf(bars.get(name) ?? []),
    marks: marks.get(name) ?? [],
  }));
}

/** `c2` is in front of `c10`. */
function byName(a: string, b: string): number {
  const [left, right] = [a, b].map((name) =>
    name.replaceAll(/\d+/g, (digits) => digits.padStart(8, "0")),
  ) as [string, string];
  return left < right ? -1 : left > right ? 1 : 0;
}

function rowsOf(bars: readonly Bar[]): readonly (readonly Bar[])[] {
  const rows: Bar[][] = [];
  for (const bar of bars) {
    const free = rows.find((row) => (row.at(-1) as Bar).to <= bar.from);
    if (free === undefined) rows.push([bar]);
    else free.push(bar);
  }
  return rows;
}

function marksOf(
  { watches, losses, observations, states }: History,
  column: (place: number) => number,
  inside: (place: number) => boolean,
): Map<string, Mark[]> {
  const marks = new Map<string, Mark[]>();
  const put = (
    lane: string,
    place: number,
    kind: Mark["kind"],
    label: string,
    details: string,
  ): void => {
    if (!inside(place)) return;
    const own = marks.get(lane);
    const mark = { column: column(place), kind, label, details };
    if (own === undefined) marks.set(lane, [mark]);
    else own.push(mark);
  };
  for (const watch of watches) putWatch(watch, put);
  for (const { process, place, name, token } of losses)
    put(process, place, "lost", "✕", `${process} lost ${name}, token ${token}`);
  for (const { process, place, name, token } of observations)
    put(
      process,
      place,
      "observed",
      String(token ?? "–"),
      `${process} saw that ${name} is owned with token ${token ?? "none"}`,
    );
  for (const { member, place, revision, hash } of states)
    put(
      `member ${member}`,
      place,
      "state",
      String(revision),
      `${member} at revision ${revision}: ${hash}`,
    );
  return marks;
}

function putWatch(
  { asked, stands, batches, ended }: WatchStream,
  put: (lane: string, place: number, kind: Mark["kind"], label: string, details: string) => void,
): void {
  const lane = `watch ${asked.watch}`;
  const from = asked.from === undefined ? "from now on" : `from revision ${asked.from}`;
  put(lane, asked.place, "stands", "▷", `${lane} of ${asked.process}, asked for ${from}`);
  if (stands !== undefined)
    put(lane, stands.place, "stands", "▶", `stands at revision ${stands.revision}`);
  for (const { place, revision, events } of batches) {
    const told = events.map(({ kind, kv }) => `${kind} ${kv.key} @${kv.modRevision} ${kv.value}`);
    const label = events.length === 0 ? "·" : String(events.length);
    put(lane, place, "batch", label, [`up to revision ${revision}`, ...told].join("\n"));
  }
  if (ended !== undefined) put(lane, ended.place, "ended", "■", `ended: ${ended.code ?? "closed"}`);
}
