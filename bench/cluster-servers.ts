/**
 * Three members of a cluster on this machine, of etcd or of Quorate: both take the same arguments, so what is compared
 * differs in nothing but the program. Data lies below `.bench` of the working directory.
 */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { freePorts } from "../test/free-ports.ts";
import { Links } from "../test/links/links.ts";
import type { BenchServer } from "./servers.ts";
import { CLI, flushesOf, page, scratchDirectory } from "./servers.ts";

const READY_MS = 60_000;
const PAGE = 5_000;

export type ClusterProgram = "quorate" | "etcd";

const COMMANDS: Readonly<Record<ClusterProgram, readonly string[]>> = {
  etcd: ["etcd"],
  quorate: [process.execPath, CLI, "etcd"],
};

interface Ports {
  readonly name: string;
  readonly client: number;
  readonly peer: number;
  /** Where the others dial it. */
  readonly advertised: number;
}

interface Member {
  readonly name: string;
  readonly clientPort: number;
  readonly arguments: readonly string[];
  child: ChildProcess | undefined;
}

/** Three members as one server: driven, and measured, at the one that leads. */
export async function startCluster(program: ClusterProgram): Promise<BenchServer> {
  const cluster = await ClusterServers.start(program, 3);
  const leader = await cluster.leader();
  const { port } = cluster.endpoints.find(({ name }) => name === leader) ?? { port: 0 };
  const child = cluster.process(leader);
  return {
    name: program,
    pid: child.pid ?? 0,
    host: "127.0.0.1",
    port,
    directory: cluster.directory,
    child,
    flushes: () => flushesOf(program, port),
    stop: () => cluster.remove(),
    remove: () => cluster.remove(),
  };
}

export class ClusterServers {
  readonly #program: ClusterProgram;
  readonly directory: string;
  readonly #members: readonly Member[];
  readonly #links: Links | undefined;
  readonly #killAll = (): void => this.#members.forEach(({ child }) => child?.kill("SIGKILL"));

  private constructor(
    program: ClusterProgram,
    directory: string,
    members: readonly Member[],
    links: Links | undefined,
  ) {
    this.#program = program;
    this.directory = directory;
    this.#members = members;
    this.#links = links;
    process.once("exit", this.#killAll);
  }

  /** `isLinked`: members reach each other through links that can be disturbed. */
  static async start(
    program: ClusterProgram,
    size: number,
    isLinked = false,
  ): Promise<ClusterServers> {
    const directory = scratchDirectory(`${program}-cluster`);
    const links = isLinked ? new Links() : undefined;
    const ports: Ports[] = [];
    for (let at = 1; at <= size; at++) {
      const [client = 0, peer = 0] = await freePorts(2);
      const advertised = (await links?.add(`m${at}`, peer)) ?? peer;
      ports.push({ name: `m${at}`, client, peer, advertised });
    }
    const initial = ports
      .map(({ name, advertised }) => `${name}=http://127.0.0.1:${advertised}`)
      .join(",");
    const members = ports.map(({ name, client, peer, advertised }) => ({
      name,
      clientPort: client,
      child: undefined,
      arguments: [
        ["--name", name, "--data-dir", join(directory, name)],
        ["--listen-client-urls", `http://127.0.0.1:${client}`],
        ["--advertise-client-urls", `http://127.0.0.1:${client}`],
        ["--listen-peer-urls", `http://127.0.0.1:${peer}`],
        ["--initial-advertise-peer-urls", `http://127.0.0.1:${advertised}`],
        ["--initial-cluster", initial, "--initial-cluster-state", "new"],
        ["--quota-backend-bytes", String(8 * 2 ** 30), "--log-level", "error"],
      ].flat(),
    }));
    const cluster = new ClusterServers(program, directory, members, links);
    for (const { name } of members) cluster.launch(name);
    for (const { name } of members) await cluster.healthy(name);
    if (links !== undefined && program === "etcd") await cluster.#introduce(links);
    return cluster;
  }

  get endpoints(): readonly { readonly name: string; readonly port: number }[] {
    return this.#members.map(({ name, clientPort }) => ({ name, port: clientPort }));
  }

  process(name: string): ChildProcess {
    const { child } = this.#member(name);
    if (child === undefined) throw new Error(`${name} was not launched`);
    return child;
  }

  launch(name: string): void {
    const member = this.#member(name);
    const [command = "", ...before] = COMMANDS[this.#program];
    member.child = spawn(command, [...before, ...member.arguments], {
      // etcd tells of every election.
      stdio: ["ignore", "ignore", this.#program === "etcd" ? "ignore" : "inherit"],
    });
  }

  /** Resolves when the member says that it and its cluster can commit. */
  async healthy(name: string): Promise<void> {
    const { clientPort, child } = this.#member(name);
    for (const end = Date.now() + READY_MS; Date.now() < end; await pause(20)) {
      if (child?.exitCode !== null) throw new Error(`${name} ended with ${child?.exitCode}`);
      const health = await page(clientPort, "/health").catch(() => "");
      if (health.includes('"true"')) return;
    }
    throw new Error(`${name} of ${this.#program} was not healthy after ${READY_MS} ms`);
  }

  /** The member that leads, by its own account. */
  async leader(): Promise<string> {
    for (const end = Date.now() + READY_MS; Date.now() < end; await pause(20)) {
      // One that stood still or was alone may take a while to learn that it leads no longer: the latest term counts.
      let found: { readonly name: string; readonly term: number } | undefined;
      for (const { name, clientPort } of this.#members) {
        const status = await post<StatusAnswer>(clientPort, "maintenance/status", {}).catch(
          () => undefined,
        );
        const term = Number(status?.raftTerm ?? 0);
        if (status === undefined || status.leader !== status.header.member_id) continue;
        if (found === undefined || term > found.term) found = { name, term };
      }
      if (found !== undefined) return found.name;
    }
    throw new Error(`nobody leads the cluster of ${this.#program}`);
  }

  /** The keys that begin with `prefix`, by a linearizable read; then it deletes them. */
  async takeKeys(prefix: string): Promise<ReadonlySet<string>> {
    const end = btoa(
      `${prefix.slice(0, -1)}${String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)}`,
    );
    const found = new Set<string>();
    // Page by page: a transaction changes at most 10,000 keys.
    for (let more = true; more;) {
      const page = await this.#ask<RangeAnswer>("kv/range", {
        ...{ key: btoa(prefix), range_end: end, limit: PAGE, keys_only: true },
      });
      const keys = (page.kvs ?? []).map(({ key }) => atob(key));
      for (const key of keys) found.add(key);
      more = page.more === true;
      const last = keys.at(-1);
      if (last === undefined) break;
      await this.#ask("kv/deleterange", { key: btoa(prefix), range_end: btoa(`${last}\0`) });
    }
    return found;
  }

  async signal(name: string, signal: NodeJS.Signals): Promise<void> {
    const { child } = this.#member(name);
    child?.kill(signal);
    if (signal === "SIGKILL" && child?.signalCode === null) await once(child, "close");
  }

  /** Parts `name` from all other members, or ends that. */
  async part(name: string, isParted: boolean): Promise<void> {
    if (this.#links === undefined) throw new Error("the members are not linked");
    await this.#links.around(name, { kind: isParted ? "hold" : "pass" });
  }

  async remove(): Promise<void> {
    for (const { name } of this.#members) {
      await this.signal(name, "SIGCONT");
      await this.signal(name, "SIGKILL");
    }
    await this.#links?.close();
    process.off("exit", this.#killAll);
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Members of etcd call each other by their ids. */
  async #introduce(links: Links): Promise<void> {
    for (const { name, clientPort } of this.#members) {
      const { header } = await post<StatusAnswer>(clientPort, "maintenance/status", {});
      await links.rename(BigInt(header.member_id).toString(16), name);
    }
  }

  #member(name: string): Member {
    const found = this.#members.find((each) => each.name === name);
    if (found === undefined) throw new Error(`no member is called ${name}`);
    return found;
  }

  /** Asks the members in turn until one answers. */
  async #ask<T>(path: string, body: object): Promise<T> {
    for (const end = Date.now() + READY_MS; Date.now() < end; await pause(20)) {
      for (const { clientPort } of this.#members) {
        const answer = await post<T>(clientPort, path, body).catch(() => undefined);
        if (answer !== undefined) return answer;
      }
    }
    throw new Error(`${this.#program}: ${path} had no answer`);
  }
}

interface StatusAnswer {
  readonly header: { readonly member_id: string };
  readonly leader?: string;
  readonly raftTerm?: string;
}

interface RangeAnswer {
  readonly kvs?: readonly { readonly key: string }[];
  readonly more?: boolean;
}

/** A call of the JSON gateway, which both programs have. */
async function post<T>(port: number, path: string, body: object): Promise<T> {
  const answer = await fetch(`http://127.0.0.1:${port}/v3/${path}`, {
    method: "POST",
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(2_000),
  });
  if (!answer.ok) throw new Error(await answer.text());
  return (await answer.json()) as T;
}
