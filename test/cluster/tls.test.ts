/** A cluster whose members show certificates to each other, and whose clients come over TLS. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { connect } from "../../src/sdk/index.ts";
import type { RunningServer } from "../../src/server/index.ts";
import { startServer } from "../../src/server/index.ts";
import { Authority, noOpenssl } from "../server/authority.ts";
import { freePorts } from "../free-ports.ts";
import { until } from "../until.ts";

test(
  "[CLS-11] members of one authority are a cluster over TLS; one of another is no part of it (3 members and a stranger)",
  { skip: noOpenssl(), timeout: 240_000 },
  async () => {
    const directory = mkdtempSync(join(tmpdir(), "quorate-tls-cluster-"));
    const members = new Authority(join(directory, "members"));
    const servers = new Authority(join(directory, "servers"));
    const strangers = new Authority(join(directory, "strangers"));
    const names = ["m1", "m2", "m3", "m4"];
    const ports = await freePorts(names.length);
    const initialCluster = names.map((name, at) => ({
      name,
      peerUrls: [`https://127.0.0.1:${ports[at]}`],
    }));
    const started: RunningServer[] = [];
    try {
      for (const [at, memberName] of names.entries()) {
        const own = (memberName === "m4" ? strangers : members).issue(memberName);
        const server = servers.issue(memberName);
        started.push(
          await startServer({
            listen: "127.0.0.1:0",
            memberName,
            dataDir: join(directory, `data-${memberName}`),
            certFile: server.cert,
            keyFile: server.key,
            peerListen: `127.0.0.1:${ports[at]}`,
            peerCertFile: own.cert,
            peerKeyFile: own.key,
            peerTrustedCaFile: members.cert,
            initialCluster,
          }),
        );
      }
      const [one, , , stranger] = started as [
        RunningServer,
        RunningServer,
        RunningServer,
        RunningServer,
      ];
      await until(
        () => started.slice(0, 3).every(({ driver }) => driver.standing().leader > 0),
        () => JSON.stringify(started.map(({ driver }) => driver.standing())),
      );
      await using q = await connect(one.url, { tls: { ca: servers.cert } });
      const held = await q.lock("l").acquire();
      assert.ok(held.token > 0);
      assert.equal(stranger.driver.standing().leader, 0);
      assert.equal(stranger.driver.status().revision, 1);
      assert.ok(one.driver.status().revision > 1);
    } finally {
      await Promise.all(started.map((server) => server.close()));
      rmSync(directory, { recursive: true, force: true });
    }
  },
);
