/**
 * Measurements as a port: counters, gauges and histograms under names that a dashboard reads. The server renders them
 * as Prometheus text; a library user may give a sink of their own.
 */

export interface Counter {
  add(by?: number): void;
}
export interface Gauge {
  set(value: number): void;
}
export interface Histogram {
  record(value: number): void;
}

/** Makes instruments; the same name gives the same instrument. */
export interface Meter {
  counter(name: string, help: string): Counter;
  gauge(name: string, help: string): Gauge;
  histogram(name: string, help: string, bounds: readonly number[]): Histogram;
}

const nothing = { add: () => {}, set: () => {}, record: () => {} };
/** A meter that forgets. */
export const silentMeter: Meter = {
  counter: () => nothing,
  gauge: () => nothing,
  histogram: () => nothing,
};
