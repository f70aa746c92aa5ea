/**
 * The rule by which a resource refuses an owner that has been replaced.
 *
 * Rules: GRD-1 a higher token is accepted and remembered. GRD-2 the same token only from the same holder. GRD-3 a lower
 * one never. Source: Burrows, Chubby (OSDI 2006) §2.4 (sequencers).
 */
import type { QuorateError } from "../../../base/errors.ts";
import { fail } from "../../../base/errors.ts";

/** The highest token that a resource has accepted, and from whom. */
export interface Guarded {
  readonly token: number;
  readonly holder: string;
}

/** Whether a write with `token` of `holder` is accepted after `last`. */
export function accepts(last: Guarded | undefined, token: number, holder: string): boolean {
  if (last === undefined || token > last.token) return true;
  return token === last.token && holder === last.holder;
}

/** The failure of an owner that has been replaced. */
export function staleToken(
  object: string,
  token: number,
  holder: string,
  last: Guarded | undefined,
): QuorateError {
  return fail("STALE_TOKEN", {
    object,
    what: `token ${token} of ${holder} is refused, ${last?.token ?? 0} has been accepted`,
    holder: last?.holder,
    remedy: "Stop: somebody else owns it now. Acquire again before writing.",
  });
}

/** A guard for a resource in this process: `admit` throws STALE_TOKEN (definite) for a replaced owner. */
export function guard(object: string): { admit(token: number, holder: string): void } {
  let last: Guarded | undefined;
  return {
    admit: (token, holder) => {
      if (!accepts(last, token, holder)) throw staleToken(object, token, holder, last);
      last = { token, holder };
    },
  };
}
