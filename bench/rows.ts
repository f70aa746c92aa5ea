/** The form of a result, and how it is printed. */
import type { LoadResult } from "./drivers.ts";

/** One side of a comparison, medians over the rounds. */
export interface Side {
  /** Every round's operations per second, in order. */
  readonly rounds: readonly number[];
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly flushesPerOperation: number;
  readonly serverCpuUsPerOperation: number;
  readonly driverCpuUsPerOperation: number;
}

/** A line of the result file. `ours` and `peer` are in `unit`; a `ratio` above 1 is in our favour. */
export interface Row {
  readonly bench: string;
  readonly inFlight: number;
  readonly driver: string;
  readonly unit: string;
  readonly ours: number;
  readonly peer: number | null;
  readonly peerName: string;
  readonly ratio: number | null;
  readonly limit?: number | undefined;
  readonly setting: Setting;
  readonly oursDetail?: Side | undefined;
  readonly peerDetail?: Side | undefined;
  readonly note?: string | undefined;
  readonly flood?: FloodFigures | undefined;
}

/** What a flood costs an honest client, ms, and the server's memory before and at most after it, bytes. */
export interface FloodFigures {
  readonly quietP50: number;
  readonly quietP99: number;
  readonly floodedP50: number;
  readonly floodedP99: number;
  /** Of the two p99. */
  readonly ratio: number;
  readonly rssBefore: number;
  readonly rssAfter: number;
  /** Of the server's event loop, less collections and waiting for a core. */
  readonly longestTaskMs: number;
}

/** Under what it was measured. */
export interface Setting {
  readonly valueBytes: number;
  readonly keys: number;
  readonly fileSystem: string;
  readonly node: string;
  readonly cores: number;
  readonly rounds: number;
  readonly secondsPerRound: number;
  /** Where the flush counts come from. */
  readonly flushesFrom: string;
}

export interface Measured {
  readonly load: LoadResult;
  readonly flushes: number;
  readonly serverCpuMs: number;
  readonly driverCpuMs: number;
  /** Operations, those of the warm-up with them: what flushes and CPU are divided by. */
  readonly operations: number;
}

const number = (value: number): string =>
  Number.isNaN(value)
    ? "–"
    : value >= 1_000
      ? Math.round(value).toLocaleString("en")
      : String(Number(value.toPrecision(3)));

export function printRow(row: Row): void {
  const against =
    row.peer === null
      ? ""
      : `, ${row.peerName} ${number(row.peer)}: ${number(row.ratio ?? Number.NaN)}×`;
  const limit = row.limit === undefined ? "" : ` (limit ${number(row.limit)})`;
  console.log(
    `${row.bench} @${row.inFlight} ${row.driver}: ${number(row.ours)} ${row.unit}${limit}${against}`,
  );
  printSide("quorate", row.oursDetail);
  printSide(row.peerName, row.peerDetail);
  if (row.flood !== undefined) printFlood(row.flood);
  if (row.note !== undefined) console.log(`    ${row.note}`);
}

function printFlood(flood: FloodFigures): void {
  const { quietP50, quietP99, floodedP50, floodedP99, rssBefore, rssAfter } = flood;
  const mib = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;
  console.log(
    `    quiet p50 ${number(quietP50)} ms, p99 ${number(quietP99)} ms; flooded p50 ${number(floodedP50)} ms, p99 ${number(floodedP99)} ms; resident ${mib(rssBefore)}, ${mib(rssAfter)}; longest task ${number(flood.longestTaskMs)} ms`,
  );
}

function printSide(name: string, side: Side | undefined): void {
  if (side === undefined) return;
  const cpu = `${number(side.serverCpuUsPerOperation)} µs server, ${number(side.driverCpuUsPerOperation)} µs driver`;
  const latency = `p50 ${number(side.p50Ms)} ms, p99 ${number(side.p99Ms)} ms`;
  console.log(
    `    ${name}: ${number(side.flushesPerOperation)} flushes, CPU ${cpu} per operation; ${latency}`,
  );
  console.log(`    ${name}: rounds ${side.rounds.map(number).join(" ")}`);
}
