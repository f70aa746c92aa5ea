/** Orders about members, each over a connection of its own, at a server that goes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { failure, QuorateError } from "../../src/base/errors.ts";
import type { ClusterAnswer } from "../../src/contract/cluster.ts";
import { procedureSet } from "../../src/contract/procedure.ts";
import { openDriver } from "../../src/driver/driver.ts";
import { orderAt } from "../../src/engines/remote/order.ts";
import type { OrderOutcome } from "../../src/engines/remote/order.ts";
import { hostClock } from "../../src/host/clock.ts";
import { hostEntropy } from "../../src/host/entropy.ts";
import type { ServiceConnection } from "../../src/service/connection.ts";
import { arrived, cutNetwork } from "./cut-network.ts";

const ANSWER: ClusterAnswer = { members: [], leader: 1, term: 1, added: 0 };
const GOING = failure("SHUTDOWN", { object: "server", what: "is going", remedy: "" });

/** What comes of an order of which the server says, while it carries it out, that it goes, and then does `next`. */
async function orderedAtDrain(
  next: (connection: ServiceConnection, answer: () => void) => void,
): Promise<OrderOutcome> {
  const driver = await openDriver({
    disk: undefined,
    clock: hostClock,
    entropy: hostEntropy,
    procedures: procedureSet([]),
    label: "memory:",
  });
  const accepted: ServiceConnection[] = [];
  const network = cutNetwork(
    driver,
    () => Infinity,
    {
      urls: () => [],
      leaderUrls: () => [],
      observe: () => () => {},
      order: (_order, done) => {
        const connection = accepted.at(-1) ?? assert.fail("an order comes over a connection");
        void connection.drain(GOING);
        void arrived().then(() => next(connection, () => done({ ok: true, answer: ANSWER })));
      },
    },
    (connection) => accepted.push(connection),
  );
  try {
    return await orderAt(
      {
        addresses: [{ kind: "tcp", host: "here", port: 1 }],
        network,
        clock: hostClock,
        label: "quorate://here:1",
        program: "test",
        timeoutMs: 60_000,
      },
      { kind: "remove", id: 7 },
    );
  } finally {
    await driver.close();
  }
}

test("[REM-14] an order that is under way when a server drains has its answer (1 order)", async () => {
  const { answer } = await orderedAtDrain((_connection, answerIt) => answerIt());
  assert.deepEqual(answer, ANSWER);
});

test("[REM-14] an order that a server which drains does not answer is indefinite (1 order)", async () => {
  await assert.rejects(
    orderedAtDrain((connection) => connection.end()),
    (error) => QuorateError.is(error, "SHUTDOWN") && error.outcome === "indefinite",
  );
});
