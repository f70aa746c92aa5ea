/**
 * What the matrix of authorisation runs over: ranges with every edge that a range can have, sets of permissions that
 * cover them or just do not, and the oracle, which counts keys.
 *
 * The oracle is exact though it knows few keys: where a union of ranges begins to leave a gap, there is an edge of one
 * of them, or the key just above one.
 */
import type { Bytes } from "../../src/base/bytes.ts";
import type { KeyRange, Permission } from "../../src/contract/auth.ts";
import { OPEN_END } from "../../src/contract/requests.ts";
import { holds } from "../keyspace/auth-twin.ts";

const b = (text: string): Bytes => text as Bytes;
const EDGES = ["\0", "a", "a\0", "a\u00ff", "ab", "b", "c", "\u00ff"].map(b);
/** The edges and the keys just above them. */
export const KEYS: readonly Bytes[] = [...new Set(EDGES.flatMap((key) => [key, b(`${key}\0`)]))];

/** What is asked for. */
export const RANGES: readonly (KeyRange & { readonly name: string })[] = [
  { name: "a single key", key: b("a") },
  { name: "the key above it", key: b("a\0") },
  { name: "a key within the prefix", key: b("ab") },
  { name: "the end, as a key", key: b("b") },
  { name: "the least key", key: b("\0") },
  { name: "the greatest byte", key: b("\u00ff") },
  { name: "a single key as a range", key: b("a"), end: b("a\0") },
  { name: "a prefix", key: b("a"), end: b("b") },
  { name: "a prefix and the next key", key: b("a"), end: b("b\0") },
  { name: "two prefixes", key: b("a"), end: b("c") },
  { name: "all below", key: b("\0"), end: b("b") },
  { name: "all from a key on", key: b("a"), end: OPEN_END },
  { name: "all from the end on", key: b("b"), end: OPEN_END },
  { name: "every key", key: b("\0"), end: OPEN_END },
  { name: "no key", key: b("b"), end: b("a") },
  { name: "no key either", key: b("a"), end: b("a") },
];

interface Granted {
  readonly name: string;
  /** By role. */
  readonly roles: readonly (readonly Permission[])[];
}

type Access = Permission["access"];
const one = (access: Access, key: string, end?: string): Permission => ({
  access,
  key: b(key),
  ...(end === undefined ? {} : { end: b(end) }),
});

function shapes(access: Access): readonly Granted[] {
  const own = (key: string, end?: string): Permission => one(access, key, end);
  return [
    { name: "a single key", roles: [[own("a")]] },
    { name: "a prefix", roles: [[own("a", "b")]] },
    { name: "a single key as a range", roles: [[own("a", "a\0")]] },
    { name: "two prefixes that touch", roles: [[own("a", "b"), own("b", "c")]] },
    { name: "two prefixes of two roles", roles: [[own("a", "b")], [own("b", "c")]] },
    { name: "a key and the range above it", roles: [[own("a"), own("a\0", "b")]] },
    { name: "a key and a range with a gap", roles: [[own("a"), own("a\0\0", "b")]] },
    { name: "ranges that overlap", roles: [[own("a", "ab"), own("a\0", "c")]] },
    { name: "all from a key on", roles: [[own("a", "\0")]] },
    { name: "all below and all above", roles: [[own("\0", "a")], [own("a", "\0")]] },
    { name: "all but one key", roles: [[own("\0", "a"), own("a\0", "\0")]] },
    { name: "every key", roles: [[own("\0", "\0")]] },
  ].map((shape) => ({ ...shape, name: `${access} of ${shape.name}` }));
}

export const GRANTS: readonly Granted[] = [
  { name: "no role", roles: [] },
  { name: "a role without permissions", roles: [[]] },
  ...(["read", "write", "readwrite"] as const).flatMap(shapes),
  {
    name: "read of a prefix, write of the next",
    roles: [[one("read", "a", "b"), one("write", "b", "c")]],
  },
  {
    name: "read of all, write of a prefix, by two roles",
    roles: [[one("read", "\0", "\0")], [one("write", "a", "b")]],
  },
];

/** The keys of `range` that decide; of a range without keys, its first bound. */
export function keysOf(range: KeyRange): readonly Bytes[] {
  const found = KEYS.filter((key) => holds(range, key));
  const own = holds(range, range.key) && !found.includes(range.key) ? [range.key] : [];
  return found.length + own.length > 0 ? [...found, ...own] : [range.key];
}

/** Whether the permissions hold each of `keys`. */
export function permitted(
  { roles }: Granted,
  access: "read" | "write",
  keys: readonly Bytes[],
): boolean {
  const granted = roles
    .flat()
    .filter((each) => each.access === access || each.access === "readwrite");
  return keys.every((key) => granted.some((each) => holds(each, key)));
}
