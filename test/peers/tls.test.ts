/** Members know each other by certificates: only those of the right authority are heard. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { QuorateError } from "../../src/base/errors.ts";
import { hostClock } from "../../src/host/clock.ts";
import type { PeerTlsOptions } from "../../src/server/cluster/peer-sockets.ts";
import { parsePeerUrl, PeerListener } from "../../src/server/cluster/peer-sockets.ts";
import { Turns } from "../../src/service/turns.ts";
import { Authority, noOpenssl } from "../server/authority.ts";
import { elected, SocketMember } from "./socket-member.ts";
import { until } from "../until.ts";

const skip = noOpenssl();

async function withDirectory(use: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "quorate-peers-"));
  try {
    await use(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function identity(authority: Authority, name: string, trusted = authority): PeerTlsOptions {
  const { cert, key } = authority.issue(name);
  return { peerCertFile: cert, peerKeyFile: key, peerTrustedCaFile: trusted.cert };
}

async function inClusterOf(
  tls: readonly PeerTlsOptions[],
  use: (members: readonly SocketMember[]) => Promise<void>,
): Promise<void> {
  const ids = tls.map((_, at) => at + 1);
  const members = await Promise.all(
    ids.map((id) => SocketMember.open(id, ids, { tls: tls[id - 1] })),
  );
  try {
    for (const member of members) member.start(members);
    await use(members);
  } finally {
    await Promise.all(members.map((member) => member.close()));
  }
}

test(
  "[PEER-TLS-1] members with certificates of one authority elect and commit (3 members)",
  { skip },
  async () => {
    await withDirectory(async (directory) => {
      const authority = new Authority(join(directory, "ca"));
      const tls = ["m1", "m2", "m3"].map((name) => identity(authority, name));
      await inClusterOf(tls, async (members) => {
        const leader = await elected(members);
        assert.ok(leader.propose("over TLS")?.ok);
        await until(
          () => members.every(({ sim }) => sim.state.includes("over TLS")),
          () => members.map(({ state }) => state).join(),
        );
      });
    });
  },
);

test(
  "[PEER-TLS-2] a member with a certificate of another authority, or with another name, is not heard (3 members)",
  { skip },
  async () => {
    await withDirectory(async (directory) => {
      const authority = new Authority(join(directory, "ca"));
      const other = new Authority(join(directory, "other"));
      const named = { ...identity(authority, "m1"), peerCertAllowedCn: "m2" };
      // It trusts the members, which do not trust it.
      const stranger = identity(other, "m3", authority);
      await inClusterOf([named, identity(authority, "m2"), stranger], async (members) => {
        const [one, two, three] = members as [SocketMember, SocketMember, SocketMember];
        await elected([one, two]);
        assert.equal(three.sim.raft.leader, 0);
        assert.deepEqual([...three.identified.keys()], []);
        assert.ok(!one.links.stateOf(3).isConnected && !three.links.stateOf(1).isConnected);
        assert.deepEqual([...one.identified.keys()], [2]);
      });
    });
  },
);

test(
  "[PEER-TLS-3] an address that others can reach is refused without certificates of members (no members)",
  { skip },
  async () => {
    await withDirectory(async (directory) => {
      const { peerTrustedCaFile: _, ...oneSided } = identity(
        new Authority(join(directory, "ca")),
        "m1",
      );
      const where = [{ host: "0.0.0.0", port: 0 }];
      const turns = new Turns(hostClock);
      const warn = (): void => {};
      for (const tls of [{}, oneSided]) {
        await assert.rejects(
          PeerListener.open(where, tls, { insecureBind: false, turns, warn }),
          (error) => QuorateError.is(error, "CONFIG"),
        );
        const listener = await PeerListener.open(where, tls, { insecureBind: true, turns, warn });
        await listener.close();
      }
    });
  },
);

test("[PEER-11] peer urls are scheme, host and port, and nothing else (no members)", () => {
  assert.deepEqual(parsePeerUrl("https://[::1]:2380"), { host: "::1", port: 2380, isSecure: true });
  assert.deepEqual(parsePeerUrl("http://a.b:1/"), { host: "a.b", port: 1, isSecure: false });
  for (const url of ["", "a:1", "http://a", "http://a:70000", "http://a:1/x", "ftp://a:1"])
    assert.throws(() => parsePeerUrl(url), { code: "CONFIG", outcome: "definite" });
});
