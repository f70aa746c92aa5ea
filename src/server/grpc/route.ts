/**
 * What the head of a request asks for: which method, until when, or why not.
 *
 * Heads that say the same are often one object, so that what follows from one is found once.
 */
import type { Methods, StreamMethod, UnaryMethod } from "../../service/grpc/method.ts";
import { GRPC, RpcStatus, timeoutMs } from "../../wire/grpc/status.ts";
import type { RequestHead } from "../../wire/http2/request-head.ts";
import { fieldOf } from "../../wire/http2/request-head.ts";
import type { CallCounter, RpcMetrics } from "../rpc-metrics.ts";

export interface Route {
  readonly counter: CallCounter | undefined;
  /** Or why there is none. */
  readonly method: UnaryMethod | StreamMethod | RpcStatus;
  /** How long the client waits. */
  readonly timeoutMs: number | undefined;
}

const GRPC_CONTENT = /^application\/grpc(\+proto)?(;|$)/;

/** The HTTP status of what is no gRPC call; undefined: it is one. */
export function httpRefusal(head: RequestHead): number | undefined {
  if (head.method !== "POST") return 405;
  return GRPC_CONTENT.test(fieldOf(head, "content-type") ?? "") ? undefined : 415;
}

export function routeOf(head: RequestHead, methods: Methods, metrics: RpcMetrics): Route {
  const counter = metrics.of(head.path);
  try {
    const method = find(methods, head.path);
    refuseEncoding(fieldOf(head, "grpc-encoding"));
    const timeout = fieldOf(head, "grpc-timeout");
    return {
      counter,
      method,
      timeoutMs: timeout === undefined ? undefined : timeoutMs(timeout),
    };
  } catch (error) {
    if (!(error instanceof RpcStatus)) throw error;
    return { counter, method: error, timeoutMs: undefined };
  }
}

function find(methods: Methods, path: string): UnaryMethod | StreamMethod {
  const method = methods.get(path);
  if (method !== undefined) return method;
  const [, service = "", name = ""] = path.split("/");
  const known = [...methods.keys()].some((each) => each.startsWith(`/${service}/`));
  throw new RpcStatus(
    GRPC.unimplemented,
    known ? `unknown method ${name} for service ${service}` : `unknown service ${service}`,
  );
}

function refuseEncoding(encoding: string | undefined): void {
  if (encoding === undefined || encoding === "identity") return;
  throw new RpcStatus(
    GRPC.unimplemented,
    `grpc: Decompressor is not installed for grpc-encoding "${encoding}"`,
  );
}
