/**
 * `grpc.reflection`: what services there are, and the descriptors of their messages, for clients that have none of their own.
 *
 * Invariants: I1 a request is answered by one message, also what is not found; the order is kept. I2 what a client asks
 * while it does not read is kept as questions, which are small, not as answers, which are not. It says nothing of what
 * is stored, so nobody needs a permission for it.
 * Leaves out: extensions, of which proto3 has none.
 */
import { fromArray } from "../../base/bytes.ts";
import type { Bytes } from "../../base/bytes.ts";
import { FileDescriptor } from "../../wire/grpc/descriptor.ts";
import type { ReflectionRequest, ReflectionResponse } from "../../wire/grpc/reflection.ts";
import { REFLECTION } from "../../wire/grpc/reflection.ts";
import { symbolsOf } from "../../wire/grpc/schema.ts";
import { GRPC, RpcStatus } from "../../wire/grpc/status.ts";
import type { Init } from "../../wire/protobuf.ts";
import type { Incoming, Outgoing, StreamMethod } from "./method.ts";
import { stream } from "./method.ts";

interface Described {
  readonly encoded: Bytes;
  readonly dependencies: readonly string[];
}
type Answer = Init<Omit<ReflectionResponse, "validHost" | "originalRequest">>;

/** Descriptors as they are asked for. */
export class Catalogue {
  readonly #files: ReadonlyMap<string, Described>;
  /** The file of each full name. */
  readonly #symbols: ReadonlyMap<string, string>;
  readonly #services: readonly string[];

  constructor(files: readonly FileDescriptor[]) {
    this.#files = new Map(
      files.map((file) => [
        file.name,
        { encoded: fromArray(FileDescriptor.encode(file)), dependencies: file.dependency },
      ]),
    );
    this.#symbols = new Map(
      files.flatMap((file) => symbolsOf(file).map((symbol) => [symbol, file.name] as const)),
    );
    this.#services = files
      .flatMap((file) => file.service.map(({ name }) => `${file.package}.${name}`))
      .sort();
  }

  /** Undefined: the request asks for nothing. */
  answer(request: ReflectionRequest): Answer | undefined {
    const { fileByFilename, fileContainingSymbol, listServices } = request;
    const { fileContainingExtension, allExtensionNumbersOfType: extended } = request;
    if (fileByFilename !== undefined) return this.#file(fileByFilename, fileByFilename);
    if (fileContainingSymbol !== undefined)
      return this.#file(this.#symbols.get(fileContainingSymbol), fileContainingSymbol);
    if (fileContainingExtension !== undefined)
      return missing(`extensions of ${fileContainingExtension.containingType}`);
    if (extended !== undefined) return missing(`extensions of ${extended}`);
    if (listServices === undefined) return undefined;
    return { listServicesResponse: { service: this.#services.map((name) => ({ name })) } };
  }

  #file(name: string | undefined, wanted: string): Answer {
    if (name === undefined || !this.#files.has(name)) return missing(wanted);
    const needed = new Set([name]);
    const fileDescriptorProto: Bytes[] = [];
    // A set is walked in the order of its growth: the file that was asked for comes first.
    for (const each of needed) {
      const file = this.#files.get(each);
      if (file === undefined) continue;
      fileDescriptorProto.push(file.encoded);
      for (const dependency of file.dependencies) needed.add(dependency);
    }
    return { fileDescriptorResponse: { fileDescriptorProto } };
  }
}

/** `catalogue` is asked for at the first request: most servers are never asked. */
export function reflectionMethods(
  catalogue: () => Catalogue,
): readonly (readonly [string, StreamMethod])[] {
  return Object.values(REFLECTION).map((shape) =>
    stream(shape, (outgoing) => new Reflecting(outgoing, catalogue)),
  );
}

function missing(what: string): Answer {
  return { errorResponse: { errorCode: GRPC.notFound, errorMessage: `not found: ${what}` } };
}

class Reflecting implements Incoming<ReflectionRequest> {
  readonly #outgoing: Outgoing<ReflectionResponse>;
  readonly #catalogue: () => Catalogue;
  readonly #waiting: ReflectionRequest[] = [];
  #full = false;
  #finished = false;

  constructor(outgoing: Outgoing<ReflectionResponse>, catalogue: () => Catalogue) {
    this.#outgoing = outgoing;
    this.#catalogue = catalogue;
  }

  received(request: ReflectionRequest): void {
    this.#waiting.push(request);
    this.#answer();
  }

  finished(): void {
    this.#finished = true;
    this.#answer();
  }

  drained(): void {
    this.#full = false;
    this.#answer();
  }

  closed(): void {
    this.#waiting.length = 0;
  }

  #answer(): void {
    while (!this.#full) {
      const request = this.#waiting.shift();
      if (request === undefined) break;
      const answer = this.#catalogue().answer(request);
      if (answer === undefined)
        return this.#outgoing.end(
          new RpcStatus(GRPC.invalidArgument, "reflection: the request asks for nothing"),
        );
      const { host: validHost } = request;
      this.#full = !this.#outgoing.send({ validHost, originalRequest: request, ...answer });
    }
    if (this.#finished && this.#waiting.length === 0) this.#outgoing.end();
  }
}
