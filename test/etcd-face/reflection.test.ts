/** Reflection: what clients that bring no descriptors are told, and calls that are made of nothing else. */
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { credentials, loadPackageDefinition } from "@grpc/grpc-js";
import type { ServiceClientConstructor } from "@grpc/grpc-js";
import { loadFileDescriptorSetFromBuffer, loadSync } from "@grpc/proto-loader";
import type { PackageDefinition } from "@grpc/proto-loader";
import { toArray } from "../../src/base/bytes.ts";
import type { Bytes } from "../../src/base/bytes.ts";
import type { RunningServer } from "../../src/server/index.ts";
import { startServer } from "../../src/server/index.ts";
import type { Reflection, ReflectionResponse } from "../../src/wire/grpc/reflection.ts";
import { REFLECTION } from "../../src/wire/grpc/reflection.ts";
import type { Message } from "../../src/wire/protobuf.ts";
import * as pb from "../../src/wire/protobuf.ts";
import { GrpcClient } from "./grpc-client.ts";

const run = promisify(execFile);
const NOT_FOUND = 5;
const RPC = "etcd/api/etcdserverpb/rpc.proto";
const [KV, AUTH_PROTO] = ["etcd/api/mvccpb/kv.proto", "etcd/api/authpb/auth.proto"];

/** Debian's python3-grpcio and python3-protobuf. */
const python = ["/usr/bin/python3", "python3"].find(
  (each) => spawnSync(each, ["-c", "import grpc, google.protobuf"]).status === 0,
);
const noPython = python === undefined && "the Python packages grpc and protobuf are not installed";
const script = fileURLToPath(
  new URL("../../../test/etcd-face/clients/reflected.py", import.meta.url),
);

const SERVICES = [
  "etcdserverpb.Auth",
  "etcdserverpb.Cluster",
  "etcdserverpb.KV",
  "etcdserverpb.Lease",
  "etcdserverpb.Maintenance",
  "etcdserverpb.Watch",
  "grpc.health.v1.Health",
  "grpc.reflection.v1.ServerReflection",
  "grpc.reflection.v1alpha.ServerReflection",
  "v3electionpb.Election",
  "v3lockpb.Lock",
];

/** Encoded files of descriptors, as `FileDescriptorSet`. */
const FileSet: Message<{ readonly file: readonly Bytes[] }> = pb.message<{
  readonly file: readonly Bytes[];
}>({ file: pb.byteStrings(1) });

/** The beginning of a `FileDescriptorProto`. */
const FileHead: Message<{ readonly name: string; readonly dependency: readonly string[] }> =
  pb.message<{ readonly name: string; readonly dependency: readonly string[] }>({
    name: pb.string(1),
    dependency: pb.strings(3),
  });

const filesOf = (answer: ReflectionResponse): readonly Bytes[] =>
  answer.fileDescriptorResponse?.fileDescriptorProto ?? [];
const namesOf = (answer: ReflectionResponse): readonly string[] =>
  filesOf(answer).map((file) => FileHead.decode(toArray(file)).name);

/** What a type is declared as: fields by number with their types, or the numbers of an enumeration. */
type Declarations = Readonly<Record<string, Readonly<Record<string, string>>>>;

interface DescribedField {
  readonly name: string;
  readonly number: number;
  readonly label: string;
  readonly type: string;
  readonly typeName: string;
}
interface DescribedType {
  readonly field: readonly DescribedField[];
  readonly enumType: readonly DescribedEnum[];
}
interface DescribedEnum {
  readonly name: string;
  readonly value: readonly { readonly name: string; readonly number: number }[];
}

/** Every message and enumeration of a package. */
function declarations(definition: PackageDefinition): Declarations {
  const found: Record<string, Record<string, string>> = {};
  const enumeration = (name: string, { value }: DescribedEnum): void => {
    // The package at hand writes etcd's words, all capitals, in its own way.
    const word = (text: string): string => text.replaceAll("_", "").toUpperCase();
    found[name] = Object.fromEntries(value.map((each) => [word(each.name), String(each.number)]));
  };
  for (const [name, each] of Object.entries(definition)) {
    if (!("format" in each)) continue;
    const { format, type } = each as { readonly format: string; readonly type: object };
    if (format.includes("EnumDescriptorProto")) {
      enumeration(name, type as DescribedEnum);
      continue;
    }
    const { field, enumType } = type as DescribedType;
    for (const one of enumType) enumeration(`${name}.${one.name}`, one);
    // Parsers write names of types in full or in part.
    const last = (text: string): string => text.slice(text.lastIndexOf(".") + 1);
    found[name] = Object.fromEntries(
      field.map((one) => [
        one.name,
        [one.number, one.label, one.type, last(one.typeName ?? "")].join(" "),
      ]),
    );
  }
  return found;
}

describe("reflection", { timeout: 240_000 }, () => {
  let server: RunningServer;
  let endpoint: string;
  let client: GrpcClient;
  before(async () => {
    server = await startServer({ listen: "127.0.0.1:0" });
    endpoint = server.url.replace("quorate://", "");
    client = new GrpcClient(endpoint);
  });
  after(async () => {
    client.close();
    await server.close();
  });

  async function asked(
    requests: readonly Parameters<Reflection["request"]["encode"]>[0][],
    version = REFLECTION.v1,
  ): Promise<readonly ReflectionResponse[]> {
    const talk = client.converse(version);
    for (const request of requests) talk.send(request);
    talk.finish();
    const answers: ReflectionResponse[] = [];
    for (let at = 0; at < requests.length; at++) answers.push(await talk.next());
    assert.equal(await talk.end(), undefined);
    return answers;
  }

  /** All that is described, as a client puts it together. */
  async function everything(): Promise<PackageDefinition> {
    const answers = await asked(SERVICES.map((fileContainingSymbol) => ({ fileContainingSymbol })));
    const file = [...new Set(answers.flatMap(filesOf))];
    return loadFileDescriptorSetFromBuffer(Buffer.from(FileSet.encode({ file })), {
      keepCase: true,
    });
  }

  for (const [version, shape] of Object.entries(REFLECTION))
    test(`[RFL-1] ${version} lists the services, and finds files by name and by any symbol (one server)`, async () => {
      const symbols = [
        "etcdserverpb.KV",
        "etcdserverpb.KV.Range",
        "etcdserverpb.RangeRequest",
        "etcdserverpb.RangeRequest.range_end",
        "etcdserverpb.RangeRequest.SortOrder",
        "etcdserverpb.RangeRequest.DESCEND",
        "etcdserverpb.AlarmType",
        "etcdserverpb.NOSPACE",
        "etcdserverpb.Compare.target_union",
      ];
      const [services, file, ...bySymbol] = await asked(
        [
          { host: "h", listServices: "*" },
          { fileByFilename: RPC },
          ...symbols.map((fileContainingSymbol) => ({ fileContainingSymbol })),
          { fileContainingSymbol: "mvccpb.Event" },
        ],
        shape,
      );
      assert.deepEqual(
        services?.listServicesResponse?.service.map(({ name }) => name),
        SERVICES,
      );
      assert.equal(services?.validHost, "h");
      assert.equal(services?.originalRequest?.listServices, "*");
      // The file that was asked for is the first; those that it needs are with it.
      assert.deepEqual(file && namesOf(file), [RPC, AUTH_PROTO, KV]);
      const last = bySymbol.pop();
      for (const [at, each] of bySymbol.entries())
        assert.deepEqual(namesOf(each), [RPC, AUTH_PROTO, KV], symbols[at]);
      assert.deepEqual(last && namesOf(last), [KV]);
    });

  test("[RFL-2] what is not there is answered as not found and the stream goes on; a request for nothing ends it (one server)", async () => {
    const answers = await asked([
      { fileByFilename: "rpc" },
      { fileContainingSymbol: "etcdserverpb" },
      { fileContainingSymbol: "" },
      { fileContainingSymbol: "etcdserverpb.Nothing" },
      { fileContainingExtension: { containingType: "etcdserverpb.KV", extensionNumber: 1 } },
      { allExtensionNumbersOfType: "etcdserverpb.RangeRequest" },
      { fileByFilename: KV },
    ]);
    const found = answers.map(({ errorResponse }) => errorResponse?.errorCode);
    assert.deepEqual(found, [...Array<number>(6).fill(NOT_FOUND), undefined]);
    const talk = client.converse(REFLECTION.v1);
    talk.send({ host: "h" });
    assert.equal((await talk.end())?.code, 3);
  });

  test("[RFL-2] questions come faster than answers are read: all are answered, in order (one server, 20,000 questions)", async () => {
    const talk = client.converse(REFLECTION.v1);
    for (let at = 0; at < 20_000; at++)
      talk.send(at % 4 === 0 ? { fileContainingSymbol: `s${at}` } : { fileByFilename: RPC });
    talk.finish();
    for (let at = 0; at < 20_000; at++) {
      const { errorResponse, originalRequest } = await talk.next();
      if (at % 4 === 0) assert.equal(originalRequest?.fileContainingSymbol, `s${at}`);
      else assert.equal(errorResponse, undefined);
    }
    assert.equal(await talk.end(), undefined);
  });

  test("[RFL-3] names, numbers, types and enumerations are those of etcd's protos (etcd3 of npm, one server)", async () => {
    const protos = createRequire(import.meta.url).resolve("etcd3/proto/rpc.proto");
    const theirs = declarations(loadSync(protos, { keepCase: true }));
    const ours = declarations(await everything());
    let compared = 0;
    const absent: string[] = [];
    for (const [name, fields] of Object.entries(theirs)) {
      const own = ours[name];
      if (own === undefined) {
        absent.push(name);
        continue;
      }
      for (const [field, declared] of Object.entries(fields)) {
        assert.equal(own[field], declared, `${name}.${field}`);
        compared++;
      }
    }
    assert.ok(compared > 200, `${compared} fields`);
    // What no method of ours uses is not described.
    assert.deepEqual(absent.sort(), [
      "authpb.Role",
      "authpb.User",
      "etcdserverpb.LeaseCheckpoint",
      "etcdserverpb.LeaseCheckpointRequest",
      "etcdserverpb.LeaseCheckpointResponse",
    ]);
  });

  test("[RFL-4] grpc-js calls with nothing but what reflection says: unary, nested, streams (one server)", async () => {
    const loaded = loadPackageDefinition(await everything());
    const {
      KV: Kv,
      Watch,
      Maintenance,
    } = loaded["etcdserverpb"] as Record<string, ServiceClientConstructor>;
    assert.ok(Kv !== undefined && Watch !== undefined && Maintenance !== undefined);
    const [kv, watch, maintenance] = [Kv, Watch, Maintenance].map(
      (Service) => new Service(endpoint, credentials.createInsecure()),
    ) as unknown as readonly Record<string, (...given: unknown[]) => unknown>[];
    const call = (service: typeof kv, name: string, request: object): Promise<never> =>
      new Promise((resolve, reject) => {
        service?.[name]?.(request, (error: Error | null, answer: never) =>
          error === null ? resolve(answer) : reject(error),
        );
      });
    const key = Buffer.from("reflected");
    interface WatchCall {
      write(message: object): void;
      once(event: "data", told: (answer: never) => void): void;
      cancel(): void;
      on(event: "error", told: () => void): void;
    }
    const watching = watch?.["Watch"]?.() as WatchCall;
    watching.on("error", () => {});
    const next = (): Promise<{ readonly created: boolean; readonly events: readonly object[] }> =>
      new Promise((told) => watching.once("data", told));
    watching.write({ create_request: { key } });
    assert.equal((await next()).created, true);
    const put = { request_put: { key, value: Buffer.from("1") } };
    const compare = [{ key, target: "VERSION", version: 0, result: "EQUAL" }];
    const changed = next();
    const done: { readonly succeeded: boolean } = await call(kv, "Txn", {
      compare,
      success: [put],
    });
    assert.equal(done.succeeded, true);
    assert.equal((await changed).events.length, 1);
    const { kvs } = (await call(kv, "Range", { key })) as {
      readonly kvs: readonly { readonly value: Buffer }[];
    };
    assert.equal(kvs[0]?.value.toString(), "1");
    const { version } = (await call(maintenance, "Status", {})) as { readonly version: string };
    assert.match(version, /^3\.5\./);
    watching.cancel();
    for (const each of [kv, watch, maintenance]) each?.["close"]?.();
  });

  for (const version of ["v1", "v1alpha"])
    test(`[RFL-4] Python calls with nothing but what ${version} says; its protobuf takes every file (one server)`, async (t) => {
      if (noPython !== false) return t.skip(noPython);
      const { stdout } = await run(python ?? "", [script, endpoint, version], { timeout: 120_000 });
      const told = stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as readonly [string, ...unknown[]]);
      assert.deepEqual(told[0], ["services", SERVICES]);
      const methods = Object.fromEntries(
        told.filter(([what]) => what === "methods").map(([, name, list]) => [name, list]),
      ) as Readonly<Record<string, readonly string[]>>;
      assert.deepEqual(methods["etcdserverpb.KV"], [
        "Range",
        "Put",
        "DeleteRange",
        "Txn",
        "Compact",
      ]);
      assert.ok(methods["etcdserverpb.Maintenance"]?.includes("Downgrade"));
      const rest = told.filter(([what]) => what !== "methods").slice(1);
      assert.deepEqual(rest, [
        ["put", true],
        ["range", version, "1", 1],
        ["txn", true, ["response_put"]],
        ["status", "3.5.16"],
        ["missing", NOT_FOUND, "etcdserverpb.Nothing"],
      ]);
    });
});
