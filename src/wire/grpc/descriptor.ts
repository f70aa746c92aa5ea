/**
 * The messages with which Protocol Buffers describe themselves: names and numbers of `google/protobuf/descriptor.proto`.
 * Leaves out: options, extensions, services' and messages' places in their source.
 */
import type { Message } from "../protobuf.ts";
import * as pb from "../protobuf.ts";

/** What a field holds, by the numbers of `FieldDescriptorProto.Type`. */
export const FIELD_TYPE = {
  int64: 3,
  uint64: 4,
  int32: 5,
  bool: 8,
  string: 9,
  message: 11,
  bytes: 12,
  uint32: 13,
  enumeration: 14,
} as const;
export const LABEL = { optional: 1, repeated: 3 } as const;

/** `typeName`: with a dot before it; absent for a scalar. `oneofIndex` tells the first from none. */
export interface FieldDescriptor {
  readonly name: string;
  readonly number: number;
  readonly label: number;
  readonly type: number;
  readonly typeName: string;
  readonly oneofIndex: number | undefined;
}
const FieldDescriptor: Message<FieldDescriptor> = pb.message<FieldDescriptor>({
  name: pb.string(1),
  number: pb.int32(3),
  label: pb.int32(4),
  type: pb.int32(5),
  typeName: pb.string(6),
  oneofIndex: pb.present(pb.int32(9)),
});

interface EnumValue {
  readonly name: string;
  readonly number: number | undefined;
}
const EnumValue: Message<EnumValue> = pb.message<EnumValue>({
  name: pb.string(1),
  number: pb.present(pb.int32(2)),
});
export interface EnumDescriptor {
  readonly name: string;
  readonly value: readonly EnumValue[];
}
const EnumDescriptor: Message<EnumDescriptor> = pb.message<EnumDescriptor>({
  name: pb.string(1),
  value: pb.list(2, () => EnumValue),
});

interface OneofDescriptor {
  readonly name: string;
}
const OneofDescriptor: Message<OneofDescriptor> = pb.message<OneofDescriptor>({
  name: pb.string(1),
});

export interface MessageDescriptor {
  readonly name: string;
  readonly field: readonly FieldDescriptor[];
  readonly enumType: readonly EnumDescriptor[];
  readonly oneofDecl: readonly OneofDescriptor[];
}
const MessageDescriptor: Message<MessageDescriptor> = pb.message<MessageDescriptor>({
  name: pb.string(1),
  field: pb.list(2, () => FieldDescriptor),
  enumType: pb.list(4, () => EnumDescriptor),
  oneofDecl: pb.list(8, () => OneofDescriptor),
});

export interface MethodDescriptor {
  readonly name: string;
  readonly inputType: string;
  readonly outputType: string;
  readonly clientStreaming: boolean;
  readonly serverStreaming: boolean;
}
const MethodDescriptor: Message<MethodDescriptor> = pb.message<MethodDescriptor>({
  name: pb.string(1),
  inputType: pb.string(2),
  outputType: pb.string(3),
  clientStreaming: pb.bool(5),
  serverStreaming: pb.bool(6),
});
interface ServiceDescriptor {
  readonly name: string;
  readonly method: readonly MethodDescriptor[];
}
const ServiceDescriptor: Message<ServiceDescriptor> = pb.message<ServiceDescriptor>({
  name: pb.string(1),
  method: pb.list(2, () => MethodDescriptor),
});

export interface FileDescriptor {
  readonly name: string;
  readonly package: string;
  readonly dependency: readonly string[];
  readonly messageType: readonly MessageDescriptor[];
  readonly enumType: readonly EnumDescriptor[];
  readonly service: readonly ServiceDescriptor[];
  readonly syntax: string;
}
export const FileDescriptor: Message<FileDescriptor> = pb.message<FileDescriptor>({
  name: pb.string(1),
  package: pb.string(2),
  dependency: pb.strings(3),
  messageType: pb.list(4, () => MessageDescriptor),
  enumType: pb.list(5, () => EnumDescriptor),
  service: pb.list(6, () => ServiceDescriptor),
  syntax: pb.string(12),
});
