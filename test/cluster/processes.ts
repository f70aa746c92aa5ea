/** A cluster of real processes of `quorate serve` for one test file: on free ports, data in a temporary directory. */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePorts } from "../free-ports.ts";
import { Links } from "../links/links.ts";
import { until } from "../until.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));
const HOST = "127.0.0.1";
/** A member that starts may have a long log to read. */
const START_MS = 240_000;

/** As what a member runs: `quorate serve`, or `quorate etcd` under etcd's flags. */
export type Guise = "serve" | "etcd";

export interface ProcessOptions {
  readonly name: string;
  /** `HOST:PORT` for clients, and for the other members. */
  readonly client: string;
  readonly peer: string;
  /** Where the other members are told to dial it; default where it listens for them. */
  readonly advertised?: string | undefined;
  readonly directory: string;
  readonly guise: Guise;
  readonly flags: () => readonly string[];
  /** What the command is put behind, as `ip netns exec NAME`; it must become the command, not start it. */
  readonly behind?: readonly string[] | undefined;
}

/** One member; its process may come and go. */
export class Process {
  readonly name: string;
  readonly client: string;
  readonly peer: string;
  readonly advertised: string;
  readonly directory: string;
  readonly #options: ProcessOptions;
  #child: ChildProcess | undefined;
  said = "";

  constructor(options: ProcessOptions) {
    this.#options = options;
    this.name = options.name;
    this.client = options.client;
    this.peer = options.peer;
    this.advertised = options.advertised ?? options.peer;
    this.directory = options.directory;
  }

  /** Resolves when it serves. `behind`: what this start alone is put behind. */
  async start(behind: readonly string[] = []): Promise<void> {
    const { guise, flags: more, behind: always = [] } = this.#options;
    const own = guise === "serve" ? this.#ownOfServe() : this.#ownOfEtcd();
    const flags = [...own, "--name", this.name, "--data-dir", this.directory, ...more()];
    const words = [...always, ...behind, process.execPath, MAIN, ...flags];
    const child = spawn(words[0] as string, words.slice(1), {
      stdio: ["pipe", "pipe", "pipe"],
      // Nothing of a test outlives it.
      env: { ...process.env, QUORATE_UNTIL_STDIN_ENDS: "1" },
    });
    this.#child = child;
    this.said = "";
    child.stdin?.on("error", () => {});
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (text: Buffer) => (this.said += text.toString()));
    await until(
      () => / serves |ready to serve/.test(this.said) || this.hasEnded,
      () => `${this.name}: ${this.said}`,
      START_MS,
    );
    const end = String(child.exitCode ?? child.signalCode ?? "none");
    assert.ok(!this.hasEnded, `${this.name} ended with ${end}: ${this.said}`);
  }

  #ownOfServe(): readonly string[] {
    const advertised = `http://${this.advertised}`;
    return [
      ...["serve", "--listen", this.client],
      ...["--peer-listen", this.peer, "--peer-advertise", advertised],
    ];
  }

  #ownOfEtcd(): readonly string[] {
    const [client, peer] = [`http://${this.client}`, `http://${this.peer}`];
    const advertised = `http://${this.advertised}`;
    return [
      "etcd",
      ...["--listen-client-urls", client, "--advertise-client-urls", client],
      ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", advertised],
    ];
  }

  /** By itself or by a signal. */
  get hasEnded(): boolean {
    const child = this.#child;
    return child !== undefined && (child.exitCode ?? child.signalCode) !== null;
  }

  get exitCode(): number | null | undefined {
    return this.#child?.exitCode;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Resolves when the process has ended. */
  async ended(): Promise<void> {
    const child = this.#child;
    if (child === undefined || this.hasEnded) return;
    await once(child, "exit");
  }

  async kill(): Promise<void> {
    this.signal("SIGCONT");
    this.signal("SIGKILL");
    await this.ended();
  }
}

export interface ClusterOptions {
  readonly guise?: Guise | undefined;
  /** Members reach each other through links that can be disturbed. */
  readonly linked?: boolean | undefined;
  /** Flags of each member beside those that make it one. */
  readonly flags?: readonly string[] | undefined;
}

export class ProcessCluster {
  readonly directory: string;
  readonly members: Process[] = [];
  readonly #links: Links | undefined;

  private constructor({ linked = false }: ClusterOptions) {
    this.directory = mkdtempSync(join(tmpdir(), "quorate-cluster-"));
    this.#links = linked ? new Links() : undefined;
  }

  /** Starts `count` members and resolves when they serve. */
  static async start(count: number, options: ClusterOptions = {}): Promise<ProcessCluster> {
    const { guise = "serve", flags = [] } = options;
    const cluster = new ProcessCluster(options);
    const initial = (): readonly string[] => ["--initial-cluster", cluster.initial, ...flags];
    try {
      for (let at = 1; at <= count; at++) await cluster.another(`m${at}`, guise, initial);
      await Promise.all(cluster.members.map((member) => member.start()));
    } catch (error) {
      await cluster.close();
      throw error;
    }
    return cluster;
  }

  /** One more member, which is not started. */
  async another(name: string, guise: Guise, flags: () => readonly string[]): Promise<Process> {
    const [client = 0, peer = 0] = await freePorts(2);
    const through = await this.#links?.add(name, peer);
    const member = new Process({
      name,
      client: `${HOST}:${client}`,
      peer: `${HOST}:${peer}`,
      advertised: through === undefined ? undefined : `${HOST}:${through}`,
      directory: join(this.directory, name),
      guise,
      flags,
    });
    this.members.push(member);
    return member;
  }

  /** The members as `--initial-cluster` names them. */
  get initial(): string {
    return this.members.map(({ name, advertised }) => `${name}=http://${advertised}`).join(",");
  }

  get links(): Links {
    return this.#links ?? assert.fail("its members are not linked");
  }

  get url(): string {
    return `quorate://${this.members.map(({ client }) => client).join(",")}`;
  }

  /** The member that leads, as all of `among` say. */
  async leader(among: readonly Process[] = this.members): Promise<Process> {
    let found: Process | undefined;
    await until(
      async () => {
        const told = await Promise.all(among.map((member) => statusOf(member)));
        const [first] = told;
        const isAgreed = told.every((each) => each !== undefined && each.leader === first?.leader);
        const at = told.findIndex((each) => each !== undefined && each.id === each.leader);
        found = isAgreed ? among[at] : undefined;
        return found !== undefined;
      },
      () => among.map(({ name, said }) => `${name}: ${said}`).join("\n"),
    );
    return found ?? assert.fail("it was found");
  }

  async close(): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill()));
    await this.#links?.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** What a member says of itself. */
export interface MemberStatus {
  readonly id: string;
  /** As it knows; empty: nobody. */
  readonly leader: string;
  readonly term: number;
}

/** Who a member is and who leads as it knows, by the JSON gateway. */
export async function statusOf({ client }: Process): Promise<MemberStatus | undefined> {
  try {
    const signal = AbortSignal.timeout(1_000);
    const url = `http://${client}/v3/maintenance/status`;
    const answer = await fetch(url, { method: "POST", body: "{}", signal });
    const told = (await answer.json()) as {
      readonly header: { readonly member_id: string };
      readonly leader?: string;
      readonly raftTerm?: string;
    };
    const { header, leader = "", raftTerm } = told;
    return { id: header.member_id, leader, term: Number(raftTerm ?? 0) };
  } catch {
    return undefined;
  }
}
