/** What tests of watches have in common. */
import type { Bytes } from "../../src/base/bytes.ts";
import type { WatchResponse } from "../../src/wire/etcd/messages.ts";
import { METHODS } from "../../src/wire/etcd/messages.ts";
import type { Conversation, GrpcClient } from "./grpc-client.ts";

const b = (text: string): Bytes => text as Bytes;

/** A stream of watches. */
export type Watching = Conversation<object, WatchResponse>;

export function open(client: GrpcClient): Watching {
  return client.converse(METHODS.watch) as unknown as Watching;
}

export function put(
  client: GrpcClient,
  key: string,
  value: string,
): Promise<{ readonly header?: { readonly revision: number } | undefined }> {
  return client.call(METHODS.put, { key: b(key), value: b(value) });
}
