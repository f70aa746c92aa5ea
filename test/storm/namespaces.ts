/**
 * Members in network namespaces of their own, each behind a virtual cable on one bridge: what is lost between them is lost by the
 * kernel, as packets, and TCP notices as it would between machines. Needs root and iproute2.
 *
 * One direction is cut by a wrong hardware address of the other side, which says nothing to whoever sends: a route that refuses
 * would be an error at once.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Process } from "../cluster/processes.ts";
import type { Ruling } from "../links/rules.ts";
import type { Network } from "./faults.ts";

const NOWHERE = "02:00:00:00:00:fe";
const CABLE = "eth0";

/** Runs `ip` with these words; throws what it says. */
function ip(...words: readonly string[]): void {
  const { status, stderr, error } = spawnSync("ip", [...words], { encoding: "utf8" });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`ip ${words.join(" ")}: ${stderr.trim()}`);
}

/** Why there can be no namespaces here, or false. */
export function namespacesMissing(): string | false {
  if (process.getuid?.() !== 0) return "network namespaces need root";
  const name = `quorate-try-${process.pid}`;
  try {
    ip("netns", "add", name);
    ip("netns", "del", name);
    return false;
  } catch (error) {
    return `no network namespaces: ${error instanceof Error ? error.message : String(error)}`;
  }
}

export class NamespacedCluster implements Network {
  readonly directory: string = mkdtempSync(join(tmpdir(), "quorate-namespaces-"));
  readonly members: Process[] = [];
  readonly #bridge = `qb${process.pid}`;
  readonly #subnet = `10.213.${process.pid % 256}`;
  readonly #addresses = new Map<string, string>();

  static async start(count: number): Promise<NamespacedCluster> {
    const cluster = new NamespacedCluster();
    try {
      cluster.#lay();
      for (let at = 1; at <= count; at++) cluster.#add(`m${at}`, at);
      await Promise.all(cluster.members.map((member) => member.start()));
    } catch (error) {
      await cluster.close();
      throw error;
    }
    return cluster;
  }

  get url(): string {
    return `quorate://${this.members.map(({ client }) => client).join(",")}`;
  }

  /** Packets pass, or are lost: how does not matter to who sends them. */
  rule(...rulings: readonly Ruling[]): Promise<void> {
    for (const { from, to, rule } of rulings) {
      const at = this.#addresses.get(to) ?? "";
      const inside = ["-n", this.#namespace(from), "neigh"];
      if (rule.kind === "pass") this.#forget(inside, at);
      else ip(...inside, "replace", at, "lladdr", NOWHERE, "dev", CABLE, "nud", "permanent");
    }
    return Promise.resolve();
  }

  async heal(): Promise<void> {
    const names = this.members.map(({ name }) => name);
    for (const from of names)
      for (const to of names)
        if (from !== to) await this.rule({ from, to, rule: { kind: "pass" } });
  }

  async close(): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill()));
    for (const name of this.#addresses.keys())
      spawnSync("ip", ["netns", "del", this.#namespace(name)]);
    spawnSync("ip", ["link", "del", this.#bridge]);
    rmSync(this.directory, { recursive: true, force: true });
  }

  #namespace(name: string): string {
    return `quorate-${process.pid}-${name}`;
  }

  #lay(): void {
    ip("link", "add", this.#bridge, "type", "bridge");
    ip("addr", "add", `${this.#subnet}.254/24`, "dev", this.#bridge);
    ip("link", "set", this.#bridge, "up");
  }

  #add(name: string, number: number): void {
    const namespace = this.#namespace(name);
    const address = `${this.#subnet}.${number}`;
    const [outside, inside] = [`qo${process.pid}-${number}`, `qi${process.pid}-${number}`];
    ip("netns", "add", namespace);
    this.#addresses.set(name, address);
    ip("link", "add", outside, "type", "veth", "peer", "name", inside);
    ip("link", "set", outside, "master", this.#bridge, "up");
    ip("link", "set", inside, "netns", namespace, "name", CABLE);
    ip("-n", namespace, "addr", "add", `${address}/24`, "dev", CABLE);
    for (const device of [CABLE, "lo"]) ip("-n", namespace, "link", "set", device, "up");
    this.members.push(
      new Process({
        name,
        client: `${address}:2379`,
        peer: `${address}:2380`,
        directory: join(this.directory, name),
        guise: "serve",
        flags: () => ["--insecure-bind", "--initial-cluster", this.#initial()],
        behind: ["ip", "netns", "exec", namespace],
      }),
    );
  }

  #initial(): string {
    return this.members.map(({ name, peer }) => `${name}=http://${peer}`).join(",");
  }

  /** Whoever was not made unreachable has nothing to forget. */
  #forget(inside: readonly string[], address: string): void {
    spawnSync("ip", [...inside, "del", address, "dev", CABLE]);
  }
}
