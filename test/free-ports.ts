/**
 * Ports of this machine for processes that a test starts.
 *
 * They lie below those that the system gives to outgoing connections and to listeners without a port of their own, so
 * that none is taken between the moment it is found free and the moment a process listens on it. Each process of tests walks
 * a stretch of its own, which it shares only with processes whose number is a multiple of 550 away.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";

const HOST = "127.0.0.1";
/** Beyond 10,080, the last of those that `fetch` does not dial (Fetch, §2.9). */
const FIRST = 10_100;
/** Linux gives others from 32,768 on. */
const COUNT = 22_000;
/** What one process asks for, as a rule. */
const STRETCH = 40;

let next: number = process.pid * STRETCH;

export async function freePorts(count: number): Promise<readonly number[]> {
  const ports: number[] = [];
  for (let tries = 0; ports.length < count; tries++) {
    assert.ok(tries < COUNT, "no port is free");
    const port = FIRST + (next++ % COUNT);
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

export async function freePort(): Promise<number> {
  const [port] = await freePorts(1);
  return port ?? assert.fail("one was asked for");
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const isBound = new Promise<boolean>((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, HOST, () => resolve(true));
  });
  if (!(await isBound)) return false;
  server.close();
  await once(server, "close");
  return true;
}
