/** What a member of the test says to its parent, and what it is told. */

export type FromMember =
  /** It is connected and holds a lock of its own. */
  | { readonly kind: "held"; readonly token: number }
  /** Command `number` was acknowledged after `tookMs`. */
  | { readonly kind: "done"; readonly number: number; readonly tookMs: number }
  /** It is inside or about to leave what the shared lock guards; it waits for an answer. */
  | {
      readonly kind: "enter" | "leave";
      readonly id: number;
      readonly token: number;
      /** It knows that it is the owner no more. */
      readonly lost: boolean;
    }
  /** Its end: what it sent, what its watch saw, whether its own lock was lost. */
  | {
      readonly kind: "ended";
      readonly sent: number;
      readonly seen: readonly number[];
      readonly lost: boolean;
    };

export type ToMember = { readonly kind: "go"; readonly id: number } | { readonly kind: "end" };
