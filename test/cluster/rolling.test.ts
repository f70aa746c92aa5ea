/** Members of two adjacent versions as one cluster, and the way from one to the next under clients that hold, lead and watch. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Formats } from "../../src/contract/formats.ts";
import { FORMATS } from "../../src/contract/formats.ts";
import { QuorateError } from "../../src/base/errors.ts";
import { connect } from "../../src/sdk/index.ts";
import type { RunningServer } from "../../src/server/index.ts";
import { startServer } from "../../src/server/index.ts";
import type { VersionedOptions } from "../../src/server/options.ts";
import { freePorts } from "../free-ports.ts";
import { until } from "../until.ts";
import { Workload } from "./workload.ts";

const BEFORE: Formats = { oldest: FORMATS.newest - 1, newest: FORMATS.newest - 1 };

/** Three servers in this process, each of which can be started as another version. */
class Versions {
  readonly directory = mkdtempSync(join(tmpdir(), "quorate-rolling-"));
  readonly servers: (RunningServer | undefined)[] = [];
  readonly warnings: string[] = [];
  readonly #ports: readonly number[];

  constructor(ports: readonly number[]) {
    this.#ports = ports;
  }

  dataDir(at: number): string {
    return join(this.directory, `m${at}`);
  }

  get url(): string {
    return `quorate://${[0, 1, 2].map((at) => `127.0.0.1:${this.#ports[at]}`).join(",")}`;
  }

  async start(at: number, formats: Formats): Promise<RunningServer> {
    const initialCluster = [0, 1, 2].map((each) => {
      return { name: `m${each}`, peerUrls: [`http://127.0.0.1:${this.#ports[each + 3]}`] };
    });
    const options: VersionedOptions = {
      listen: `127.0.0.1:${this.#ports[at]}`,
      peerListen: `127.0.0.1:${this.#ports[at + 3]}`,
      memberName: `m${at}`,
      dataDir: this.dataDir(at),
      initialCluster,
      warn: (text) => void this.warnings.push(text),
      formats,
    };
    const server = await startServer(options);
    this.servers[at] = server;
    return server;
  }

  async stop(at: number): Promise<void> {
    await this.servers[at]?.close();
    this.servers[at] = undefined;
  }

  formatOf(at: number): number {
    const identity = readFileSync(join(this.dataDir(at), "identity.json"), "utf8");
    return (JSON.parse(identity) as { readonly format: number }).format;
  }

  async close(): Promise<void> {
    await Promise.all([0, 1, 2].map((at) => this.stop(at)));
    rmSync(this.directory, { recursive: true, force: true });
  }
}

describe("members of two versions", { timeout: 480_000 }, () => {
  let versions: Versions;
  before(async () => {
    versions = new Versions(await freePorts(6));
    await Promise.all([0, 1, 2].map((at) => versions.start(at, BEFORE)));
  });
  after(() => versions.close());

  test("[FMT-2] one restarted after the other as the next version, a lock is held, an election led, a watch told all once; then there is no way back (3 servers)", async () => {
    const work = await Workload.begin(versions.url);
    await using leading = await connect(versions.url, { sessionTtlMs: 10_000 });
    const led = await leading.election("who leads").campaign();
    const token = led.token;
    try {
      await work.goesOn(20);
      for (const at of [0, 1, 2]) {
        assert.deepEqual(
          [0, 1, 2].map((each) => versions.formatOf(each)),
          [2, 2, 2],
          "the gate is shut",
        );
        await versions.stop(at);
        await work.goesOn(20);
        await versions.start(at, FORMATS);
        await work.goesOn(20);
      }
      await until(
        () => [0, 1, 2].every((at) => versions.formatOf(at) === FORMATS.newest),
        () => "the gate opens after the last",
      );
      await work.goesOn(20);
      assert.equal(led.token, token);
      led.assertHeld();
      await work.verify();
    } finally {
      await work.close();
    }
    await led.resign();
    await versions.stop(2);
    await assert.rejects(versions.start(2, BEFORE), (error) => {
      assert.ok(QuorateError.is(error, "LAYOUT") && error.outcome === "definite");
      assert.match(
        error.message,
        /identity\.json.*is of format 3, and this version reads formats 2 to 2/,
      );
      return true;
    });
    await versions.start(2, FORMATS);
  });

  test("[FMT-2] one of the version before that comes with an older directory is refused by the others, and told why (3 servers and one)", async () => {
    const [first] = versions.servers;
    assert.ok(first !== undefined);
    const [listen, peer] = await freePorts(2);
    const options: VersionedOptions = {
      listen: `127.0.0.1:${listen}`,
      peerListen: `127.0.0.1:${peer}`,
      memberName: "m3",
      dataDir: versions.dataDir(3),
      join: first.url,
      warn: (text) => void versions.warnings.push(text),
      formats: BEFORE,
    };
    const late = await startServer(options);
    try {
      await until(
        () =>
          versions.warnings.some((text) =>
            /does not let this one in: .*reads formats up to 2, and the cluster writes format 3/.test(
              text,
            ),
          ),
        () => versions.warnings.join("\n"),
      );
      assert.equal(late.driver.status().keys, 0);
    } finally {
      await late.close();
    }
  });
});
