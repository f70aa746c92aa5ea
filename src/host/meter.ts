/** A registry of measurements, rendered as Prometheus text. */
import type { Counter, Gauge, Histogram, Meter } from "../ports/meter.ts";

export interface Registry extends Meter {
  /** Prometheus text exposition, version 0.0.4. */
  render(): string;
}

interface Instrument {
  readonly kind: "counter" | "gauge" | "histogram";
  readonly help: string;
  lines(name: string): readonly string[];
}

export function registry(): Registry {
  const all = new Map<string, Instrument & Partial<Counter & Gauge & Histogram>>();
  const made = <T extends Instrument>(name: string, make: () => T): T => {
    const known = all.get(name) as T | undefined;
    if (known !== undefined) return known;
    const fresh = make();
    all.set(name, fresh);
    return fresh;
  };
  return {
    counter: (name, help) => made(name, () => counterOf(help)),
    gauge: (name, help) => made(name, () => gaugeOf(help)),
    histogram: (name, help, bounds) => made(name, () => histogramOf(help, bounds)),
    render: () => {
      const blocks = [...all].map(([name, each]) =>
        [`# HELP ${name} ${each.help}`, `# TYPE ${name} ${each.kind}`, ...each.lines(name)].join(
          "\n",
        ),
      );
      return `${blocks.join("\n")}\n`;
    },
  };
}

function counterOf(help: string): Instrument & Counter {
  let value = 0;
  return {
    kind: "counter",
    help,
    add: (by = 1) => {
      value += by;
    },
    lines: (name) => [`${name} ${value}`],
  };
}

function gaugeOf(help: string): Instrument & Gauge {
  let value = 0;
  return {
    kind: "gauge",
    help,
    set: (to) => {
      value = to;
    },
    lines: (name) => [`${name} ${value}`],
  };
}

function histogramOf(help: string, bounds: readonly number[]): Instrument & Histogram {
  const counts = new Array<number>(bounds.length + 1).fill(0);
  let sum = 0;
  let count = 0;
  return {
    kind: "histogram",
    help,
    record: (value) => {
      sum += value;
      count++;
      const found = bounds.findIndex((bound) => value <= bound);
      const at = found < 0 ? bounds.length : found;
      counts[at] = (counts[at] as number) + 1;
    },
    lines: (name) => {
      let below = 0;
      const buckets = bounds.map((bound, at) => {
        below += counts[at] as number;
        return `${name}_bucket{le="${bound}"} ${below}`;
      });
      return [
        ...buckets,
        `${name}_bucket{le="+Inf"} ${count}`,
        `${name}_sum ${sum}`,
        `${name}_count ${count}`,
      ];
    },
  };
}
