/**
 * A map from strings to values in key order: a B+tree whose leaves are linked.
 *
 * Invariants: I1 keys ascend within a leaf and along the leaves. I2 every leaf but the only one holds at least one
 * key. I3 `separators[i]` of a branch is ≤ every key under child i+1 and > every key under child i.
 * Deviation from the textbook: a leaf is removed when it is empty, not when it is half full; coordination keys come
 * and go in the same neighbourhoods, and rebalancing would cost more than it saves.
 * Leaves out: iteration that survives mutation by itself; a scan must not change the map it walks.
 */
import { assert } from "./assert.ts";

const LEAF_MAX = 64;
const BRANCH_MAX = 64;

interface Leaf<V> {
  readonly leaf: true;
  keys: string[];
  values: V[];
  next: Leaf<V> | undefined;
  previous: Leaf<V> | undefined;
}
interface Branch<V> {
  readonly leaf: false;
  separators: string[];
  children: Node<V>[];
}
type Node<V> = Leaf<V> | Branch<V>;

/** The upper half of a node that split, and its least key. */
interface Split<V> {
  readonly separator: string;
  readonly right: Node<V>;
}

function emptyLeaf<V>(): Leaf<V> {
  return { leaf: true, keys: [], values: [], next: undefined, previous: undefined };
}

/** First position in `keys` whose key is ≥ `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** First position in `keys` whose key is > `key`. */
function upperBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] as string) <= key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A place between two entries that moves up. */
class Cursor<V> {
  #leaf: Leaf<V>;
  #at: number;
  /** The key that it stands before; undefined at the end. */
  key: string | undefined;
  value: V | undefined;

  constructor(leaf: Leaf<V>, at: number) {
    this.#leaf = leaf;
    this.#at = at - 1;
    this.next();
  }

  next(): void {
    this.#at++;
    while (this.#at >= this.#leaf.keys.length && this.#leaf.next !== undefined) {
      this.#leaf = this.#leaf.next;
      this.#at = 0;
    }
    this.key = this.#leaf.keys[this.#at];
    this.value = this.#leaf.values[this.#at];
  }
}

/** Strings to values, in the order of UTF-16 code units: for `Bytes`, the byte order. */
export class OrderedMap<V> {
  #root: Node<V> = emptyLeaf();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Builds from entries that ascend strictly: O(n), leaves three quarters full. */
  static fromSorted<V>(keys: readonly string[], values: readonly V[]): OrderedMap<V> {
    const builder = OrderedMap.ascending<V>();
    for (let at = 0; at < keys.length; at++) builder.add(keys[at] as string, values[at] as V);
    return builder.build();
  }

  /** Takes entries that ascend strictly, one by one, and gives the map of them. */
  static ascending<V>(): AscendingBuilder<V> {
    return new AscendingBuilder((root: Node<V>, size: number) => {
      const map = new OrderedMap<V>();
      map.#root = root;
      map.#size = size;
      return map;
    });
  }

  get(key: string): V | undefined {
    const leaf = this.#leafOf(key);
    const at = lowerBound(leaf.keys, key);
    return leaf.keys[at] === key ? leaf.values[at] : undefined;
  }

  set(key: string, value: V): void {
    const split = this.#insert(this.#root, key, value);
    if (split === undefined) return;
    this.#root = {
      leaf: false,
      separators: [split.separator],
      children: [this.#root, split.right],
    };
  }

  delete(key: string): boolean {
    const found = this.#remove(this.#root, key);
    if (!found) return false;
    this.#size--;
    while (!this.#root.leaf && this.#root.children.length === 1)
      this.#root = this.#root.children[0] as Node<V>;
    return true;
  }

  /**
   * Visits entries with from ≤ key < end in ascending order until `visit` returns false; `end` undefined means no
   * bound. Returns false if the visitor stopped the scan.
   */
  scan(from: string, end: string | undefined, visit: (key: string, value: V) => boolean): boolean {
    let leaf: Leaf<V> | undefined = this.#leafOf(from);
    let at = lowerBound(leaf.keys, from);
    while (leaf !== undefined) {
      for (; at < leaf.keys.length; at++) {
        const key = leaf.keys[at] as string;
        if (end !== undefined && key >= end) return true;
        if (!visit(key, leaf.values[at] as V)) return false;
      }
      leaf = leaf.next;
      at = 0;
    }
    return true;
  }

  /** Stands at the least key ≥ `from`; good until the map changes. */
  cursor(from: string): Cursor<V> {
    const leaf = this.#leafOf(from);
    return new Cursor(leaf, lowerBound(leaf.keys, from));
  }

  /** The least key ≥ `from`, with its value. */
  first(from = ""): readonly [string, V] | undefined {
    const { key, value } = this.cursor(from);
    return key === undefined ? undefined : [key, value as V];
  }

  #leafOf(key: string): Leaf<V> {
    let node = this.#root;
    while (!node.leaf) node = node.children[upperBound(node.separators, key)] as Node<V>;
    return node;
  }

  #insert(node: Node<V>, key: string, value: V): Split<V> | undefined {
    if (node.leaf) return this.#insertIntoLeaf(node, key, value);
    const at = upperBound(node.separators, key);
    const split = this.#insert(node.children[at] as Node<V>, key, value);
    if (split === undefined) return undefined;
    node.separators.splice(at, 0, split.separator);
    node.children.splice(at + 1, 0, split.right);
    if (node.children.length <= BRANCH_MAX) return undefined;
    const middle = node.separators.length >> 1;
    const separator = node.separators[middle] as string;
    const right: Branch<V> = {
      leaf: false,
      separators: node.separators.splice(middle + 1),
      children: node.children.splice(middle + 1),
    };
    node.separators.length = middle;
    return { separator, right };
  }

  #insertIntoLeaf(leaf: Leaf<V>, key: string, value: V): Split<V> | undefined {
    const at = lowerBound(leaf.keys, key);
    if (leaf.keys[at] === key) {
      leaf.values[at] = value;
      return undefined;
    }
    if (at === leaf.keys.length) {
      leaf.keys.push(key);
      leaf.values.push(value);
    } else {
      leaf.keys.splice(at, 0, key);
      leaf.values.splice(at, 0, value);
    }
    this.#size++;
    if (leaf.keys.length <= LEAF_MAX) return undefined;
    // Keys that only ever grow (sequences, queues) leave full leaves behind them.
    const middle = at === leaf.keys.length - 1 ? LEAF_MAX : leaf.keys.length >> 1;
    const right: Leaf<V> = {
      leaf: true,
      keys: leaf.keys.splice(middle),
      values: leaf.values.splice(middle),
      next: leaf.next,
      previous: leaf,
    };
    if (leaf.next !== undefined) leaf.next.previous = right;
    leaf.next = right;
    return { separator: right.keys[0] as string, right };
  }

  #remove(node: Node<V>, key: string): boolean {
    if (node.leaf) {
      const at = lowerBound(node.keys, key);
      if (node.keys[at] !== key) return false;
      node.keys.splice(at, 1);
      node.values.splice(at, 1);
      return true;
    }
    const at = upperBound(node.separators, key);
    const child = node.children[at] as Node<V>;
    if (!this.#remove(child, key)) return false;
    const empty = child.leaf ? child.keys.length === 0 : child.children.length === 0;
    if (empty && !(child.leaf && node === this.#root && node.children.length === 1))
      this.#unlink(node, at, child);
    return true;
  }

  #unlink(parent: Branch<V>, at: number, child: Node<V>): void {
    parent.children.splice(at, 1);
    if (parent.separators.length > 0) parent.separators.splice(Math.max(0, at - 1), 1);
    if (!child.leaf) return;
    if (child.previous !== undefined) child.previous.next = child.next;
    if (child.next !== undefined) child.next.previous = child.previous;
  }
}

/** How full a built node is: the next insertions should find room. */
const BUILT: number = (LEAF_MAX * 3) >> 2;

/** Builds a map from entries that ascend strictly, a few at a time. */
export class AscendingBuilder<V> {
  readonly #made: (root: Node<V>, size: number) => OrderedMap<V>;
  readonly #leaves: Leaf<V>[] = [];
  #last: Leaf<V> = emptyLeaf();
  #size = 0;

  constructor(made: (root: Node<V>, size: number) => OrderedMap<V>) {
    this.#made = made;
    this.#leaves.push(this.#last);
  }

  add(key: string, value: V): void {
    const before = this.#last.keys.at(-1);
    assert(before === undefined || before < key, "ascending: keys must ascend");
    if (this.#last.keys.length === BUILT) {
      const leaf: Leaf<V> = { ...emptyLeaf<V>(), previous: this.#last };
      this.#last.next = leaf;
      this.#last = leaf;
      this.#leaves.push(leaf);
    }
    this.#last.keys.push(key);
    this.#last.values.push(value);
    this.#size++;
  }

  /** The map of all that was added. The builder is used up. */
  build(): OrderedMap<V> {
    let level: Node<V>[] = this.#leaves;
    let least = this.#leaves.map((leaf) => leaf.keys[0] ?? "");
    while (level.length > 1) {
      const above: Node<V>[] = [];
      const aboveLeast: string[] = [];
      for (let at = 0; at < level.length; at += BUILT) {
        const children = level.slice(at, at + BUILT);
        above.push({ leaf: false, children, separators: least.slice(at + 1, at + BUILT) });
        aboveLeast.push(least[at] as string);
      }
      level = above;
      least = aboveLeast;
    }
    return this.#made(level[0] as Node<V>, this.#size);
  }
}
