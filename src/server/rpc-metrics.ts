/**
 * Calls counted as go-grpc-prometheus counts them, because etcd's dashboards and alerts ask for that: begun, ended by
 * code, by method. Only methods that exist are counted, so a stranger cannot make the page longer.
 */
import type { Methods, StreamMethod, UnaryMethod } from "../service/grpc/method.ts";

/** By number. */
const CODES = [
  "OK",
  "Canceled",
  "Unknown",
  "InvalidArgument",
  "DeadlineExceeded",
  "NotFound",
  "AlreadyExists",
  "PermissionDenied",
  "ResourceExhausted",
  "FailedPrecondition",
  "Aborted",
  "OutOfRange",
  "Unimplemented",
  "Internal",
  "Unavailable",
  "DataLoss",
  "Unauthenticated",
] as const;

/** What is told of one method's calls. */
export interface CallCounter {
  begun(): void;
  ended(code: number): void;
}

class MethodCounter implements CallCounter {
  readonly labels: string;
  readonly #ended = new Map<number, number>();
  #begun = 0;

  constructor(path: string, kind: string) {
    const [, service = "", method = ""] = path.split("/");
    this.labels = `grpc_method="${method}",grpc_service="${service}",grpc_type="${kind}"`;
  }
  begun(): void {
    this.#begun++;
  }
  ended(code: number): void {
    this.#ended.set(code, (this.#ended.get(code) ?? 0) + 1);
  }
  get started(): string {
    return `grpc_server_started_total{${this.labels}} ${this.#begun}`;
  }
  get handled(): readonly string[] {
    return [...this.#ended].map(
      ([code, count]) =>
        `grpc_server_handled_total{grpc_code="${CODES[code] ?? code}",${this.labels}} ${count}`,
    );
  }
}

function typeOf(method: UnaryMethod | StreamMethod): string {
  if (method.kind === "unary") return "unary";
  return method.takes === "one" ? "server_stream" : "bidi_stream";
}

export class RpcMetrics {
  readonly #methods: ReadonlyMap<string, MethodCounter>;

  constructor(methods: Methods) {
    this.#methods = new Map(
      [...methods].map(([path, method]) => [path, new MethodCounter(path, typeOf(method))]),
    );
  }

  of(path: string): CallCounter | undefined {
    return this.#methods.get(path);
  }

  render(): string {
    const all = [...this.#methods.values()];
    return [
      "# HELP grpc_server_started_total Total number of RPCs started on the server.",
      "# TYPE grpc_server_started_total counter",
      ...all.map((each) => each.started),
      "# HELP grpc_server_handled_total Total number of RPCs completed on the server.",
      "# TYPE grpc_server_handled_total counter",
      ...all.flatMap((each) => each.handled),
      "",
    ].join("\n");
  }
}
