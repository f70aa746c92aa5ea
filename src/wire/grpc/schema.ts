/**
 * Descriptors of services, made from the tables of fields that their codecs are made from.
 *
 * Invariants: I1 what is described is what is read and written: numbers, repetition and types come from the codec, a
 * field that has none is not described. I2 a name stands for one message, whichever method or field leads to it. I3 a
 * file depends on exactly the files whose types it names.
 * Source: `google/protobuf/descriptor.proto`. Leaves out: options, extensions, comments.
 */
import { assert, must } from "../../base/assert.ts";
import type { Field, Message } from "../protobuf.ts";
import type {
  EnumDescriptor,
  FieldDescriptor,
  FileDescriptor,
  MessageDescriptor,
  MethodDescriptor,
} from "./descriptor.ts";
import { FIELD_TYPE, LABEL } from "./descriptor.ts";

/** A method as a server has it. */
export interface ServedMethod {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly request: Message<object>;
  readonly response: Message<object>;
  readonly clientStreaming: boolean;
  readonly serverStreaming: boolean;
}

/** What a field is declared as, beyond what its codec knows. */
export interface Declared {
  readonly name: string;
  readonly unsigned: boolean;
  readonly oneof: string | undefined;
  /** The enumeration that a number is of; a name with a dot is of the package, others of the message. */
  readonly enumeration: string | undefined;
  readonly words: readonly string[];
}

/** What the tables do not say: names. */
export interface Naming {
  /** The file of each package. */
  readonly files: Readonly<Record<string, string>>;
  /** Full names of the request and the response of the method at `path`. */
  ofMethod(path: string): readonly [request: string, response: string];
  /** Full name of a message that fields hold. */
  ofMessage(message: Message<object>): string;
  ofField(message: Message<object>, key: string): Declared;
}

/** The files that describe `methods`. */
export function describeServices(
  methods: readonly ServedMethod[],
  naming: Naming,
): readonly FileDescriptor[] {
  const drafts = new Drafts(naming);
  for (const method of methods) drafts.method(method);
  return drafts.files();
}

/** The full names that `file` declares: services, methods, messages, fields, oneofs, enumerations and their values. */
export function symbolsOf(file: FileDescriptor): readonly string[] {
  const within = (scope: string, name: string): string => `${scope}.${name}`;
  // The values of an enumeration are its neighbours.
  const enumeration = (scope: string, { name, value }: EnumDescriptor): readonly string[] => [
    within(scope, name),
    ...value.map((each) => within(scope, each.name)),
  ];
  return [
    ...file.service.flatMap(({ name, method }) => {
      const service = within(file.package, name);
      return [service, ...method.map((each) => within(service, each.name))];
    }),
    ...file.messageType.flatMap(({ name, field, oneofDecl, enumType }) => {
      const message = within(file.package, name);
      return [
        message,
        ...[...field, ...oneofDecl].map((each) => within(message, each.name)),
        ...enumType.flatMap((each) => enumeration(message, each)),
      ];
    }),
    ...file.enumType.flatMap((each) => enumeration(file.package, each)),
  ];
}

const packageOf = (fullName: string): string => fullName.slice(0, fullName.lastIndexOf("."));
const lastOf = (fullName: string): string => fullName.slice(fullName.lastIndexOf(".") + 1);

/** A file that is being written. */
interface Draft {
  readonly dependencies: Set<string>;
  readonly messages: Map<string, MessageDescriptor>;
  readonly enums: Map<string, EnumDescriptor>;
  readonly services: Map<string, MethodDescriptor[]>;
}

class Drafts {
  readonly #naming: Naming;
  /** By package. */
  readonly #drafts = new Map<string, Draft>();
  readonly #named = new Map<string, Message<object>>();

  constructor(naming: Naming) {
    this.#naming = naming;
  }

  method({ path, request, response, clientStreaming, serverStreaming }: ServedMethod): void {
    const [, service = "", name = ""] = path.split("/");
    assert(service.includes(".") && name !== "", "a path names a package, a service and a method");
    const home = packageOf(service);
    const { services } = this.#draft(home);
    const methods = services.get(lastOf(service)) ?? [];
    services.set(lastOf(service), methods);
    const [input, output] = this.#naming.ofMethod(path);
    const inputType = this.#refer(home, input, request);
    const outputType = this.#refer(home, output, response);
    methods.push({ name, inputType, outputType, clientStreaming, serverStreaming });
  }

  files(): readonly FileDescriptor[] {
    return [...this.#drafts].map(([home, { dependencies, messages, enums, services }]) => ({
      name: this.#file(home),
      package: home,
      dependency: [...dependencies].sort(),
      messageType: [...messages.values()],
      enumType: [...enums.values()],
      service: [...services].map(([name, method]) => ({ name, method })),
      syntax: "proto3",
    }));
  }

  #file(home: string): string {
    return must(this.#naming.files[home], `the package ${home} has a file`);
  }

  #draft(home: string): Draft {
    const known = this.#drafts.get(home);
    if (known !== undefined) return known;
    const draft: Draft = {
      dependencies: new Set(),
      messages: new Map(),
      enums: new Map(),
      services: new Map(),
    };
    this.#drafts.set(home, draft);
    return draft;
  }

  /** The name by which package `from` refers to `message`, which is described if it was not yet. */
  #refer(from: string, fullName: string, message: Message<object>): string {
    const home = packageOf(fullName);
    if (home !== from) this.#draft(from).dependencies.add(this.#file(home));
    const known = this.#named.get(fullName);
    assert(known === undefined || known === message, "a name stands for one message");
    if (known === undefined) {
      this.#named.set(fullName, message);
      this.#describe(home, fullName, message);
    }
    return `.${fullName}`;
  }

  #describe(home: string, fullName: string, message: Message<object>): void {
    const { messages, enums } = this.#draft(home);
    const own = new Map<string, EnumDescriptor>();
    const oneofs: string[] = [];
    const name = lastOf(fullName);
    // Its place is taken first: a message may hold itself.
    messages.set(name, { name, field: [], enumType: [], oneofDecl: [] });
    const field = message.fields.map(([key, codec]): FieldDescriptor => {
      const declared = this.#naming.ofField(message, key);
      const { oneof, enumeration, words } = declared;
      if (oneof !== undefined && !oneofs.includes(oneof)) oneofs.push(oneof);
      if (enumeration !== undefined) {
        const value = words.map((word, number) => ({ name: word, number }));
        const scope = enumeration.includes(".") ? enums : own;
        scope.set(lastOf(enumeration), { name: lastOf(enumeration), value });
      }
      return {
        name: declared.name,
        number: codec.number,
        label: codec.repeated ? LABEL.repeated : LABEL.optional,
        type: typeOf(codec, declared),
        typeName: this.#typeName(home, fullName, codec, enumeration),
        oneofIndex: oneof === undefined ? undefined : oneofs.indexOf(oneof),
      };
    });
    const oneofDecl = oneofs.map((each) => ({ name: each }));
    messages.set(name, { name, field, enumType: [...own.values()], oneofDecl });
  }

  /** Empty for a scalar. */
  #typeName(
    home: string,
    within: string,
    { message }: Field<unknown>,
    enumeration: string | undefined,
  ): string {
    if (message !== undefined) return this.#refer(home, this.#naming.ofMessage(message), message);
    if (enumeration === undefined) return "";
    return enumeration.includes(".") ? `.${enumeration}` : `.${within}.${enumeration}`;
  }
}

function typeOf({ type }: Field<unknown>, { unsigned, enumeration }: Declared): number {
  switch (type) {
    case "int64":
    case "big64":
      return unsigned ? FIELD_TYPE.uint64 : FIELD_TYPE.int64;
    case "int32":
      if (enumeration !== undefined) return FIELD_TYPE.enumeration;
      return unsigned ? FIELD_TYPE.uint32 : FIELD_TYPE.int32;
    default:
      return FIELD_TYPE[type];
  }
}
