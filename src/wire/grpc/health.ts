/** The messages of `grpc.health.v1`, with its names and numbers. */
import type { Message } from "../protobuf.ts";
import * as pb from "../protobuf.ts";

export interface HealthCheckRequest {
  readonly service: string;
}
const HealthCheckRequest: Message<HealthCheckRequest> = pb.message<HealthCheckRequest>({
  service: pb.string(1),
});

/** `status`: unknown, serving, not serving, service unknown. */
export interface HealthCheckResponse {
  readonly status: number;
}
const HealthCheckResponse: Message<HealthCheckResponse> = pb.message<HealthCheckResponse>({
  status: pb.int32(1),
});

interface HealthMethod {
  readonly path: string;
  readonly request: Message<HealthCheckRequest>;
  readonly response: Message<HealthCheckResponse>;
}
const method = (name: string): HealthMethod => ({
  path: `/grpc.health.v1.Health/${name}`,
  request: HealthCheckRequest,
  response: HealthCheckResponse,
});

export const HEALTH: { readonly check: HealthMethod; readonly watch: HealthMethod } = {
  check: method("Check"),
  watch: method("Watch"),
};
