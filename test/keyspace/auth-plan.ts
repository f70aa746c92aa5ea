/** Random orders about few users, roles and ranges: most meet something that is there. */
import type { Bytes } from "../../src/base/bytes.ts";
import type { Prng } from "../../src/base/prng.ts";
import type { AuthOrder, KeyRange } from "../../src/contract/auth.ts";

export const USERS: readonly string[] = ["root", "ann", "bob", "Zoë"];
export const ROLES: readonly string[] = ["root", "r1", "r2", "r3"];
/** A hash in the form that is stored; of nothing in particular. */
export const SOME_HASH: string = `$scrypt$ln=4,r=8,p=1$${"A".repeat(22)}$${"B".repeat(43)}`;
const KEYS = ["a", "a\0", "ab", "b", "c", "d"] as readonly string[] as readonly Bytes[];
const ENDS = ["\0", "b", "c", "e", "a\0"] as readonly string[] as readonly Bytes[];

export function randomKeyRange(random: Prng): KeyRange {
  if (random.chance(1, 40)) return { key: "" as Bytes, end: "\0" as Bytes };
  const key = random.chance(1, 12) ? ("\0" as Bytes) : random.pick(KEYS);
  return random.chance(1, 3) ? { key } : { key, end: random.pick(ENDS) };
}

export function randomOrder(random: Prng): AuthOrder {
  const name = random.chance(1, 30) ? "" : random.pick(USERS);
  const role = random.chance(1, 30) ? "" : random.pick(ROLES);
  const dice = random.below(40);
  if (dice < 6) return { kind: "addUser", name, password: SOME_HASH };
  if (dice < 7) return { kind: "addUser", name };
  if (dice < 8) return { kind: "deleteUser", name };
  if (dice < 10) return { kind: "changePassword", name, password: SOME_HASH };
  if (dice < 16) return { kind: "grantRole", name, role };
  if (dice < 18) return { kind: "revokeRole", name, role };
  if (dice < 22) return { kind: "addRole", name: role };
  if (dice < 23) return { kind: "deleteRole", name: role };
  if (dice < 25) return { kind: "revokePermission", name: role, range: randomKeyRange(random) };
  if (dice < 27) return { kind: "enable" };
  if (dice < 28) return { kind: "disable" };
  const access = random.pick(["read", "write", "readwrite"] as const);
  return {
    kind: "grantPermission",
    name: role,
    permission: { access, ...randomKeyRange(random) },
  };
}
