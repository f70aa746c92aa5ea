/** What is told of users and roles, and a checksum of them. Hashes of passwords are in the checksum and nowhere else. */
import { fromArray } from "../../base/bytes.ts";
import { ByteWriter } from "../../base/codec.ts";
import { crc32c } from "../../base/crc32c.ts";
import type { Failure } from "../../base/errors.ts";
import type { AuthShowRequest, AuthShowResponse } from "../../contract/requests.ts";
import type { AuthRefusal } from "./refusals.ts";
import { authRefused } from "./refusals.ts";
import type { AuthView } from "./users.ts";
import { namesOf, roleCodec, userCodec } from "./users.ts";

/** The answer at keyspace revision `revision`, or why there is none. */
export function shown(
  view: AuthView,
  { of, name = "" }: AuthShowRequest,
  revision: number,
): AuthShowResponse | Failure {
  const { enabled, revision: authRevision } = view.state;
  const nothing = { revision, enabled, authRevision, names: [], permissions: [] };
  const missing = (reason: AuthRefusal): Failure => authRefused(reason, `${of} ${name}`);
  switch (of) {
    case "state":
      return nothing;
    case "users":
      return { ...nothing, names: namesOf(view.users()) };
    case "roles":
      return { ...nothing, names: namesOf(view.roles()) };
    case "user": {
      const user = view.user(name);
      return user === undefined ? missing("userMissing") : { ...nothing, names: user.roles };
    }
    case "role": {
      const role = view.role(name);
      if (role === undefined) return missing("roleMissing");
      return { ...nothing, permissions: role.permissions };
    }
  }
}

/** Equal on replicas that applied the same entries. Cost: proportional to all users and roles. */
export function userHash(view: AuthView): number {
  const writer = new ByteWriter();
  writer.u8(view.state.enabled ? 1 : 0);
  writer.uint(view.state.revision);
  for (const name of namesOf(view.users())) {
    const user = view.user(name);
    if (user !== undefined) userCodec.encode(writer, user);
  }
  for (const name of namesOf(view.roles())) {
    const role = view.role(name);
    if (role !== undefined) roleCodec.encode(writer, role);
  }
  return crc32c(fromArray(writer.take()));
}
