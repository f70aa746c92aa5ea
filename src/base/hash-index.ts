/**
 * Entries found by a key that they carry themselves: open addressing in many small tables.
 *
 * Invariants: I1 no two entries have the same key. I2 between an entry's home and its place no place is free (a
 * deletion moves what follows back). I3 a table is between an eighth and three quarters full, or of the least size.
 * Why not `Map`: one hashes all its keys again when it doubles; at a million keys that step takes 60 to 190 ms
 * (measured on Node 20), here a table's takes less than one. It also keeps the key and a chain, an entry knows its key.
 * Declared limit: the hash (FNV-1a) has no secret. Whoever may write can choose keys that collide, and then each look-up
 * of one of them walks past the others. All of a key is hashed: honest ones begin or end alike, also over hundreds of
 * characters.
 */

const TABLES = 256;
const TABLE_BITS = 8;
const LEAST = 8;

interface Table<E> {
  /** A power of two long. */
  entries: (E | undefined)[];
  hashes: Int32Array;
  count: number;
}

function emptyTable<E>(length: number): Table<E> {
  return {
    entries: new Array<E | undefined>(length).fill(undefined),
    hashes: new Int32Array(length),
    count: 0,
  };
}

/** For tests; tables use it themselves. */
export function hashOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x45d9f3b);
  return hash ^ (hash >>> 16);
}

export class HashIndex<E> {
  readonly #keyOf: (entry: E) => string;
  readonly #tables: (Table<E> | undefined)[] = new Array<undefined>(TABLES).fill(undefined);

  constructor(keyOf: (entry: E) => string) {
    this.#keyOf = keyOf;
  }

  get size(): number {
    return this.#tables.reduce((sum, table) => sum + (table?.count ?? 0), 0);
  }

  get(key: string): E | undefined {
    const hash = hashOf(key);
    const table = this.#tables[hash & (TABLES - 1)];
    if (table === undefined) return undefined;
    const at = this.#find(table, key, hash);
    return at < 0 ? undefined : table.entries[at];
  }

  /** Adds an entry whose key is not in the index. */
  add(key: string, entry: E): void {
    const hash = hashOf(key);
    const number = hash & (TABLES - 1);
    let table = this.#tables[number] ?? emptyTable<E>(LEAST);
    if ((table.count + 1) * 4 > table.entries.length * 3)
      table = resized(table, table.entries.length * 2);
    this.#tables[number] = table;
    insert(table, entry, hash);
  }

  delete(key: string): boolean {
    const hash = hashOf(key);
    const number = hash & (TABLES - 1);
    const table = this.#tables[number];
    if (table === undefined) return false;
    const at = this.#find(table, key, hash);
    if (at < 0) return false;
    free(table, at);
    if (table.count * 8 < table.entries.length && table.entries.length > LEAST)
      this.#tables[number] = resized(table, table.entries.length / 2);
    return true;
  }

  /** The place of the key's entry, or -1. */
  #find({ entries, hashes }: Table<E>, key: string, hash: number): number {
    const mask = entries.length - 1;
    for (let at = (hash >>> TABLE_BITS) & mask; ; at = (at + 1) & mask) {
      const entry = entries[at];
      if (entry === undefined) return -1;
      if (hashes[at] === hash && this.#keyOf(entry) === key) return at;
    }
  }
}

function insert<E>(table: Table<E>, entry: E, hash: number): void {
  const { entries, hashes } = table;
  const mask = entries.length - 1;
  let at = (hash >>> TABLE_BITS) & mask;
  while (entries[at] !== undefined) at = (at + 1) & mask;
  entries[at] = entry;
  hashes[at] = hash;
  table.count++;
}

function resized<E>(table: Table<E>, length: number): Table<E> {
  const fresh = emptyTable<E>(length);
  for (let at = 0; at < table.entries.length; at++) {
    const entry = table.entries[at];
    if (entry !== undefined) insert(fresh, entry, table.hashes[at] as number);
  }
  return fresh;
}

/** Empties a place and moves back what had to pass it. */
function free<E>(table: Table<E>, place: number): void {
  const { entries, hashes } = table;
  const mask = entries.length - 1;
  let hole = place;
  for (let at = (hole + 1) & mask; entries[at] !== undefined; at = (at + 1) & mask) {
    const home = ((hashes[at] as number) >>> TABLE_BITS) & mask;
    if (((at - home) & mask) < ((at - hole) & mask)) continue;
    entries[hole] = entries[at];
    hashes[hole] = hashes[at] as number;
    hole = at;
  }
  entries[hole] = undefined;
  table.count--;
}
