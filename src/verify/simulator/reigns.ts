/**
 * Who has led in which term, as the servers themselves say.
 *
 * Rule: SIM-LEAD-1 in one term one server leads. A leader change is a term in which one leads, after the first of the run.
 */
import type { MemberStanding } from "../../driver/face.ts";

export class Reigns {
  readonly #byTerm = new Map<number, string>();
  readonly #found: (rule: string, text: string) => void;

  constructor(found: (rule: string, text: string) => void) {
    this.#found = found;
  }

  /** `server` says where it stands. */
  stands(server: string, { role, term }: MemberStanding): void {
    if (role !== "leader") return;
    const known = this.#byTerm.get(term);
    if (known === undefined) this.#byTerm.set(term, server);
    else if (known !== server)
      this.#found("SIM-LEAD-1", `${server} leads in term ${term}, and so did ${known}`);
  }

  /** How often leadership has changed. */
  get changes(): number {
    return Math.max(0, this.#byTerm.size - 1);
  }
}
