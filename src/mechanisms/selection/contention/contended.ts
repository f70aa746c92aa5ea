/** One object that is contended for, and asking the engine about it. */
import type { Bytes } from "../../../base/bytes.ts";
import { utf8 } from "../../../base/bytes.ts";
import { QuorateError } from "../../../base/errors.ts";
import type { Card } from "../../../contract/card.ts";
import type { CallOptions, Ran } from "../../../contract/keyspace.ts";
import type { CommitmentPlane, OnCommitment } from "../../../contract/plane.ts";
import type { Procedure } from "../../../contract/procedure.ts";
import { strongEnough } from "./arguments.ts";
import type { Name } from "./layout.ts";
import { contenderPrefix, nameText } from "./layout.ts";
import type { Rule } from "./rules.ts";

export interface Contended {
  readonly plane: CommitmentPlane;
  readonly noun: string;
  readonly name: string;
  /** For messages: `lock orders/42`. */
  readonly object: string;
  readonly prefix: Bytes;
  readonly rule: Rule;
  /** Programs of etcd's own recipes contend for it, too: it goes by age alone. */
  readonly shared?: boolean | undefined;
}

/**
 * The object of that noun and name; with `etcdName` under its name as it stands. No I/O. Throws INVALID for a name that
 * cannot be, GUARANTEE for an engine that is too weak.
 */
export function contended(
  on: OnCommitment,
  card: Card,
  name: Name,
  rule: Rule,
  etcdName = false,
): Contended {
  const { noun } = card;
  const called = nameText(name, noun);
  const object = `${noun} ${called}`;
  return {
    plane: strongEnough(on.commitment, card, object),
    noun,
    name: called,
    object,
    prefix: etcdName ? utf8(`${called}/`) : contenderPrefix(noun, called),
    rule,
    shared: etcdName,
  };
}

/** Runs `procedure` under the namespace of the connection; what fails is told of `on.object`. Cost: one round trip. */
export async function ask<A, R>(
  on: Pick<Contended, "plane" | "object">,
  procedure: Procedure<A, R>,
  args: A,
  options: CallOptions = {},
): Promise<Ran<R>> {
  const { signal, timeoutMs } = options;
  const { keyspace, prefix } = on.plane;
  return told(on, keyspace.run(procedure, args, { signal, timeoutMs, prefix }));
}

/** The answer to a call; what fails is told of what was wanted. */
export function told<T>(on: Pick<Contended, "object">, answer: Promise<T>): Promise<T> {
  return answer.catch((error: unknown) => Promise.reject(about(on, error)));
}

/** A failure on the way to the engine, told of what was wanted; that of a closed connection as it is. */
export function about(on: Pick<Contended, "object">, error: unknown): unknown {
  if (!QuorateError.is(error)) return error;
  const failed: QuorateError = error;
  if (failed.code === "CLOSED" || failed.code === "SHUTDOWN") return failed;
  return new QuorateError({ ...failed.failure, object: on.object }, failed.cause);
}
