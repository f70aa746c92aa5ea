/**
 * Tells the history of a run who owned what, and until when it certainly did.
 *
 * Invariant: what is given back while it certainly was owned, by the owner's own clock, is told as held; what may have been
 * lost is not. A wait that failed or was refused is told as one that may have owned: it stood in line, where others may have
 * seen it. That somebody was refused what nobody had is not looked for: a release may not have reached the engine yet.
 */
import type { World } from "./world.ts";

/** What is owned: a lock or a leadership. */
export interface Owned {
  readonly ok?: true | undefined;
  readonly token: number;
  readonly created?: number | undefined;
  readonly signal: AbortSignal;
  remainingMs(): number;
}
interface NotOwned {
  readonly ok: false;
}
type Noun = "lock" | "election";

/** Owns `name` as `get` gives it, for as long as `use` takes, then lets it go by `end`. Does nothing if it was not got. */
export async function owning<G extends Owned | NotOwned>(
  { history }: World,
  { process, noun, name }: { readonly process: string; readonly noun: Noun; readonly name: string },
  get: () => Promise<G>,
  use: (owned: Exclude<G, NotOwned>) => Promise<void>,
  end: (owned: Exclude<G, NotOwned>) => Promise<void>,
): Promise<void> {
  const [take, give] =
    noun === "lock" ? (["acquire", "release"] as const) : (["campaign", "resign"] as const);
  const op = history?.begin(process, { kind: take, name });
  const failed = (error?: unknown): void => {
    if (op !== undefined) history?.fail(op, error);
  };
  const got = await get().catch((error: unknown) => {
    failed(error);
    throw error;
  });
  if (got.ok === false) return failed();
  const owned = got as Exclude<G, NotOwned>;
  const { token, created: place } = owned;
  if (op !== undefined) history?.answer(op, { token, place });
  try {
    await use(owned);
  } finally {
    const held = !owned.signal.aborted && owned.remainingMs() > 0;
    const giving = history?.begin(process, { kind: give, name, token });
    await end(owned);
    if (giving !== undefined) history?.answer(giving, { held });
  }
}
