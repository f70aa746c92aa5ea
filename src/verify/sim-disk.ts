/**
 * A simulated disk: what has been promised survives a crash, everything else may or may not, sector by sector.
 *
 * Model: a sector of 512 bytes is written whole or not at all. A crash keeps any subset of the sectors of writes that were
 * not flushed, and any prefix of the directory changes that were not synced. A process that ends while the machine goes on
 * leaves what it wrote in the page cache, where the next one reads it, stable or not. Faults on request: writes or flushes that
 * fail, a full disk, flipped bits. After a failed flush the cache takes for written what is not: a second one does
 * nothing. `honest: false` ignores `durable`, as a disk opened without O_DSYNC would.
 */
import { assert } from "../base/assert.ts";
import type { Prng } from "../base/prng.ts";
import type { Clock } from "../ports/clock.ts";
import type { Disk, DiskFile, OpenOptions } from "../ports/disk.ts";

const SECTOR = 512;

/** What a file holds: in the page cache and on the platter. */
interface Content {
  cached: Uint8Array;
  stable: Uint8Array;
  stableLength: number;
  length: number;
  readonly dirty: Set<number>;
}

type DirectoryChange = { readonly name: string; readonly content: Content | undefined };

export interface SimDiskOptions {
  readonly random: Prng;
  /** False: durable opens promise what they do not keep. */
  readonly honest?: boolean | undefined;
}

export class SimDisk {
  readonly #random: Prng;
  readonly #honest: boolean;
  #names = new Map<string, Content>();
  #stableNames = new Map<string, Content>();
  #changes: DirectoryChange[] = [];
  /** Grows at each crash: operations begun before it neither complete nor take effect. */
  #life = 0;
  /** The next write or flush that fails, counted down; undefined: none. */
  failAfter: number | undefined;
  failWith = "EIO: i/o error, write";
  /** Called once, when the next write is in the cache and not on the platter yet. */
  inWrite: (() => void) | undefined;
  /** Added to what each operation takes, ms. */
  slowMs = 0;

  constructor(options: SimDiskOptions) {
    this.#random = options.random;
    this.#honest = options.honest !== false;
  }

  /** Power is lost: what was not promised survives at random. Whatever was mounted before never answers again. */
  crash(): void {
    this.#life++;
    const kept = this.#random.below(this.#changes.length + 1);
    for (const change of this.#changes.slice(0, kept)) apply(this.#stableNames, change);
    this.#changes = [];
    for (const content of this.#stableNames.values()) this.#settle(content);
    this.#names = new Map(this.#stableNames);
  }

  /** The process ends, the machine goes on: whatever was mounted before never answers again. */
  end(): void {
    this.#life++;
  }

  /** The files as they stand on the platter. */
  names(): readonly string[] {
    return [...this.#stableNames.keys()].sort();
  }
  /** The bytes of a file as they stand on the platter, to look at or to damage. */
  stable(name: string): Uint8Array {
    const content = this.#stableNames.get(name);
    assert(content !== undefined, `no stable file ${name}`);
    return content.stable;
  }
  /** Changes stable bytes behind everybody's back; takes effect at the next open. */
  damage(name: string, change: (bytes: Uint8Array) => void): void {
    const content = this.#stableNames.get(name);
    assert(content !== undefined, `no stable file ${name}`);
    change(content.stable);
    content.cached = content.stable.slice();
  }
  /** Makes a stable file longer or shorter by `by` bytes. */
  resize(name: string, by: number): void {
    const content = this.#stableNames.get(name);
    assert(content !== undefined, `no stable file ${name}`);
    content.stableLength += by;
    content.length = content.stableLength;
    content.stable = resized(content.stable.subarray(0, content.length), content.length);
    content.cached = content.stable.slice();
  }
  /** A copy with the same stable content, so that many damages can be tried on one state. */
  clone(random: Prng): SimDisk {
    const copy = new SimDisk({ random });
    for (const [name, content] of this.#stableNames) {
      const same: Content = {
        cached: content.stable.slice(),
        stable: content.stable.slice(),
        stableLength: content.stableLength,
        length: content.stableLength,
        dirty: new Set(),
      };
      copy.#stableNames.set(name, same);
      copy.#names.set(name, same);
    }
    return copy;
  }

  #settle(content: Content): void {
    for (const sector of content.dirty) if (this.#random.chance(1, 2)) stabilise(content, sector);
    content.dirty.clear();
    if (this.#random.chance(1, 2))
      content.stableLength = Math.max(content.stableLength, content.length);
    content.length = content.stableLength;
    content.cached = content.stable.slice();
  }

  /** The disk as a process sees it until the next crash. */
  mount(clock: Clock): Disk {
    const life = this.#life;
    const soon = <T>(act: () => T): Promise<T> => this.#soon(clock, life, act);
    return {
      label: "simulated disk",
      lock: () =>
        Promise.resolve({
          announce: () => Promise.resolve(),
          accept: () => {},
          release: () => Promise.resolve(),
        }),
      list: () => soon(() => [...this.#names.keys()].sort()),
      open: (name, options) => soon(() => this.#open(name, options, soon)),
      rename: (from, to) =>
        soon(() => {
          const content = this.#names.get(from);
          assert(content !== undefined, `rename: no ${from}`);
          // One change for the two names: a rename is atomic.
          this.#change({ name: `${from}\0${to}`, content });
        }),
      remove: (name) => soon(() => this.#change({ name, content: undefined })),
      syncDirectory: () =>
        soon(() => {
          for (const change of this.#changes) apply(this.#stableNames, change);
          this.#changes = [];
        }),
    };
  }

  #open(name: string, options: OpenOptions, soon: Soon): DiskFile {
    const known = this.#names.get(name);
    if (options.mode !== "create") {
      if (known === undefined) throw new Error(`ENOENT: no such file, open '${name}'`);
      return this.#file(known, options.durable === true, soon);
    }
    assert(known === undefined, `create: ${name} exists`);
    const empty = new Uint8Array(0);
    const content: Content = {
      cached: empty,
      stable: empty,
      stableLength: 0,
      length: 0,
      dirty: new Set(),
    };
    this.#change({ name, content });
    return this.#file(content, options.durable === true, soon);
  }

  #change(change: DirectoryChange): void {
    apply(this.#names, change);
    this.#changes.push(change);
  }

  #file(content: Content, durable: boolean, soon: Soon): DiskFile {
    return {
      write: (offset, data) => {
        // The caller may reuse its buffer once the promise has resolved, not before.
        const given = data.slice();
        return soon(() => {
          if (this.#fails()) {
            this.#half(content, offset, given);
            throw new Error(this.failWith);
          }
          grow(content, offset + given.length);
          content.cached.set(given, offset);
          for (
            let sector = Math.floor(offset / SECTOR);
            sector * SECTOR < offset + given.length;
            sector++
          ) {
            content.dirty.add(sector);
          }
          this.#tellWrite();
        }).then(() =>
          soon(() => (durable && this.#honest ? flush(content, offset, given.length) : undefined)),
        );
      },
      read: (offset, length) =>
        soon(() => content.cached.slice(offset, Math.min(content.length, offset + length))),
      size: () => soon(() => content.length),
      sync: () =>
        soon(() => {
          if (this.#fails()) {
            content.dirty.clear();
            throw new Error(this.failWith);
          }
          flush(content, 0, content.length);
        }),
      close: () => Promise.resolve(),
    };
  }

  #tellWrite(): void {
    const told = this.inWrite;
    this.inWrite = undefined;
    told?.();
  }

  #fails(): boolean {
    if (this.failAfter === undefined || this.failAfter-- > 0) return false;
    this.failAfter = undefined;
    return true;
  }

  /** A write that fails: some of it is in the cache, which takes it for written. */
  #half(content: Content, offset: number, given: Uint8Array): void {
    const length = this.#random.below(Math.floor(given.length / SECTOR) + 1) * SECTOR;
    if (length === 0) return;
    grow(content, offset + length);
    content.cached.set(given.subarray(0, length), offset);
  }

  /** Does `act` a moment later, unless power is lost before. */
  #soon<T>(clock: Clock, life: number, act: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (life !== this.#life) return;
      clock.after(this.#random.below(3) + this.slowMs, () => {
        if (life !== this.#life) return;
        try {
          resolve(act());
        } catch (error) {
          reject(error as Error);
        }
      });
    });
  }
}

type Soon = <T>(act: () => T) => Promise<T>;

function apply(names: Map<string, Content>, { name, content }: DirectoryChange): void {
  const [from, to] = name.split("\0") as [string, string | undefined];
  if (to !== undefined) {
    names.delete(from);
    names.set(to, content as Content);
  } else if (content === undefined) names.delete(name);
  else names.set(name, content);
}

function grow(content: Content, length: number): void {
  if (length <= content.length) return;
  if (length > content.cached.length) {
    const size = Math.ceil(Math.max(length, content.cached.length * 2) / SECTOR) * SECTOR;
    content.cached = resized(content.cached, size);
    content.stable = resized(content.stable, size);
  }
  content.length = length;
}

function resized(array: Uint8Array, size: number): Uint8Array {
  const larger = new Uint8Array(size);
  larger.set(array);
  return larger;
}

function stabilise(content: Content, sector: number): void {
  const at = sector * SECTOR;
  content.stable.set(content.cached.subarray(at, at + SECTOR), at);
}

function flush(content: Content, offset: number, length: number): void {
  for (let sector = Math.floor(offset / SECTOR); sector * SECTOR < offset + length; sector++) {
    if (content.dirty.delete(sector)) stabilise(content, sector);
  }
  content.stableLength = Math.max(content.stableLength, Math.min(content.length, offset + length));
}
