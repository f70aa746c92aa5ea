/** The consensus of one voter: it leads from the start, its own flush commits, and nobody can depose it. */
import type { Consensus } from "./consensus.ts";

export function soloConsensus(): Consensus {
  return {
    start: (_lastIndex, lastTerm) => [{ kind: "elected", term: lastTerm + 1 }],
    appended: () => [],
    flushed: (index) => [{ kind: "committed", index }],
    read: (id) => [{ kind: "readConfirmed", id }],
  };
}
