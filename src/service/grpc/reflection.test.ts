/** Reflection without sockets: what a client that does not read costs. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ReflectionRequest, ReflectionResponse } from "../../wire/grpc/reflection.ts";
import { REFLECTION } from "../../wire/grpc/reflection.ts";
import type { Init } from "../../wire/protobuf.ts";
import { Catalogue, reflectionMethods } from "./reflection.ts";

const FILE = {
  name: "a.proto",
  package: "a",
  dependency: [],
  messageType: [],
  enumType: [],
  service: [{ name: "S", method: [] }],
  syntax: "proto3",
};
const QUESTION: ReflectionRequest = {
  ...REFLECTION.v1.request.decode(new Uint8Array()),
  fileContainingSymbol: "a.S",
};

describe("reflection", () => {
  test("[RFL-2] questions wait while their answers are not taken, and are forgotten with the call (no server)", () => {
    const [[, method] = assert.fail("a method")] = reflectionMethods(() => new Catalogue([FILE]));
    const sent: Init<ReflectionResponse>[] = [];
    let ended = false;
    const stream = method.open({
      send: (message: object) => {
        sent.push(message);
        return sent.length % 3 !== 0;
      },
      end: () => (ended = true),
    });
    for (let at = 0; at < 10; at++) stream.received(QUESTION);
    assert.equal(sent.length, 3, "the third is more than the client takes");
    stream.finished();
    stream.drained();
    assert.deepEqual([sent.length, ended], [6, false]);
    stream.drained();
    stream.drained();
    assert.deepEqual([sent.length, ended], [10, true]);
    const closing = method.open({ send: () => (sent.push({}), false), end: () => {} });
    for (let at = 0; at < 10; at++) closing.received(QUESTION);
    closing.closed();
    closing.drained();
    assert.equal(sent.length, 11);
  });
});
