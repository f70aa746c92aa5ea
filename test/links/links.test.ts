/** The links themselves: what a rule does to one direction of one pair, and to nothing else. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { Server, Socket } from "node:net";
import { connect, createServer } from "node:net";
import { after, before, describe, test } from "node:test";
import { until } from "../until.ts";
import { Links } from "./links.ts";
import type { LinkRule } from "./rules.ts";

const HOST = "127.0.0.1";

/** One side of a connection: what it was told, and whether it has ended. */
class Side {
  readonly socket: Socket;
  heard = "";
  isOver = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (bytes: Buffer) => (this.heard += bytes.toString()));
    socket.on("error", () => {});
    socket.on("end", () => (this.isOver = true));
    socket.on("close", () => (this.isOver = true));
  }

  say(text: string): void {
    this.socket.write(text);
  }

  hears(text: string): Promise<unknown> {
    return until(
      () => this.heard.endsWith(text),
      () => `heard ${JSON.stringify(this.heard)}, not ${text}`,
    );
  }

  ends(): Promise<unknown> {
    return until(
      () => this.isOver,
      () => "it stands",
    );
  }
}

describe("links", { timeout: 240_000 }, () => {
  const links = new Links();
  const servers: Server[] = [];
  const sides: Side[] = [];
  const ports = new Map<string, number>();
  let arrived: ((side: Side) => void) | undefined;

  before(async () => {
    for (const name of ["a", "b", "c"]) {
      const server = createServer((socket) => {
        const side = new Side(socket);
        sides.push(side);
        arrived?.(side);
      });
      server.listen(0, HOST);
      await once(server, "listening");
      servers.push(server);
      const { port } = server.address() as { readonly port: number };
      ports.set(name, await links.add(name, port));
    }
    await links.rename("b0b", "b");
  });
  after(async () => {
    for (const { socket } of sides) socket.destroy();
    for (const server of servers) server.close();
    await links.close();
  });

  function dialled(from: string, to: string): Side {
    const side = new Side(connect({ host: HOST, port: ports.get(to) ?? 0 }));
    sides.push(side);
    // Only letters of hexadecimal numbers: as etcd's members say who they are.
    side.say(`GET / HTTP/1.1\r\nX-Server-From: ${from}\r\n\r\n`);
    return side;
  }

  async function pair(from: string, to: string): Promise<readonly [Side, Side]> {
    const other = new Promise<Side>((resolve) => (arrived = resolve));
    const one = dialled(from, to);
    const two = await other;
    await two.hears("\r\n\r\n");
    return [one, two];
  }

  const rule = (from: string, to: string, given: LinkRule): Promise<void> =>
    links.rule({ from, to, rule: given });

  /** What `one` says is heard by `two` after everything that has been said elsewhere has arrived: nothing was let through. */
  async function carries(one: Side, two: Side): Promise<void> {
    one.say("carried");
    await two.hears("carried");
  }

  test("[LINK-1] what is held in one direction of a pair comes late and whole; the other and other pairs go on (3 members)", async () => {
    const [one, two] = await pair("a", "b");
    const [third, fourth] = await pair("c", "b");
    await rule("a", "b", { kind: "hold" });
    one.say("first");
    await carries(two, one);
    await carries(third, fourth);
    one.say("second");
    await carries(two, one);
    assert.ok(!two.heard.includes("first"));
    await rule("a", "b", { kind: "pass" });
    await two.hears("firstsecond");
    one.socket.destroy();
    await two.ends();
  });

  test("[LINK-1] a rule holds whichever side has dialled, and for who dials later (3 members)", async () => {
    await rule("b", "a", { kind: "hold" });
    const [one, two] = await pair("a", "b");
    two.say("held");
    await carries(one, two);
    // Dialled by b, under the name that etcd would call it: not even its first bytes arrive.
    const silent = new Promise<Side>((resolve) => (arrived = resolve));
    dialled("b0b", "a");
    const side = await silent;
    await carries(one, two);
    assert.deepEqual([one.heard, side.heard], ["", ""]);
    await rule("b", "a", { kind: "pass" });
    await one.hears("held");
    await side.hears("\r\n\r\n");
  });

  test("[LINK-2] who goes away behind a held direction is missed when it is released (2 members)", async () => {
    const [one, two] = await pair("a", "b");
    await rule("a", "b", { kind: "hold" });
    one.socket.destroy();
    const [third, fourth] = await pair("c", "b");
    await carries(third, fourth);
    assert.equal(two.isOver, false);
    await rule("a", "b", { kind: "pass" });
    await two.ends();
  });

  test("[LINK-3] what was swallowed is gone, and with it the connection when bytes pass again (2 members)", async () => {
    const [one, two] = await pair("a", "b");
    await rule("a", "b", { kind: "swallow" });
    one.say("gone");
    await carries(two, one);
    await rule("a", "b", { kind: "pass" });
    await one.ends();
    await two.ends();
    assert.ok(!two.heard.includes("gone"));
    const [third, fourth] = await pair("a", "b");
    await carries(third, fourth);
  });

  test("[LINK-4] what is cut ends, and so does whatever is dialled until it passes again (2 members)", async () => {
    const [one, two] = await pair("a", "b");
    await rule("b", "a", { kind: "cut" });
    await one.ends();
    await two.ends();
    await dialled("a", "b").ends();
    await links.heal();
    const [third, fourth] = await pair("a", "b");
    await carries(third, fourth);
  });

  test("[LINK-5] what is delayed comes whole, in order and not before its time (2 members)", async () => {
    const [one, two] = await pair("a", "b");
    await rule("a", "b", { kind: "delay", ms: 100 });
    const from = performance.now();
    one.say("x");
    one.say("y");
    await two.hears("xy");
    assert.ok(performance.now() - from >= 99);
    await rule("a", "b", { kind: "pass" });
  });
});
