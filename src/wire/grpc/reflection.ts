/**
 * The messages of `grpc.reflection`, whose versions `v1` and `v1alpha` differ in nothing but the name.
 */
import type { Bytes } from "../../base/bytes.ts";
import type { Message } from "../protobuf.ts";
import * as pb from "../protobuf.ts";

interface ExtensionRequest {
  readonly containingType: string;
  readonly extensionNumber: number;
}
/** Exactly one of the fields after `host` is there. */
export interface ReflectionRequest {
  readonly host: string;
  readonly fileByFilename: string | undefined;
  readonly fileContainingSymbol: string | undefined;
  readonly fileContainingExtension: ExtensionRequest | undefined;
  readonly allExtensionNumbersOfType: string | undefined;
  readonly listServices: string | undefined;
}

interface FileDescriptorResponse {
  /** Encoded: the file that was asked for, then those that it needs. */
  readonly fileDescriptorProto: readonly Bytes[];
}
interface ExtensionNumberResponse {
  readonly baseTypeName: string;
  readonly extensionNumber: readonly number[];
}
interface ServiceResponse {
  readonly name: string;
}
interface ListServiceResponse {
  readonly service: readonly ServiceResponse[];
}
interface ErrorResponse {
  readonly errorCode: number;
  readonly errorMessage: string;
}
export interface ReflectionResponse {
  readonly validHost: string;
  readonly originalRequest: ReflectionRequest | undefined;
  readonly fileDescriptorResponse: FileDescriptorResponse | undefined;
  readonly allExtensionNumbersResponse: ExtensionNumberResponse | undefined;
  readonly listServicesResponse: ListServiceResponse | undefined;
  readonly errorResponse: ErrorResponse | undefined;
}

/** One version of the service. */
export interface Reflection {
  readonly path: string;
  readonly request: Message<ReflectionRequest>;
  readonly response: Message<ReflectionResponse>;
  /** The messages within those two, by the names that they have in the package. */
  readonly parts: Readonly<Record<string, Message<object>>>;
}

/** Each version has messages of its own, because a message has one name. */
function reflection(version: string): Reflection {
  const extension = pb.message<ExtensionRequest>({
    containingType: pb.string(1),
    extensionNumber: pb.int32(2),
  });
  const request = pb.message<ReflectionRequest>({
    host: pb.string(1),
    fileByFilename: pb.present(pb.string(3)),
    fileContainingSymbol: pb.present(pb.string(4)),
    fileContainingExtension: pb.nested(5, () => extension),
    allExtensionNumbersOfType: pb.present(pb.string(6)),
    listServices: pb.present(pb.string(7)),
  });
  const files = pb.message<FileDescriptorResponse>({ fileDescriptorProto: pb.byteStrings(1) });
  const numbers = pb.message<ExtensionNumberResponse>({
    baseTypeName: pb.string(1),
    extensionNumber: pb.enums(2),
  });
  const service = pb.message<ServiceResponse>({ name: pb.string(1) });
  const services = pb.message<ListServiceResponse>({ service: pb.list(1, () => service) });
  const refusal = pb.message<ErrorResponse>({
    errorCode: pb.int32(1),
    errorMessage: pb.string(2),
  });
  const response = pb.message<ReflectionResponse>({
    validHost: pb.string(1),
    originalRequest: pb.nested(2, () => request),
    fileDescriptorResponse: pb.nested(4, () => files),
    allExtensionNumbersResponse: pb.nested(5, () => numbers),
    listServicesResponse: pb.nested(6, () => services),
    errorResponse: pb.nested(7, () => refusal),
  });
  const parts: Readonly<Record<string, unknown>> = {
    ServerReflectionRequest: request,
    ExtensionRequest: extension,
    FileDescriptorResponse: files,
    ExtensionNumberResponse: numbers,
    ListServiceResponse: services,
    ServiceResponse: service,
    ErrorResponse: refusal,
  };
  return {
    path: `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
    request,
    response,
    parts: parts as Reflection["parts"],
  };
}

export const REFLECTION: { readonly v1: Reflection; readonly v1alpha: Reflection } = {
  v1: reflection("v1"),
  v1alpha: reflection("v1alpha"),
};
