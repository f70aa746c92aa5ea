/**
 * Where the servers of a remote engine are: the endpoints that were given, those that servers tell of, and which of them
 * leads. Pure: says where to go next, and goes nowhere.
 *
 * Invariants: I1 a given endpoint is never forgotten: what servers tell may not be reachable from here. I2 every endpoint
 * has its turn. I3 who is said to lead is tried first, once for each time that it is said.
 */
import type { Address } from "../../ports/network.ts";

const DEFAULT_PORT = 2379;
/** Told endpoints that are kept. */
const TOLD_MAX = 64;

export class Endpoints {
  readonly #given: readonly Address[];
  #all: readonly Address[];
  /** The one that was tried last, or was left since. */
  #last: Address;
  #preferred: Address | undefined;

  constructor(given: readonly Address[]) {
    this.#given = given;
    this.#all = given;
    this.#last = given.at(-1) as Address;
  }

  get all(): readonly Address[] {
    return this.#all;
  }
  get areSeveral(): boolean {
    return this.#all.length > 1;
  }

  /** Servers say who they are, as urls. Over a local socket, which leads to one process, it is not heeded. */
  learn(urls: readonly string[]): void {
    if (this.#given.some(({ kind }) => kind === "local")) return;
    const told = addressesOf(urls).filter((each) => !includes(this.#given, each));
    this.#all = [...this.#given, ...told.slice(0, TOLD_MAX)];
  }

  /** Says who leads; one of its addresses that is given counts for more. Returns whether that is another than `current`. */
  prefer(urls: readonly string[], current: Address | undefined): boolean {
    const leading = addressesOf(urls);
    this.#preferred = undefined;
    if (leading.length === 0 || (current !== undefined && includes(leading, current))) return false;
    const known = this.#all.find((each) => includes(leading, each));
    if (known === undefined) this.learn([...this.#all.flatMap(urlOf), ...urls]);
    this.#preferred = known ?? this.#all.find((each) => includes(leading, each));
    return this.#preferred !== undefined;
  }

  /** The connection to `address` is lost: another one comes next, whichever was tried in vain meanwhile. */
  left(address: Address): void {
    this.#last = address;
  }

  /** Where to go next. */
  next(): Address {
    const preferred = this.#preferred;
    this.#preferred = undefined;
    const at = this.#all.findIndex((each) => isSame(each, this.#last));
    this.#last = preferred ?? (this.#all[(at + 1) % this.#all.length] as Address);
    return this.#last;
  }
}

function includes(addresses: readonly Address[], address: Address): boolean {
  return addresses.some((each) => isSame(each, address));
}

function isSame(one: Address, other: Address): boolean {
  if (one.kind === "tcp" && other.kind === "tcp")
    return one.host === other.host && one.port === other.port;
  return one.kind === "local" && other.kind === "local" && one.path === other.path;
}

function addressesOf(urls: readonly string[]): readonly Address[] {
  return urls.flatMap((url) => {
    const found = /^[a-z]+:\/\/(\[[^\]]+\]|[^:/]+)(?::(\d{1,5}))?\/?$/.exec(url);
    const port = Number(found?.[2] ?? DEFAULT_PORT);
    const host = found?.[1]?.replace(/^\[(.*)\]$/, "$1");
    return host === undefined || port < 1 || port > 65_535 ? [] : [{ kind: "tcp", host, port }];
  });
}

function urlOf(address: Address): readonly string[] {
  if (address.kind === "local") return [];
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return [`quorate://${host}:${address.port}`];
}
