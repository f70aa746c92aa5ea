/** What a process that will be killed tells its parent, one JSON object per line. */

export const CALLER = 77n;
export const KEYS: readonly string[] = ["a", "b", "c", "d", "e"];

export type KillReport =
  | {
      readonly kind: "found";
      readonly revision: number;
      readonly numbers: Readonly<Record<string, number>>;
      readonly leases: readonly number[];
    }
  | {
      readonly kind: "put";
      readonly key: string;
      readonly number: number;
      readonly revision?: number | undefined;
    }
  | { readonly kind: "granted"; readonly number: number }
  | { readonly kind: "sending"; readonly sequence: number }
  | { readonly kind: "counted"; readonly sequence: number; readonly result: number };
