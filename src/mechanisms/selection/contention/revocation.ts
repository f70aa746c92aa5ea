/** Being asked to let go: an owner that listens watches its own key for the word. */
import type { Bytes } from "../../../base/bytes.ts";
import type { QuorateError } from "../../../base/errors.ts";
import { fail } from "../../../base/errors.ts";
import type { CallOptions } from "../../../contract/keyspace.ts";
import { untilSays } from "./await-key.ts";
import type { Contended } from "./contended.ts";
import { ask } from "./contended.ts";
import { revoke } from "./granted.ts";
import type { ContenderRecord } from "./layout.ts";
import { decodeRecord } from "./layout.ts";

/** Gives, once it is called, what to abort with when the owner of `key` has been asked; undefined when `stop` aborts. */
export function revocation(
  on: Contended,
  key: Bytes,
  from: number,
): (stop: AbortSignal) => Promise<QuorateError | undefined> {
  return async (stop) => {
    const asked = await untilSays(on.plane, { key, from, says }, Infinity, stop);
    if (asked === undefined || asked === "gone") return undefined;
    return fail("REVOKED", {
      object: on.object,
      what: `was asked back by ${asked.by}: ${asked.reason}`,
      remedy: "Finish and release it; until then it is still owned.",
    });
  };
}

function says(value: Bytes | undefined): ContenderRecord["revoked"] | "gone" {
  if (value === undefined) return "gone";
  return decodeRecord({ value }).revoked;
}

export interface RevokeOptions extends CallOptions {
  /** Shown to the owner. */
  readonly reason: string;
}

export type Revoked =
  /** The owner has been asked; it owns until it releases. */
  | { readonly ok: true; readonly holder: string }
  | {
      readonly ok: false;
      /** "not-revocable": the owner did not say that it would listen. */
      readonly reason: "free" | "not-revocable";
      readonly why: string;
      readonly holder: string | undefined;
    };

/** Asks the owner to let go. Cost: one round trip and flush. */
export async function askBack(on: Contended, options: RevokeOptions): Promise<Revoked> {
  const { reason } = options;
  if (typeof reason !== "string") {
    const what = `reason is ${String(reason)}`;
    throw fail("INVALID", { object: on.object, what, remedy: "Say why, as text." });
  }
  const { service, host } = on.plane.identity;
  const args = { prefix: on.prefix, reason, by: `${service}@${host}` };
  const { state, holder } = (await ask(on, revoke, args, options)).result;
  if (state === "asked") return { ok: true, holder: holder ?? "" };
  const why = state === "free" ? "nobody owns it" : `${holder} did not acquire it as revocable`;
  return { ok: false, reason: state, why, holder };
}
