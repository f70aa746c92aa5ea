/**
 * A history as one page of HTML: processes as lanes, operations as bars, the point of failure marked, faults as bands.
 *
 * Invariants: I1 the page needs nothing but itself. I2 all that comes from the history is escaped. I3 what a bar has no room
 * for is in its tooltip.
 */
import type { Report } from "../checker/check.ts";
import type { Verdict, Violation } from "../checker/verdict.ts";
import type { History } from "../history/history.ts";
import { type Band, type Bar, type Lane, layout, type Layout, type Mark } from "./layout.ts";
import { STYLE } from "./style.ts";
import { callWords, details, outcomeWords, saidNo } from "./words.ts";

const NAME_PX = 140;
const ROW_PX = 25;
const WIDE_PX = 34;
const NARROW_PX = 18;
/** Up to so many columns there is room for wide ones. */
const WIDE_COLUMNS = 400;

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
/** Text of a history as text of HTML; control characters become visible. */
function escaped(text: string): string {
  return text
    .replaceAll(/[&<>"']/g, (each) => ENTITIES[each] as string)
    .replaceAll(/[\0-\x08\x0b-\x1f\x7f]/g, "\u00b7");
}

/** The page. `name` is what the history is called. */
export function timeline(history: History, report: Report, name: string): string {
  const violations = report.verdicts.flatMap((verdict) => verdict.violations);
  const [first] = violations.toSorted((a, b) => a.place - b.place);
  const drawn = layout(history, first?.place, concerned(history, first));
  const shown = new Set(
    drawn.lanes.flatMap(({ rows }) => rows.flat().map(({ operation }) => operation.id)),
  );
  const page = new Page(drawn, first);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escaped(name)}: ${report.result}</title>
<meta name="viewport" content="width=device-width"><style>${STYLE}</style></head><body>
<header><h1>${escaped(name)}<span class="badge ${report.result}">${report.result}</span></h1>
<p class="soft">${history.events} events, ${drawn.all} operations${drawn.shown < drawn.all ? `; the ${drawn.shown} nearest to the failure are drawn` : ""}. Columns are in the order of events, not to scale.</p>
<table>${report.verdicts.map(verdictRow).join("\n")}</table>
<ol>${violations.map((each) => violationItem(each, shown)).join("\n")}</ol></header>
${LEGEND}
<div class="scroll"><div class="chart" style="width:${page.width}px">
${page.body()}
</div></div>
<script>document.querySelector(".failure")?.scrollIntoView({ inline: "center", block: "nearest" });</script>
</body></html>
`;
}

/** Lanes that the first violation has to do with. */
function concerned({ operations }: History, first: Violation | undefined): ReadonlySet<string> {
  const ids = new Set(first?.operations);
  const processes = operations.flatMap(({ id, process }) => (ids.has(id) ? [process] : []));
  return new Set(first?.watch === undefined ? processes : [...processes, `watch ${first.watch}`]);
}

function verdictRow({ check, result, counts }: Verdict): string {
  const told = Object.entries(counts).map(
    ([what, count]) => `${count.toLocaleString("en")} ${what}`,
  );
  return `<tr><td><b>${check}</b></td><td><span class="badge ${result}">${result}</span></td><td class="counts">${told.join(" · ")}</td></tr>`;
}

function violationItem({ rule, what, operations }: Violation, shown: ReadonlySet<number>): string {
  const links = operations
    .filter((id) => shown.has(id))
    .map((id) => `<a href="#op-${id}">operation ${id}</a>`);
  return `<li>${escaped(what)}.<br><code>${rule}</code> ${links.join(" ")}</li>`;
}

const LEGEND = `<div class="legend">
<span><i class="answer"></i>answered</span><span><i class="refused"></i>answered no</span>
<span><i class="definite"></i>failed, certainly without effect</span><span><i class="indefinite"></i>outcome unknown: may happen at any time after</span>
<span><i class="bad"></i>cannot be placed</span><span><i class="answer near"></i>has to do with it</span></div>`;

class Page {
  readonly #drawn: Layout;
  readonly #column: number;
  readonly #bad: number | undefined;
  readonly #near: ReadonlySet<number>;
  readonly #watch: string | undefined;

  constructor(drawn: Layout, first: Violation | undefined) {
    this.#drawn = drawn;
    this.#column = drawn.columns <= WIDE_COLUMNS ? WIDE_PX : NARROW_PX;
    this.#bad = first?.operations[0];
    this.#near = new Set(first?.operations);
    this.#watch = first?.watch && `watch ${first.watch}`;
  }

  get width(): number {
    return NAME_PX + (this.#drawn.columns + 4) * this.#column;
  }

  body(): string {
    const { lanes, bands, ticks, failure } = this.#drawn;
    return [
      ...ticks.map(
        ({ column, at }) =>
          `<div class="tick" style="left:${this.#x(column)}px">${at.toFixed(1)} ms</div>`,
      ),
      ...bands.map((band) => this.#band(band)),
      ...(failure === undefined
        ? []
        : [
            `<div class="failure" id="failure" style="left:${this.#x(failure + 1)}px"><span>fails here</span></div>`,
          ]),
      ...lanes.map((lane) => this.#lane(lane)),
    ].join("\n");
  }

  #x(column: number): number {
    return NAME_PX + 6 + column * this.#column;
  }

  #band({ what, from, to }: Band): string {
    const width = Math.max(4, (to - from) * this.#column);
    return `<div class="band" style="left:${this.#x(from)}px;width:${width}px"><span>${escaped(what)}</span></div>`;
  }

  #lane({ name, rows, marks }: Lane): string {
    const height =
      Math.max(1, rows.length + (marks.length > 0 && rows.length > 0 ? 1 : 0)) * ROW_PX + 6;
    const bars = rows.flatMap((row, at) => row.map((bar) => this.#bar(bar, at)));
    const top = rows.length * ROW_PX + 6;
    return `<div class="lane" style="height:${height}px"><div class="name" title="${escaped(name)}">${escaped(name)}</div>${bars.join("")}${marks.map((mark) => this.#mark(mark, top, name)).join("")}</div>`;
  }

  #bar({ operation, from, to, open }: Bar, row: number): string {
    const { id, outcome } = operation;
    const kind = saidNo(operation) ? "refused" : open ? "indefinite" : outcome.kind;
    const near = id === this.#bad ? " bad" : this.#near.has(id) ? " near" : "";
    const left = this.#x(from);
    const width = (to - from) * this.#column - 3;
    const words = `${callWords(operation.call)} → ${outcomeWords(operation)}`;
    return `<div class="bar ${kind}${near}" id="op-${id}" style="left:${left}px;top:${row * ROW_PX + 4}px;width:${width}px" title="${escaped(details(operation))}"><span>${escaped(words)}</span></div>`;
  }

  #mark({ column, kind, label, details: told }: Mark, top: number, lane: string): string {
    const bad = lane === this.#watch && column === this.#drawn.failure ? " bad" : "";
    return `<div class="mark ${kind}${bad}" style="left:${this.#x(column)}px;top:${top}px" title="${escaped(told)}">${escaped(label)}</div>`;
  }
}
