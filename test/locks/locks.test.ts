/** Locks at a resource that checks: many processes, and an owner that is stopped past its lease. */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterEach, describe, test } from "node:test";
import { QuorateError } from "../../src/base/errors.ts";
import { connect } from "../../src/sdk/index.ts";
import { guard } from "../../src/sdk/selection.ts";
import { startServer } from "../../src/server/index.ts";
import type { FromContender } from "./messages.ts";

const ACQUISITIONS = 10_000;
const PROCESSES = 8;
const CONTENDERS = 8;

describe("locks", { timeout: 720_000 }, () => {
  const children: ChildProcess[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
  });

  function contender(url: string, contenders: number, ttlMs: number, mode: string): ChildProcess {
    const child = fork(join(import.meta.dirname, "contender.js"), [
      url,
      String(contenders),
      String(ttlMs),
      mode,
    ]);
    children.push(child);
    return child;
  }

  test("[SEL-10] [SEL-11] 10,000 acquisitions: exclusive, tokens grow, everybody is served (64 contenders, 8 processes)", async (t) => {
    const server = await startServer({ listen: "127.0.0.1:0" });
    const resource = guard("resource");
    const served = new Map<string, number>();
    let inside: string | undefined;
    let count = 0;
    const faults: string[] = [];
    const from = performance.now();
    const ended = Array.from({ length: PROCESSES }, async () => {
      const child = contender(server.url, CONTENDERS, 10_000, "loop");
      child.on("message", ({ id, kind, token, holder }: FromContender) => {
        if (kind === "enter") {
          if (inside !== undefined) faults.push(`${holder} entered while ${inside} was inside`);
          inside = holder;
          try {
            resource.admit(token, holder);
          } catch (error) {
            faults.push(String(error));
          }
          served.set(holder, (served.get(holder) ?? 0) + 1);
          count++;
        } else {
          if (inside !== holder) faults.push(`${holder} left, but ${inside} was inside`);
          inside = undefined;
        }
        child.send({ id, more: count < ACQUISITIONS });
      });
      const [code] = (await once(child, "exit")) as [number];
      assert.equal(code, 0);
    });
    await Promise.all(ended);
    t.diagnostic(
      `${count} acquisitions, ${((performance.now() - from) / count).toFixed(2)} ms each`,
    );
    assert.deepEqual(faults, []);
    assert.ok(count >= ACQUISITIONS);
    assert.equal(served.size, PROCESSES * CONTENDERS);
    // Order of asking is round robin once all stand in line: nobody gets much more than another.
    const counts = [...served.values()];
    assert.ok(Math.max(...counts) <= 2 * Math.min(...counts) + 8, counts.join(" "));
    await server.close();
  });

  test("[SEL-24] [SES-4] an owner stopped past its lease finds its signal aborted, and its late write is refused (2 processes)", async () => {
    const server = await startServer({ listen: "127.0.0.1:0" });
    const resource = guard("resource");
    const child = contender(server.url, 1, 1_000, "hold");
    const next = async (): Promise<FromContender> => {
      const [message] = (await once(child, "message")) as [FromContender];
      return message;
    };
    const entered = await next();
    resource.admit(entered.token, entered.holder);
    child.send({ id: entered.id, more: true });
    child.kill("SIGSTOP");
    const q = await connect(server.url, { service: "second" });
    const held = await q.lock("contended").acquire();
    assert.ok(held.token > entered.token);
    resource.admit(held.token, "second");
    const late = next();
    child.kill("SIGUSR2");
    child.kill("SIGCONT");
    const found = await late;
    assert.equal(found.aborted, true);
    assert.ok(found.code === "LOST" || found.code === "EXPIRED", found.code);
    assert.throws(
      () => resource.admit(found.token, found.holder),
      (error: unknown) => {
        assert.ok(QuorateError.is(error, "STALE_TOKEN"));
        assert.equal(error.holder, "second");
        return true;
      },
    );
    child.kill("SIGKILL");
    await held.release();
    await q.close();
    await server.close();
  });
});
