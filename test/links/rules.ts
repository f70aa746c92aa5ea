/** What may be done to the bytes that go from one member to another. */

/**
 * `hold` is what lost packets look like to whoever uses TCP: nothing comes, and everything comes late when they are no
 * longer lost. `swallow` is a connection whose middle has forgotten it: it stands, bytes vanish, and it is reset when they no
 * longer do. `cut` resets what stands and whatever is dialled anew.
 */
export type LinkRule =
  | { readonly kind: "pass" | "hold" | "swallow" | "cut" }
  | { readonly kind: "delay"; readonly ms: number };

export const PASS: LinkRule = { kind: "pass" };

/** A rule for one direction between two members. */
export interface Ruling {
  readonly from: string;
  readonly to: string;
  readonly rule: LinkRule;
}
