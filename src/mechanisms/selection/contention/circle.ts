/**
 * Finding a circle of waiting, exactly: those who can never go on, by reduction of the wait graph at one revision.
 *
 * Everybody who could be served and let go is taken out, again and again; if the asker is never served and what it waits
 * for leads back to what it holds, it stands in a circle. Semaphores are exact too: of several who could free a permit, one
 * that can go on is enough.
 * Invariants: I1 no false alarm: only edges that waiters declared count, and what was not looked at counts as able to go
 * on. I2 of the waiters in a circle the youngest is told, and only it: each looks after it has joined, and leaves out
 * whoever joined later, who looks for itself.
 * Bound: 28 objects, 256 contenders in front; beyond, nothing is reported and `waitMs` is what ends a wait.
 * Source: Holt, Some Deadlock Properties of Computer Systems (Computing Surveys 1972), reduction of general resource graphs.
 */
import type { Bytes } from "../../../base/bytes.ts";
import { text } from "../../../base/bytes.ts";
import { fail } from "../../../base/errors.ts";
import type { Tx } from "../../../contract/procedure.ts";
import type { KeyValue } from "../../../contract/requests.ts";
import { byRank, ownership } from "./grant.ts";
import { decodeRecord, describe } from "./layout.ts";
import { contenderOf, tokenBase, wholeQueue } from "./queue.ts";
import type { Contender, Rule } from "./rules.ts";
import { obstacle } from "./rules.ts";
import type { Place } from "./waits.ts";
import { waitsOf } from "./waits.ts";

const OBJECTS_MAX = 28;
const IN_FRONT_MAX = 256;

/** Who asks: where it waits, and the keys that it holds meanwhile. */
export interface Asker {
  readonly places: readonly Place[];
  readonly rule: Rule;
  readonly held: readonly string[];
  /** When it joined: who joined later is left out. */
  readonly created: number;
}

/** Reads an object's rule as it is stored. */
export type ReadRule = (tx: Tx, prefix: Bytes, rule: Rule) => Rule;

interface Node extends Contender {
  readonly kv: KeyValue;
  readonly prefix: string;
  /** What must be served before it lets go. */
  readonly after: readonly (Place & { readonly rule: Rule })[];
}

interface Visited {
  readonly rule: Rule;
  /** In the order in which they are served. */
  readonly byAge: readonly Node[];
}

/** Throws DEADLOCK (definite) if the asker is the youngest waiter of a circle that it stands in. */
export function refuseCircle(tx: Tx, asker: Asker, readRule: ReadRule): void {
  const graph = new Graph(tx, asker.created, readRule);
  for (const each of asker.places) graph.visit({ ...each, rule: asker.rule });
  graph.reduce();
  for (const place of asker.places) {
    const path = graph.wayFrom(place, (node) => asker.held.includes(node.key));
    if (path !== undefined) throw deadlock(tx, place, path);
  }
}

function deadlock(tx: Tx, place: Place, path: readonly Node[]): Error {
  const base = tokenBase(tx);
  const steps = path.map(({ prefix, kv }) => {
    const who = describe(decodeRecord(kv), kv.key);
    return `${objectOf(prefix)} of ${who} (token ${base + kv.createRevision})`;
  });
  const first = path[0]?.kv;
  const cycle = steps.join(", which waits for ");
  return fail("DEADLOCK", {
    object: objectOf(place.prefix),
    what: `waiting would never end: it waits for ${cycle}, which waits for this`,
    remedy:
      "Release what is held and begin again after a random moment, or acquire all at once: q.locks.",
    holder: first === undefined ? undefined : describe(decodeRecord(first), first.key),
    details: { cycle, length: path.length },
  });
}

/** `lock/orders%2F42/` as people call it. */
function objectOf(prefix: string): string {
  const [noun = "", name = ""] = text(prefix as Bytes).split("/");
  return `${noun} ${name.replaceAll("%2F", "/").replaceAll("%25", "%")}`;
}

class Graph {
  readonly #tx: Tx;
  readonly #created: number;
  readonly #readRule: ReadRule;
  readonly #objects = new Map<string, Visited | undefined>();
  readonly #letGo = new Set<string>();

  constructor(tx: Tx, created: number, readRule: ReadRule) {
    this.#tx = tx;
    this.#created = created;
    this.#readRule = readRule;
  }

  /** Reads the object of a place, and all that those in front of it wait for. */
  visit(place: Place & { readonly rule: Rule }): void {
    const open = [place];
    for (let each = open.pop(); each !== undefined; each = open.pop()) {
      if (this.#objects.has(each.prefix)) continue;
      const object = this.#objects.size < OBJECTS_MAX ? this.#read(each) : undefined;
      this.#objects.set(each.prefix, object);
      for (const node of object?.byAge ?? []) open.push(...node.after);
    }
  }

  #read({ prefix, rule }: Place & { readonly rule: Rule }): Visited | undefined {
    const { present, grant } = wholeQueue(this.#tx, prefix as Bytes);
    if (present.length > IN_FRONT_MAX) return undefined;
    const kvs = grant === undefined ? present : inOrder(this.#tx, grant, present);
    const waits = waitsOf(this.#tx, prefix as Bytes);
    const byAge = kvs.map((kv): Node => {
      const noted = waits.filter(({ held }) => held === kv.key);
      const declared = noted.flatMap((wait) =>
        wait.places.map((place) => ({ ...place, rule: wait.rule })),
      );
      return {
        ...contenderOf(kv),
        kv,
        prefix,
        after: [...declared, ...siblings(kv, prefix, rule)],
      };
    });
    return { rule: this.#readRule(this.#tx, prefix as Bytes, rule), byAge };
  }

  /** Takes out whoever can be served and let go, until nobody is left who can. */
  reduce(): void {
    for (let before = -1; before < this.#letGo.size;) {
      before = this.#letGo.size;
      for (const object of this.#objects.values()) {
        for (const node of object?.byAge ?? []) {
          if (this.#letGo.has(node.key) || !this.#isServed(object, node)) continue;
          if (node.after.every((place) => this.#waiting(place) === undefined))
            this.#letGo.add(node.key);
        }
      }
    }
  }

  #isServed(object: Visited | undefined, node: Node): boolean {
    if (object === undefined) return true;
    const left = object.byAge.filter((each) => each === node || !this.#letGo.has(each.key));
    return obstacle(object.rule, left, left.indexOf(node)) === undefined;
  }

  /** The contender of a place that is not served, as far as is known and as old as the asker. */
  #waiting({ prefix, key }: Place): Node | undefined {
    const object = this.#objects.get(prefix);
    const node = object?.byAge.find((each) => each.key === key);
    if (node === undefined || node.kv.createRevision > this.#created) return undefined;
    return this.#isServed(object, node) ? undefined : node;
  }

  /** Those in front of a waiting contender who do not let go. */
  #blockers(waiting: Node): readonly Node[] {
    const { rule, byAge = [] } = this.#objects.get(waiting.prefix) ?? {};
    const older = byAge.slice(0, byAge.indexOf(waiting));
    const reads = rule?.kind === "phase" && waiting.shared;
    const last = reads ? older.findLastIndex((each) => !each.shared) : older.length - 1;
    return older.slice(0, last + 1).filter((each) => !this.#letGo.has(each.key));
  }

  /** The shortest way of waiting from a place to a contender that `isEnd`: those who are waited for, in order. */
  wayFrom(place: Place, isEnd: (node: Node) => boolean): readonly Node[] | undefined {
    const first = this.#waiting(place);
    if (first === undefined) return undefined;
    const seen = new Set<Node>([first]);
    const open: { readonly at: Node; readonly path: readonly Node[] }[] = [{ at: first, path: [] }];
    for (let step = open.shift(); step !== undefined; step = open.shift()) {
      for (const blocker of this.#blockers(step.at)) {
        const path = [...step.path, blocker];
        if (isEnd(blocker)) return path;
        for (const next of blocker.after) {
          const at = this.#waiting(next);
          if (at === undefined || seen.has(at)) continue;
          seen.add(at);
          open.push({ at, path });
        }
      }
    }
    return undefined;
  }
}

/** The owner by grant, then those who wait, in the order in which they will be granted. */
function inOrder(tx: Tx, grant: KeyValue, present: readonly KeyValue[]): readonly KeyValue[] {
  const whose = ownership(tx, grant, present);
  const ranked = byRank(present);
  if (whose.kind !== "owned") return ranked;
  return [whose.owner, ...ranked.filter((kv) => kv.key !== whose.owner.key)];
}

/** Of a claim on several names: its places in the other queues. */
function siblings(kv: KeyValue, prefix: string, rule: Rule): Node["after"] {
  const others = decodeRecord(kv).with ?? [];
  const suffix = kv.key.slice(prefix.length);
  return others
    .filter((each) => each !== prefix)
    .map((each) => ({ prefix: each, key: each + suffix, rule }));
}
