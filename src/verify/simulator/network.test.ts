/** The simulated network: order, directions, breaks, power cuts. */
import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { test } from "node:test";
import { prng } from "../../base/prng.ts";
import type { ByteStream } from "../../ports/network.ts";
import { Agenda } from "./agenda.ts";
import { Machine } from "./machine.ts";
import { SimNetwork } from "./network.ts";
import { Runner } from "./runner.ts";
import { Trace } from "./trace.ts";

/** Two machines, a connection between them, and what each side was told. */
class Scene {
  readonly agenda: Agenda = new Agenda();
  readonly client: Machine = new Machine("client", 0, this.agenda, prng(1));
  readonly server: Machine = new Machine("server", 1, this.agenda, prng(2));
  readonly network: SimNetwork;
  readonly heard: Record<"client" | "server", string[]> = { client: [], server: [] };
  readonly #runner: Runner;
  near: ByteStream | undefined;
  far: ByteStream | undefined;

  constructor(seed = 1) {
    const trace = new Trace();
    this.network = new SimNetwork(this.agenda, trace, prng(seed), { minMs: 1, maxMs: 50 });
    const stage = {
      turn: (next: () => void) => void turn().then(next),
      rest: (next: () => void) => void turn().then(next),
      as: (_: unknown, act: () => void) => act(),
    };
    const thrown = (_: unknown, error: unknown): void => {
      throw error;
    };
    this.#runner = new Runner({ agenda: this.agenda, trace, stage, thrown });
    this.network.listen(this.server, (stream) => {
      this.far = stream;
      return this.#ear("server");
    });
  }

  #ear(side: "client" | "server") {
    const heard = this.heard[side];
    return {
      received: (bytes: Uint8Array) => void heard.push(String(bytes[0])),
      drained: () => void heard.push("drained"),
      closed: () => void heard.push("closed"),
    };
  }

  async connected(): Promise<this> {
    this.dial();
    await this.pass(200);
    assert.ok(this.near !== undefined);
    return this;
  }
  dial(): void {
    const address = { kind: "tcp", host: "server", port: 2379 } as const;
    this.network
      .of(this.client)
      .dial(address, () => this.#ear("client"))
      .then(
        (stream) => {
          this.near = stream;
          this.heard.client.push("connected");
        },
        (error: Error) => this.heard.client.push(error.message),
      );
  }
  say(stream: ByteStream | undefined, ...bytes: number[]): void {
    for (const byte of bytes) stream?.write(Uint8Array.of(byte));
  }
  async pass(ms: number): Promise<void> {
    await this.#runner.run(this.agenda.nowMs + ms);
  }
}

test("[SIM-NET-1] bytes arrive in order, and a shut direction holds back its own alone (40 seeds)", async () => {
  for (let seed = 0; seed < 40; seed++) {
    const scene = await new Scene(seed).connected();
    const { network, client, server, heard } = scene;
    scene.say(scene.near, 1, 2, 3);
    network.shut(client, server);
    scene.say(scene.near, 4);
    network.shut(client, server);
    scene.say(scene.far, 9, 8);
    await scene.pass(1_000);
    assert.deepEqual(heard, { client: ["connected", "9", "8"], server: ["1", "2", "3"] });
    network.open(client, server);
    scene.say(scene.near, 5);
    await scene.pass(1_000);
    assert.deepEqual(heard.server, ["1", "2", "3", "4", "5"], `seed ${seed}`);
  }
});

test("[SIM-NET-1] an end is told after all bytes, a break without those under way", async () => {
  const ended = await new Scene().connected();
  ended.say(ended.near, 1, 2);
  ended.near?.end();
  await ended.pass(500);
  assert.deepEqual(ended.heard, { client: ["connected", "closed"], server: ["1", "2", "closed"] });
  const broken = await new Scene().connected();
  broken.say(broken.near, 1, 2);
  assert.equal(broken.network.cut(broken.client), 1);
  await broken.pass(500);
  assert.deepEqual(broken.heard, { client: ["connected", "closed"], server: ["closed"] });
});

test("[SIM-NET-1] a reader that pauses makes the writer wait, and both go on", async () => {
  const scene = await new Scene().connected();
  scene.far?.pause();
  const large = new Uint8Array(300 << 10).fill(7);
  assert.equal(scene.near?.write(large), false);
  await scene.pass(1_000);
  assert.deepEqual(scene.heard, { client: ["connected"], server: [] });
  scene.far?.resume();
  await scene.pass(1_000);
  assert.deepEqual(scene.heard, { client: ["connected", "drained"], server: ["7"] });
});

test("[SIM-NET-2] a killed machine resets its connections; one without power is silent until it is back", async () => {
  const killed = await new Scene().connected();
  killed.server.turnOff();
  killed.network.gone(killed.server, false);
  killed.dial();
  await killed.pass(500);
  assert.deepEqual(killed.heard.client, ["connected", "connect ECONNREFUSED server", "closed"]);
  const dark = await new Scene().connected();
  dark.server.turnOff();
  dark.network.gone(dark.server, true);
  dark.say(dark.near, 1);
  dark.dial();
  await dark.pass(60_000);
  assert.deepEqual(dark.heard.client, ["connected"]);
  dark.server.turnOn();
  dark.network.back(dark.server);
  await dark.pass(500);
  assert.deepEqual(
    dark.heard.client.toSorted(),
    ["closed", "connect ECONNREFUSED server", "connected"].toSorted(),
  );
  assert.deepEqual(dark.heard.server, [], "what was sent to the dead is lost");
});

test("[SIM-LIFE-1] a dial of a life that is over does not connect in the next", async () => {
  const scene = new Scene();
  scene.network.shut(scene.client, scene.server);
  scene.dial();
  await scene.pass(100);
  scene.client.turnOff();
  scene.network.gone(scene.client, false);
  scene.client.turnOn();
  scene.network.back(scene.client);
  scene.network.open(scene.client, scene.server);
  await scene.pass(1_000);
  assert.deepEqual(scene.heard.client, []);
});
