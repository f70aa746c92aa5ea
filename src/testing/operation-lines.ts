/** A history that writes one line for each operation into the timeline: what a client asked, and how it ended. */
import { text } from "../base/bytes.ts";
import { QuorateError } from "../base/errors.ts";
import type { Request } from "../contract/requests.ts";
import type { Ending, Recorder, Invocation } from "../verify/simulator/recorded.ts";
import type { Timeline } from "../verify/simulator/timeline.ts";

/** Asked all the time, and telling nothing unless they fail. */
const QUIET: ReadonlySet<Request["kind"]> = new Set(["leaseKeepAlive", "range", "status"]);
const SHOWN_MAX = 70;

export function operationLines(timeline: Timeline): Recorder {
  const open = new Map<number, Invocation>();
  return {
    invoked: (invocation) => void open.set(invocation.id, invocation),
    ended: (id, atMs, ending) => {
      const invocation = open.get(id);
      open.delete(id);
      if (invocation === undefined) return;
      const { request, process } = invocation;
      if (ending.kind === "ok" && QUIET.has(request.kind)) return;
      const tookMs = Math.round(atMs - invocation.atMs);
      timeline.detail(process, `${asked(request)} → ${answered(ending)} (${tookMs} ms)`);
    },
  };
}

function asked(request: Request): string {
  switch (request.kind) {
    case "run":
      return procedureText(request.procedure, text(request.args));
    case "put":
      return `put ${shown(request.key)} ${cut(shown(request.value))}`;
    case "range":
    case "deleteRange":
      return `${request.kind} ${shown(request.key)}`;
    case "leaseKeepAlive":
    case "leaseRevoke":
      return `${request.kind} ${request.id.toString(16)}`;
    default:
      return request.kind;
  }
}

function answered(ending: Ending): string {
  if (ending.kind === "ok") {
    const { response } = ending;
    if (typeof response !== "object" || response === null) return "ok";
    if ("result" in response) return resultText(response.result);
    return "succeeded" in response && response.succeeded === false ? "conditions not met" : "ok";
  }
  const { error } = ending;
  if (QuorateError.is(error)) return `${error.code} (${ending.kind})`;
  return `${error instanceof Error ? error.message : String(error)} (${ending.kind})`;
}

/** `selection/contention/enter@2` with its arguments: the verb, and on what. */
function procedureText(name: string, args: string): string {
  const verb = /([^/@]+)@\d+$/.exec(name)?.[1] ?? name;
  const { key, prefix } = JSON.parse(args) as { readonly key?: unknown; readonly prefix?: unknown };
  const on = [key, prefix].find((each) => typeof each === "string");
  return `${verb} ${cut(on ?? args)}`;
}

/** What a procedure answered: how the asker stands, if it says so. */
function resultText(result: unknown): string {
  if (typeof result !== "object" || result === null) return cut(JSON.stringify(result) ?? "ok");
  const { state, holder } = result as { readonly state?: unknown; readonly holder?: unknown };
  if (typeof state === "string") return state;
  if (typeof holder === "object" && holder !== null && "key" in holder)
    return `behind ${String(holder.key)}`;
  return cut(JSON.stringify(result));
}

function shown(bytes: Request extends { key: infer K } ? K : string): string {
  return text(bytes as Parameters<typeof text>[0]);
}

function cut(told: string): string {
  return told.length > SHOWN_MAX ? `${told.slice(0, SHOWN_MAX - 1)}…` : told;
}
