/**
 * `grpc.health.v1`: the server as a whole, under the empty name, as etcd registers it.
 *
 * A watch is told the state once and when it changes; the only change is the end of the server, which ends the stream.
 */
import { HEALTH } from "../../wire/grpc/health.ts";
import { GRPC, RpcStatus } from "../../wire/grpc/status.ts";
import type { StreamMethod, UnaryMethod } from "./method.ts";
import { stream, unary } from "./method.ts";

const SERVING = 1;
const NOT_SERVING = 2;
const SERVICE_UNKNOWN = 3;

export function healthMethods(
  healthy: () => boolean,
): readonly (readonly [string, UnaryMethod | StreamMethod])[] {
  const status = (): number => (healthy() ? SERVING : NOT_SERVING);
  return [
    unary(HEALTH.check, ({ service }) => {
      if (service === "") return { status: status() };
      throw new RpcStatus(GRPC.notFound, "unknown service");
    }),
    stream(
      HEALTH.watch,
      (outgoing) => ({
        received: ({ service }) => {
          outgoing.send({ status: service === "" ? status() : SERVICE_UNKNOWN });
        },
        finished: () => {},
        drained: () => {},
        closed: () => {},
      }),
      "one",
    ),
  ];
}
