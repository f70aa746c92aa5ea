/**
 * The fields of every call and every answer, as `docs/spec/history.md` has them.
 *
 * Invariant: I1 there is a table for each kind; the types of the contract check that none lacks a field.
 */
import type {
  Compare,
  DeleteRangeRequest,
  DeleteRangeResponse,
  KeyValue,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  TxnOperation,
  TxnOperationResponse,
  TxnRequest,
  TxnResponse,
} from "../../contract/requests.ts";
import type { Bytes } from "../../base/bytes.ts";
import type { Answer, AnswerOf, Call, GuardedCall } from "./calls.ts";
import {
  bytes,
  defaulted,
  type Field,
  flag,
  id,
  later,
  list,
  nullable,
  number,
  oneOf,
  optional,
  record,
  string,
  union,
  whole,
} from "./fields.ts";

export const keyValue: Field<KeyValue> = record<KeyValue>({
  key: bytes,
  value: defaulted(bytes, "" as Bytes),
  createRevision: defaulted(whole, 0),
  modRevision: whole,
  version: defaulted(whole, 0),
  lease: defaulted(id, 0n),
});

const range = record<RangeRequest>({
  kind: oneOf("range"),
  key: bytes,
  end: optional(bytes),
  revision: optional(whole),
  limit: optional(whole),
  sort: optional(
    record<NonNullable<RangeRequest["sort"]>>({
      target: oneOf("key", "version", "create", "mod", "value"),
      order: oneOf("none", "ascend", "descend"),
    }),
  ),
  keysOnly: optional(flag),
  countOnly: optional(flag),
  minModRevision: optional(whole),
  maxModRevision: optional(whole),
  minCreateRevision: optional(whole),
  maxCreateRevision: optional(whole),
  consistency: optional(oneOf("linearizable", "serializable")),
});
const put = record<PutRequest>({
  kind: oneOf("put"),
  key: bytes,
  value: bytes,
  lease: optional(id),
  prevKv: optional(flag),
  ignoreValue: optional(flag),
  ignoreLease: optional(flag),
});
const deleteRange = record<DeleteRangeRequest>({
  kind: oneOf("deleteRange"),
  key: bytes,
  end: optional(bytes),
  prevKv: optional(flag),
});

const counted = <K extends "version" | "create" | "mod">(
  kind: K,
): Field<{ readonly kind: K; readonly value: number }> =>
  record<{ readonly kind: K; readonly value: number }>({
    kind: oneOf(kind),
    value: whole,
  } as never);
const target = union<Compare["target"]>("kind", {
  version: counted("version"),
  create: counted("create"),
  mod: counted("mod"),
  lease: record<{ readonly kind: "lease"; readonly value: bigint }>({
    kind: oneOf("lease"),
    value: id,
  }),
  value: record<{ readonly kind: "value"; readonly value: Bytes }>({
    kind: oneOf("value"),
    value: bytes,
  }),
});
const operation: Field<TxnOperation> = later(() =>
  union<TxnOperation>("kind", { range, put, deleteRange, txn }),
);
const txn: Field<TxnRequest> = record<TxnRequest>({
  kind: oneOf("txn"),
  compare: list(
    record<Compare>({
      key: bytes,
      end: optional(bytes),
      result: oneOf("equal", "greater", "less", "notEqual"),
      target,
    }),
  ),
  success: list(operation),
  failure: list(operation),
});

const register = nullable(string);
const key = optional(string);

export const callField: Field<Call> = union<Call>("kind", {
  range,
  put,
  deleteRange,
  txn,
  leaseGrant: record({ kind: oneOf("leaseGrant"), id, ttlMs: number }),
  leaseRevoke: record({ kind: oneOf("leaseRevoke"), id }),
  leaseKeepAlive: record({ kind: oneOf("leaseKeepAlive"), id }),
  compact: record({ kind: oneOf("compact"), revision: whole, physical: optional(flag) }),
  read: record({ kind: oneOf("read"), key }),
  write: record({ kind: oneOf("write"), key, value: register }),
  append: record({ kind: oneOf("append"), key, value: string }),
  cas: record({ kind: oneOf("cas"), key, from: register, to: register }),
  acquire: record({ kind: oneOf("acquire"), name: string }),
  campaign: record({ kind: oneOf("campaign"), name: string }),
  release: record({ kind: oneOf("release"), name: string, token: whole }),
  resign: record({ kind: oneOf("resign"), name: string, token: whole }),
  guarded: record<GuardedCall>({
    kind: oneOf("guarded"),
    resource: string,
    token: whole,
    holder: string,
  }),
});

const rangeAnswer = {
  revision: whole,
  kvs: defaulted<readonly KeyValue[]>(list(keyValue), []),
  more: defaulted(flag, false),
  count: whole,
};
const putAnswer = { revision: whole, prevKv: optional(keyValue) };
const deleteAnswer = {
  revision: whole,
  deleted: whole,
  prevKvs: defaulted<readonly KeyValue[]>(list(keyValue), []),
};
const responses = later(() => list(operationResponse));
const txnAnswer = { revision: whole, succeeded: flag, responses };
type Kind<K extends string, T> = { readonly kind: K } & T;
const operationResponse: Field<TxnOperationResponse> = union<TxnOperationResponse>("kind", {
  range: record<Kind<"range", RangeResponse>>({ kind: oneOf("range"), ...rangeAnswer }),
  put: record<Kind<"put", PutResponse>>({ kind: oneOf("put"), ...putAnswer }),
  deleteRange: record<Kind<"deleteRange", DeleteRangeResponse>>({
    kind: oneOf("deleteRange"),
    ...deleteAnswer,
  }),
  txn: record<Kind<"txn", TxnResponse>>({ kind: oneOf("txn"), ...txnAnswer }),
});
const revisionAlone = record<{ readonly revision: number }>({ revision: whole });
const nothing = record<Record<never, never>>({});
const acquired = record<AnswerOf["acquire"]>({ token: nullable(whole), place: optional(whole) });
const released = record<AnswerOf["release"]>({ held: flag });

const answers: { readonly [K in keyof AnswerOf]: Field<AnswerOf[K]> } = {
  range: record<RangeResponse>(rangeAnswer),
  put: record<PutResponse>(putAnswer),
  deleteRange: record<DeleteRangeResponse>(deleteAnswer),
  txn: record<TxnResponse>(txnAnswer),
  leaseGrant: record<AnswerOf["leaseGrant"]>({ revision: whole, id, ttlMs: number }),
  leaseRevoke: revisionAlone,
  leaseKeepAlive: record<AnswerOf["leaseKeepAlive"]>({ revision: whole, ttlMs: number }),
  compact: revisionAlone,
  read: record<AnswerOf["read"]>({ value: register }),
  write: nothing,
  append: nothing,
  cas: record<AnswerOf["cas"]>({ done: flag }),
  acquire: acquired,
  campaign: acquired,
  release: released,
  resign: released,
  guarded: record<AnswerOf["guarded"]>({ accepted: flag }),
};

/** The fields of the answer to a call of this kind. */
export function answerField(kind: Call["kind"]): Field<Answer> {
  return answers[kind] as Field<Answer>;
}
