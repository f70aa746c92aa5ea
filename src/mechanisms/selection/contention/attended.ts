/**
 * A loop over changes that somebody awaits: until the next one comes, the process stays alive for it.
 *
 * A program may do nothing else than to wait so; without this it would end with its await unsettled. While the body of the
 * loop runs, and once the loop is left, nothing is kept.
 */
import type { CommitmentPlane } from "../../../contract/plane.ts";

export async function* attended<T>(
  plane: Pick<CommitmentPlane, "busy">,
  changes: AsyncGenerator<T, void>,
): AsyncGenerator<T, void> {
  try {
    for (;;) {
      const done = plane.busy();
      const next = await changes.next().finally(done);
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    await changes.return();
  }
}
