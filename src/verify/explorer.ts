/**
 * Explores every state of a small model, breadth first: so a counterexample is a shortest one.
 *
 * A model says how it starts, which actions a state has and what an action leads to. `always` must hold of every
 * state, or throws; `sometimes` must hold of some, else the model shows nothing. States are told apart by a text.
 * Source: the shape is stateright's; the search is Holzmann's (The SPIN Model Checker, 2003).
 */

export interface Model<S, A> {
  start(): S;
  actions(state: S): readonly A[];
  /** The state after an action; undefined if it leads nowhere that is to be looked at. Throws what is violated. */
  next(state: S, action: A): S | undefined;
  /** Equal for states that need not be told apart. */
  key(state: S): string;
  always?(state: S): void;
  readonly sometimes?: Readonly<Record<string, (state: S) => boolean>> | undefined;
}

export interface Exploration<A> {
  /** Different states. */
  readonly states: number;
  /** Actions tried. */
  readonly steps: number;
  readonly depth: number;
  /** Whether every state was seen: false if a limit or a violation ended the search. */
  readonly isComplete: boolean;
  /** A shortest way to the first violation. */
  readonly violation: { readonly path: readonly A[]; readonly error: unknown } | undefined;
  /** For each `sometimes`, whether it was reached. */
  readonly reached: Readonly<Record<string, boolean>>;
}

interface Node<A> {
  readonly from: number;
  readonly action: A | undefined;
}

/** Explores until all is seen, something is violated, or `statesMax` states are there. */
export function explore<S, A>(model: Model<S, A>, statesMax: number): Exploration<A> {
  const seen = new Set<string>();
  const nodes: Node<A>[] = [];
  const reached = Object.fromEntries(
    Object.keys(model.sometimes ?? {}).map((name) => [name, false]),
  );
  let steps = 0;
  let depth = 0;
  let frontier: { readonly state: S; readonly node: number }[] = [];
  const end = (isComplete: boolean, violation: Exploration<A>["violation"]): Exploration<A> => ({
    states: nodes.length,
    steps,
    depth,
    isComplete,
    violation,
    reached,
  });
  /** Takes a state in, if it is new. */
  const admit = (state: S, from: number, action: A | undefined): boolean => {
    const key = model.key(state);
    if (seen.has(key)) return false;
    seen.add(key);
    nodes.push({ from, action });
    model.always?.(state);
    for (const [name, holds] of Object.entries(model.sometimes ?? {}))
      if (reached[name] !== true && holds(state)) reached[name] = true;
    return true;
  };
  const first = model.start();
  admit(first, -1, undefined);
  frontier.push({ state: first, node: 0 });
  while (frontier.length > 0) {
    const coming: typeof frontier = [];
    for (const { state, node } of frontier) {
      for (const action of model.actions(state)) {
        steps++;
        try {
          const next = model.next(state, action);
          if (next !== undefined && admit(next, node, action))
            coming.push({ state: next, node: nodes.length - 1 });
        } catch (error) {
          return end(false, { path: [...pathTo(nodes, node), action], error });
        }
        if (nodes.length >= statesMax) return end(false, undefined);
      }
    }
    frontier = coming;
    if (coming.length > 0) depth++;
  }
  return end(true, undefined);
}

function pathTo<A>(nodes: readonly Node<A>[], node: number): readonly A[] {
  const path: A[] = [];
  for (let at = node; at > 0;) {
    const { from, action } = nodes[at] as Node<A>;
    path.push(action as A);
    at = from;
  }
  return path.reverse();
}
