/**
 * The header blocks of answers: what every call gets is made once.
 *
 * Source: gRPC over HTTP/2, "Responses".
 */
import { encodeBlock } from "../http2/hpack-encoder.ts";
import type { HeaderField } from "../http2/hpack-static.ts";
import type { RpcStatus } from "./status.ts";
import { encodeStatusMessage, GRPC } from "./status.ts";

const HEAD: readonly HeaderField[] = [
  [":status", "200"],
  ["content-type", "application/grpc"],
];

/** Before the messages. */
export const ANSWER_HEAD: Uint8Array = encodeBlock(HEAD);
/** After them, if the call went well. */
export const OK_TRAILERS: Uint8Array = encodeBlock(trailers(undefined));

/** After the messages. */
export function statusTrailers(status: RpcStatus | undefined): Uint8Array {
  return status === undefined ? OK_TRAILERS : encodeBlock(trailers(status));
}

/** The whole answer, if it has no messages. */
export function statusOnly(status: RpcStatus | undefined): Uint8Array {
  return encodeBlock([...HEAD, ...trailers(status)]);
}

/** What somebody gets who does not speak gRPC. */
export function httpStatus(status: number): Uint8Array {
  return encodeBlock([[":status", String(status)]]);
}

function trailers(status: RpcStatus | undefined): readonly HeaderField[] {
  return [
    ["grpc-status", String(status?.code ?? GRPC.ok)],
    ["grpc-message", encodeStatusMessage(status?.message ?? "")],
  ];
}
