/**
 * Remote engines and servers of which leadership is taken away: refusals lead to whoever leads, and what was lost with a
 * leadership happens once. One replica stands behind both servers; what each says of its leadership is the test's.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../../src/base/bytes.ts";
import { failure, QuorateError } from "../../src/base/errors.ts";
import type { Keyspace } from "../../src/contract/keyspace.ts";
import { procedureSet } from "../../src/contract/procedure.ts";
import { openDriver } from "../../src/driver/driver.ts";
import type { Driver } from "../../src/driver/face.ts";
import { openRemote, REMOTE_GUARANTEE } from "../../src/engines/remote/remote.ts";
import { hostClock } from "../../src/host/clock.ts";
import type { Clock } from "../../src/ports/clock.ts";
import { hostEntropy } from "../../src/host/entropy.ts";
import type { ByteStream, Network, StreamHandler } from "../../src/ports/network.ts";
import { forwarding } from "../../src/service/cluster/forwarding.ts";
import { SimClock } from "../../src/verify/sim-clock.ts";
import { until } from "../until.ts";
import { arrived, cutNetwork } from "./cut-network.ts";

/** What a server says of a request: it carries it out, refuses it, carries it out and loses the answer, or has stopped. */
type Says = "leads" | "refuses" | "loses" | "stopped";

const KEY = utf8("k");

/** Two servers, at ports 1 and 2. */
class Pair {
  readonly driver: Driver;
  readonly says: [Says, Says] = ["leads", "leads"];
  /** Requests that each was given. */
  readonly asked: [number, number] = [0, 0];
  readonly dialled: number[] = [];
  leaderUrls = "";
  term = 0;
  /** Told to clients, unasked, when it changes. */
  readonly cluster = {
    urls: () => [],
    leaderUrls: () => this.leaderUrls.split(",").filter((url) => url !== ""),
    order: () => assert.fail("nothing is ordered"),
    observe: (changed: () => void) => {
      this.tell.add(changed);
      return () => this.tell.delete(changed);
    },
  };
  readonly tell = new Set<() => void>();
  onDialled: (port: number) => void = () => {};
  onSubmit: () => void = () => {};
  readonly streams: ByteStream[] = [];
  /** Which stand still: what they say does not arrive. */
  readonly stopped: [boolean, boolean] = [false, false];

  constructor(driver: Driver) {
    this.driver = driver;
  }

  network(): Network {
    const servers = [0, 1].map((at) =>
      cutNetwork(this.#server(at as 0 | 1), () => Infinity, this.cluster),
    );
    return {
      dial: (address, attach, signal) => {
        const port = address.kind === "tcp" ? address.port : 0;
        this.dialled.push(port);
        this.onDialled(port);
        const server = servers[port - 1];
        if (server === undefined) return Promise.reject(new Error(`nobody is at ${port}`));
        const heard = (stream: ByteStream): StreamHandler => {
          this.streams.push(stream);
          const handler = attach(stream);
          const received = (bytes: Uint8Array): void => {
            if (!(this.stopped[port - 1] ?? true)) handler.received(bytes);
          };
          return { ...handler, received };
        };
        return server.dial(address, heard, signal);
      },
    };
  }

  #server(at: 0 | 1): Driver {
    const submit: Driver["submit"] = (request, caller, done, identity) => {
      this.asked[at]++;
      this.onSubmit();
      const says = this.says[at];
      const about = { object: "test", what: "lost leadership", remedy: "" };
      const details = { leaderUrls: this.leaderUrls, term: this.term };
      if (says === "refuses")
        return done({ ok: false, failure: failure("NOT_LEADER", { ...about, details }) });
      if (says === "stopped") return done({ ok: false, failure: failure("SHUTDOWN", about) });
      this.driver.submit(
        request,
        caller,
        (reply) => {
          if (says === "loses") done({ ok: false, failure: failure("LEADER_CHANGED", about) });
          else done(reply);
        },
        identity,
      );
    };
    const { driver } = this;
    return Object.defineProperty({ ...forwardingOf(driver), submit }, "users", {
      get: () => driver.users,
    });
  }
}

/** All that a driver does, as one object whose parts can be replaced. */
function forwardingOf(driver: Driver): Driver {
  const unused = { submit: () => assert.fail("nothing is forwarded") } as never;
  return forwarding(driver, unused);
}

/** On which nothing that is to happen later happens: only what is done at once is done. */
const IMPATIENT: Clock = {
  ...hostClock,
  after: (ms, action, options) => (ms === 0 ? hostClock.after(0, action, options) : () => {}),
};

/** Time that passes when a test lets it. */
function steppedClock(): readonly [SimClock, Clock] {
  const time = new SimClock();
  const monotonicMs = (): number => time.monotonicMs();
  return [time, { ...hostClock, monotonicMs, after: (ms, action) => time.after(ms, action) }];
}

/** What `call` comes to while time passes up to `untilMs`, each step only after what was sent in the last has arrived. */
async function inTime<T>(time: SimClock, untilMs: number, call: Promise<T>): Promise<T> {
  let isSettled = false;
  const settled = (): void => {
    isSettled = true;
  };
  call.then(settled, settled);
  await arrived();
  while (!isSettled) {
    assert.ok(time.step(untilMs), "it is done by then");
    await arrived();
  }
  return call;
}

async function inPair(
  ports: readonly number[],
  use: (pair: Pair, keyspace: Keyspace) => Promise<void>,
  clock: Clock = hostClock,
): Promise<void> {
  const driver = await openDriver({
    disk: undefined,
    clock: hostClock,
    entropy: hostEntropy,
    procedures: procedureSet([]),
    label: "memory:",
  });
  const pair = new Pair(driver);
  const keyspace = await openRemote({
    addresses: ports.map((port) => ({ kind: "tcp", host: "here", port })),
    network: pair.network(),
    clock,
    entropy: hostEntropy,
    label: "pair",
    guarantee: REMOTE_GUARANTEE,
    program: "test",
  });
  try {
    await use(pair, keyspace);
  } finally {
    await keyspace.close();
    await driver.close();
  }
}

async function version(keyspace: Keyspace): Promise<number> {
  const { kvs } = await keyspace.call({ kind: "range", key: KEY });
  return kvs[0]?.version ?? 0;
}

test("[REM-11] a request that is refused goes to the server that is said to lead, though nobody gave it (2 servers)", async () => {
  await inPair([1], async (pair, keyspace) => {
    pair.says[0] = "refuses";
    pair.leaderUrls = "http://here:2";
    await keyspace.call({ kind: "put", key: KEY, value: KEY });
    assert.equal(await version(keyspace), 1);
    assert.deepEqual(pair.dialled, [1, 2]);
  });
});

test("[REM-11] while nobody leads requests wait, each endpoint has its turn, and all of them happen once (2 servers)", async () => {
  await inPair([1, 2], async (pair, keyspace) => {
    pair.says.fill("refuses");
    const puts = Array.from({ length: 20 }, () =>
      keyspace.call({ kind: "put", key: KEY, value: KEY }),
    );
    await until(
      () => pair.dialled.includes(2) && pair.asked[1] > 0,
      () => `asked ${pair.asked.join(" and ")} times`,
    );
    pair.says.fill("leads");
    await Promise.all(puts);
    assert.equal(await version(keyspace), 20);
  });
});

test("[REM-13] a leader of a later term is gone to at once, whoever was said to lead before (2 servers)", async () => {
  await inPair(
    [1],
    async (pair, keyspace) => {
      pair.says[0] = "refuses";
      [pair.leaderUrls, pair.term] = ["http://here:3", 4];
      // It goes to whoever led, who is gone, and asks again.
      pair.onDialled = (port) => {
        if (port === 3) [pair.leaderUrls, pair.term] = ["http://here:2", 5];
      };
      await keyspace.call({ kind: "put", key: KEY, value: KEY });
      assert.deepEqual(pair.dialled, [1, 3, 2]);
    },
    IMPATIENT,
  );
});

test("[REM-13] who waits for an election goes to the new leader when it hears of it (2 servers)", async () => {
  await inPair(
    [1],
    async (pair, keyspace) => {
      pair.says[0] = "refuses";
      const put = keyspace.call({ kind: "put", key: KEY, value: KEY });
      // Again and again, because what is told before the refusal has arrived is no reason to go anywhere.
      while (!pair.dialled.includes(2)) {
        for (const urls of ["", "http://here:2"]) {
          pair.leaderUrls = urls;
          for (const tell of pair.tell) tell();
          pair.leaderUrls = "";
        }
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      await put;
      assert.deepEqual(pair.dialled, [1, 2]);
    },
    IMPATIENT,
  );
});

test("[REM-13] whoever has only begun to lead is not left for another (2 servers)", async () => {
  await inPair([1, 2], async (pair, keyspace) => {
    pair.says.fill("refuses");
    [pair.leaderUrls, pair.term] = ["http://here:1", 4];
    const put = keyspace.call({ kind: "put", key: KEY, value: KEY });
    await until(
      () => pair.asked[0] >= 4,
      () => `asked ${pair.asked[0]} times`,
    );
    pair.says.fill("leads");
    await put;
    assert.deepEqual(pair.dialled, [1]);
  });
});

test("[REM-12] a silent server is asked for a sign and left for another after 1 s (2 servers)", async () => {
  const [time, clock] = steppedClock();
  await inPair(
    [1, 2],
    async (pair, keyspace) => {
      pair.stopped[0] = true;
      const put = keyspace.call({ kind: "put", key: KEY, value: KEY });
      // A look every fifth of a second.
      while (!pair.dialled.includes(2)) {
        assert.ok(time.step(1_200), "it was left by then");
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.ok(time.monotonicMs() >= 1_000);
      await put;
    },
    clock,
  );
});

test("[REM-13] a leader that takes a connection and stands still is given up for the one that is told of (2 servers)", async () => {
  const [time, clock] = steppedClock();
  await inPair(
    [2],
    async (pair, keyspace) => {
      pair.stopped[0] = true;
      pair.says[1] = "refuses";
      [pair.leaderUrls, pair.term] = ["http://here:1", 4];
      let isDone = false;
      const put = keyspace.call({ kind: "put", key: KEY, value: KEY }).then(() => (isDone = true));
      // Half a second is less than a server has to greet.
      while (!isDone) {
        const isLate = !time.step(500) && pair.dialled.includes(1) && pair.says[1] === "leads";
        if (pair.dialled.includes(1)) {
          pair.says[1] = "leads";
          pair.leaderUrls = "http://here:2";
          for (const tell of pair.tell) tell();
        }
        await arrived();
        assert.ok(isDone || !isLate, "it waits for the one that stands still");
      }
      await put;
      assert.deepEqual(pair.dialled, [2, 1]);
    },
    clock,
  );
});

test("[REM-13] who gave up going elsewhere, and then hears nothing where it is, goes on to another (2 servers)", async () => {
  const [time, clock] = steppedClock();
  await inPair(
    [2, 1],
    async (pair, keyspace) => {
      const put = (): Promise<unknown> =>
        inTime(time, 10_000, keyspace.call({ kind: "put", key: KEY, value: KEY }));
      pair.stopped[0] = true;
      pair.says[1] = "refuses";
      [pair.leaderUrls, pair.term] = ["http://here:1", 4];
      pair.onDialled = (port) => {
        if (port !== 1) return;
        pair.says[1] = "leads";
        pair.leaderUrls = "http://here:2";
        for (const tell of pair.tell) tell();
      };
      await put();
      assert.deepEqual(pair.dialled, [2, 1]);
      pair.stopped.reverse();
      await put();
      assert.deepEqual(pair.dialled, [2, 1, 1]);
    },
    clock,
  );
});

test("[REM-11] what was lost with a leadership, and had happened, happens once (2 servers)", async () => {
  await inPair([1, 2], async (pair, keyspace) => {
    await keyspace.call({ kind: "put", key: KEY, value: KEY });
    pair.says[0] = "loses";
    const puts = Array.from({ length: 20 }, () =>
      keyspace.call({ kind: "put", key: KEY, value: KEY }),
    );
    await Promise.all(puts);
    assert.equal(await version(keyspace), 21);
    assert.ok(pair.dialled.includes(2));
  });
});

test("[REM-11] what a silent server may have carried out is indefinite when the next one has stopped; what nobody had is not (2 servers)", async () => {
  const [time, clock] = steppedClock();
  await inPair(
    [1, 2],
    async (pair, keyspace) => {
      const outcomeOf = async (call: Promise<unknown>): Promise<string> => {
        const error: unknown = await inTime(time, 10_000, call).catch((thrown: unknown) => thrown);
        assert.ok(QuorateError.is(error, "SHUTDOWN"), String(error));
        return error.outcome;
      };
      pair.stopped[0] = true;
      pair.says[1] = "stopped";
      const put = { kind: "put", key: KEY, value: KEY } as const;
      assert.equal(await outcomeOf(keyspace.call(put)), "indefinite");
      assert.deepEqual(pair.dialled, [1, 2]);
      assert.equal(await outcomeOf(keyspace.call(put)), "definite");
      pair.says[1] = "leads";
      assert.equal(await version(keyspace), 1);
    },
    clock,
  );
});

test("[REM-11] a compaction that was lost with a leadership is indefinite and not sent again (2 servers)", async () => {
  await inPair([1, 2], async (pair, keyspace) => {
    await keyspace.call({ kind: "put", key: KEY, value: KEY });
    pair.says[0] = "loses";
    const [before] = pair.asked;
    await assert.rejects(
      keyspace.call({ kind: "compact", revision: 2 }),
      (error) => QuorateError.is(error, "LEADER_CHANGED") && error.outcome === "indefinite",
    );
    assert.deepEqual([pair.asked[0] - before, pair.asked[1]], [1, 0]);
  });
});

test("[REM-11] a compaction that is refused once it was sent again is indefinite: the first may have been it (1 server)", async () => {
  await inPair([1], async (pair, keyspace) => {
    for (let puts = 0; puts < 4; puts++) await keyspace.call({ kind: "put", key: KEY, value: KEY });
    pair.onSubmit = () => {
      pair.onSubmit = () => {};
      // It is carried out; the connection goes before the answer.
      pair.streams[0]?.destroy();
    };
    await assert.rejects(
      keyspace.call({ kind: "compact", revision: 3 }),
      (error) => QuorateError.is(error, "COMPACTED") && error.outcome === "indefinite",
    );
    assert.equal(pair.driver.status().compactRevision, 3);
    assert.deepEqual(pair.dialled, [1, 1]);
  });
});

test("[REM-11] a request that nobody takes in its time did certainly not happen (2 servers)", async () => {
  const [time, clock] = steppedClock();
  await inPair(
    [1, 2],
    async (pair, keyspace) => {
      pair.says.fill("refuses");
      const put = { kind: "put", key: KEY, value: KEY } as const;
      // No answer is under way when time is up: a refusal that had not arrived would make it indefinite.
      await assert.rejects(
        inTime(time, 300, keyspace.call(put, { timeoutMs: 300 })),
        (error) => QuorateError.is(error, "TIMEOUT") && error.outcome === "definite",
      );
      assert.ok(pair.asked[0] > 0 && pair.asked[1] > 0, "both were asked");
      pair.says.fill("leads");
      assert.equal(await version(keyspace), 0);
    },
    clock,
  );
});

test("[REM-11] a request whose refusal has not arrived in its time is indefinite (2 servers)", async () => {
  const [time, clock] = steppedClock();
  await inPair(
    [1],
    async (pair, keyspace) => {
      pair.says[0] = "refuses";
      pair.stopped[0] = true;
      const call = keyspace.call({ kind: "put", key: KEY, value: KEY }, { timeoutMs: 300 });
      await assert.rejects(
        inTime(time, 300, call),
        (error) => QuorateError.is(error, "TIMEOUT") && error.outcome === "indefinite",
      );
    },
    clock,
  );
});
