/** What a bar says: a few words in it, everything in its tooltip. Nothing here is escaped yet. */
import { printable } from "../../base/bytes.ts";
import type { Acquired, AnswerOf, Call, Released } from "../history/calls.ts";
import type { Operation } from "../history/history.ts";

const DETAILS_MAX = 700;

/** A call in a few words. */
export function callWords(call: Call): string {
  switch (call.kind) {
    case "put":
      return `put ${printable(call.key)}=${printable(call.value)}`;
    case "range":
      return `${call.consistency === "serializable" ? "get~" : "get"} ${printable(call.key)}${call.end === undefined ? "" : "…"}${call.revision ? ` @${call.revision}` : ""}`;
    case "deleteRange":
      return `del ${printable(call.key)}${call.end === undefined ? "" : "…"}`;
    case "txn":
      return `txn ${call.success.length}/${call.failure.length}`;
    case "leaseGrant":
      return `grant ${call.id} ${call.ttlMs} ms`;
    case "leaseRevoke":
      return `revoke ${call.id}`;
    case "leaseKeepAlive":
      return `renew ${call.id}`;
    case "compact":
      return `compact ${call.revision}`;
    case "read":
      return `read ${call.key ?? ""}`.trim();
    case "write":
      return `write ${call.key ?? ""}=${call.value ?? "nil"}`;
    case "append":
      return `append ${call.key ?? ""}+${call.value}`;
    case "cas":
      return `cas ${call.key ?? ""} ${call.from ?? "nil"}→${call.to ?? "nil"}`;
    case "acquire":
    case "campaign":
      return `${call.kind} ${call.name}`;
    case "release":
    case "resign":
      return `${call.kind} ${call.name} ${call.token}`;
    case "guarded":
      return `write ${call.token}`;
  }
}

/** What it came to. */
export function outcomeWords({ call, outcome }: Operation): string {
  if (outcome.kind !== "answer")
    return outcome.code ?? (outcome.kind === "definite" ? "failed" : "?");
  const { answer } = outcome;
  switch (call.kind) {
    case "range": {
      const { kvs, count, revision } = answer as AnswerOf["range"];
      const [only] = kvs;
      const what =
        call.end === undefined && only !== undefined ? printable(only.value) : String(count);
      return `${what} @${revision}`;
    }
    case "txn": {
      const { succeeded, revision } = answer as AnswerOf["txn"];
      return `${succeeded ? "yes" : "no"} @${revision}`;
    }
    case "deleteRange": {
      const { deleted, revision } = answer as AnswerOf["deleteRange"];
      return `${deleted} @${revision}`;
    }
    case "read":
      return (answer as AnswerOf["read"]).value ?? "nil";
    case "cas":
      return (answer as AnswerOf["cas"]).done ? "yes" : "no";
    case "write":
    case "append":
      return "ok";
    case "acquire":
    case "campaign":
      return `token ${(answer as Acquired).token ?? "none"}`;
    case "release":
    case "resign":
      return (answer as Released).held ? "held" : "was lost";
    case "guarded":
      return (answer as AnswerOf["guarded"]).accepted ? "accepted" : "refused";
    default:
      return `@${(answer as { readonly revision: number }).revision}`;
  }
}

/** Whether the answer was a "no". */
export function saidNo({ outcome }: Operation): boolean {
  if (outcome.kind !== "answer") return false;
  const { answer } = outcome;
  return (
    ("token" in answer && answer.token === null) ||
    ("accepted" in answer && !answer.accepted) ||
    ("done" in answer && !answer.done) ||
    ("held" in answer && !answer.held)
  );
}

/** Everything that is known of an operation. */
export function details(operation: Operation): string {
  const { id, process, call, outcome, invokedAt, returnedAt } = operation;
  const end = Number.isFinite(returnedAt)
    ? `returned at ${returnedAt.toFixed(3)} ms`
    : "no known end";
  const came =
    outcome.kind === "answer" ? written(outcome.answer) : `${outcome.kind} ${outcome.code ?? ""}`;
  return `${call.kind} ${id} of ${process}\ninvoked at ${invokedAt.toFixed(3)} ms, ${end}\n${written(call)}\n→ ${came}`;
}

function written(value: object): string {
  const text = JSON.stringify(value, (_, each: unknown) =>
    typeof each === "bigint" ? BigInt.asUintN(64, each).toString(16) : each,
  );
  return text.length > DETAILS_MAX ? `${text.slice(0, DETAILS_MAX)}…` : text;
}
