/** What callers give, refused before anything is sent if it can never be right. */
import { fail } from "../../../base/errors.ts";
import type { Card } from "../../../contract/card.ts";
import { shortfall } from "../../../contract/guarantee.ts";
import type { CommitmentPlane } from "../../../contract/plane.ts";

/** The longest time to live, ms: what the engines grant a lease at most. */
const TTL_MS_MAX = 9_000_000_000_000;

/** How long something is to last. Throws INVALID unless it is above 0 and can be granted. */
export function requireTtl(object: string, ttlMs: number): void {
  if (ttlMs > 0 && ttlMs <= TTL_MS_MAX) return;
  throw fail("INVALID", {
    object,
    what: `ttlMs is ${String(ttlMs)}`,
    remedy: `Give milliseconds above 0 and up to ${TTL_MS_MAX}.`,
  });
}

/** How long to stand in line. Throws INVALID unless it is 0 or more, or Infinity. */
export function requireWait(object: string, waitMs: number | undefined): void {
  if (waitMs === undefined || waitMs >= 0) return;
  throw fail("INVALID", {
    object,
    what: `waitMs is ${String(waitMs)}`,
    remedy: "Give milliseconds, 0 or more, or Infinity.",
  });
}

/** A number of permits. Throws INVALID unless it is a positive whole number. */
export function requirePermits(object: string, permits: number): void {
  if (Number.isSafeInteger(permits) && permits >= 1) return;
  throw fail("INVALID", {
    object,
    what: `permits is ${String(permits)}`,
    remedy: "Give a positive whole number.",
  });
}

/**
 * The plane of whoever asks for a noun. Throws GUARANTEE (definite) if its engine is too weak for the noun's card, unless
 * its consistency was accepted by name; missing fencing never is.
 */
export function strongEnough(plane: CommitmentPlane, card: Card, object: string): CommitmentPlane {
  const { guarantee, label } = plane.keyspace;
  const weak = shortfall(guarantee, card.requires);
  const accepted = weak.join() === "consistency" && guarantee.consistency === plane.accept;
  if (weak.length === 0 || accepted) return plane;
  const needs = weak.map(
    (each) => `${label} gives ${guarantee[each]}, it needs ${card.requires[each] ?? ""}`,
  );
  throw fail("GUARANTEE", {
    object,
    what: needs.join("; "),
    remedy: `Use file:, quorate: or etcd:, or connect with { accept: "${guarantee.consistency}" } and guard the resource with the token.`,
  });
}
