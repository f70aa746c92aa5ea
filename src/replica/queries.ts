/** Which requests are answered from committed state alone, and the answers that need no slicing. */
import type { Failure } from "../base/errors.ts";
import { failure } from "../base/errors.ts";
import type { Query, Request, Response } from "../contract/requests.ts";
import type { Base } from "../keyspace/base.ts";
import { shown } from "../keyspace/auth/show.ts";
import { invalid } from "../keyspace/validate.ts";

const QUERIES: ReadonlySet<Request["kind"]> = new Set([
  "range",
  "leaseTimeToLive",
  "leases",
  "leaseKeepAlive",
  "hash",
  "status",
  "authShow",
]);

export function isQuery(request: Request): request is Query {
  return QUERIES.has(request.kind);
}

/** Whether a query is answered from this member's own state, which may be behind: it asks for no more, or looks at the member. */
export function isLocal(query: Query, leads: boolean): boolean {
  if (query.kind === "range") return query.consistency === "serializable";
  return !leads && (query.kind === "hash" || query.kind === "status");
}

/**
 * The answer, a piece of long work that gives it, or why there is none. `status` is the driver's. Whether it may be given
 * has been asked before.
 */
export function answer(
  base: Base,
  query: Exclude<Query, { readonly kind: "status" }>,
  nowMs: number,
):
  | { readonly work: Generator<undefined, Response> }
  | { readonly response: Response }
  | { readonly failure: Failure } {
  switch (query.kind) {
    case "range": {
      const refused = invalid(query);
      if (refused !== undefined) return { failure: refused };
      return worked(base.range(query));
    }
    case "hash":
      return worked(base.hash(query.revision, query.withAuth));
    case "authShow": {
      const found = shown(base.users, query, base.revision);
      return "code" in found ? { failure: found } : { response: found };
    }
    case "leases":
      return { work: base.leaseIds() };
    case "leaseTimeToLive":
      return { work: base.leaseTimeToLive(query.id, query.keys === true, nowMs) };
    case "leaseKeepAlive": {
      const { revision } = base;
      const renewed = base.leases.renew(query.id, nowMs);
      return {
        response: { revision, ttlMs: renewed ? base.leases.remainingMs(query.id, nowMs) : 0 },
      };
    }
  }
}

function worked(
  found: Generator<undefined, Response> | Failure,
): { readonly work: Generator<undefined, Response> } | { readonly failure: Failure } {
  return "code" in found ? { failure: found } : { work: found };
}

/** The failure of every request that a stopped replica gets. */
export function stopped(reason: Failure): Failure {
  return failure("SHUTDOWN", {
    object: "replica",
    what: `has stopped: ${reason.code} ${reason.what}`,
    remedy: "Start it again, or connect to another one.",
  });
}
