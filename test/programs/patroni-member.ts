/** A member of a Patroni cluster, with its PostgreSQL: Debian's programs as they are, as the user that Debian gives them. */
import { execFile, spawn, spawnSync } from "node:child_process";
import { chownSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync } from "node:fs";
import { closeSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePorts } from "../free-ports.ts";
import { kill } from "./premises.ts";

const run = promisify(execFile);
const POSTGRESQL = "/usr/lib/postgresql";

/** As the documentation names it. */
export const SCOPE = "demo";
/** Patroni takes no shorter one. */
const TTL_S = 20;
const CLIENT_MS = 30_000;

function bin(): string | undefined {
  const versions = existsSync(POSTGRESQL) ? readdirSync(POSTGRESQL) : [];
  return versions
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(POSTGRESQL, version, "bin"))
    .find((each) => existsSync(join(each, "postgres")));
}

function idOf(flag: "-u" | "-g"): number | undefined {
  const asked = spawnSync("id", [flag, "postgres"], { encoding: "utf8" });
  return asked.status === 0 ? Number(asked.stdout) : undefined;
}

/** Why a member cannot be run here; false where it can. */
export const patroniMissing: string | false = missing();

function missing(): string | false {
  if (spawnSync("patroni", ["--version"]).status !== 0) return "patroni is not installed";
  if (bin() === undefined) return "PostgreSQL is not installed";
  if (process.getuid?.() !== 0) return "only root can run PostgreSQL as another user";
  return idOf("-u") === undefined ? "there is no user postgres" : false;
}

/** What `patronictl list` says of a member. */
export interface Listed {
  readonly Member: string;
  readonly Role: string;
  readonly State: string;
  readonly TL: number;
  readonly "Lag in MB"?: number;
}

export class PatroniMember {
  readonly name: string;
  readonly port: number;
  readonly #directory: string;
  readonly #file: string;

  private constructor(name: string, directory: string, port: number) {
    this.name = name;
    this.port = port;
    this.#directory = directory;
    this.#file = join(directory, "patroni.yml");
  }

  /** Makes its directory below `parent` and its configuration; it does not run yet. */
  static async make(name: string, parent: string, store: string): Promise<PatroniMember> {
    const directory = join(parent, name);
    mkdirSync(directory, { mode: 0o700 });
    chownSync(directory, idOf("-u") ?? 0, idOf("-g") ?? 0);
    const [port = 0, api = 0] = await freePorts(2);
    const member = new PatroniMember(name, directory, port);
    const own = Object.entries(configuration(directory, port, api));
    // JSON is YAML.
    const lines = own.map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`);
    writeFileSync(member.#file, documented(name, store) + lines.join(""));
    chownSync(member.#file, idOf("-u") ?? 0, idOf("-g") ?? 0);
    return member;
  }

  /** Everything that Patroni and PostgreSQL have logged. */
  log(): string {
    return readFileSync(join(this.#directory, "log"), "utf8");
  }

  start(): void {
    const log = openSync(join(this.#directory, "log"), "a");
    spawn("patroni", [this.#file], {
      cwd: this.#directory,
      env: { PATH: process.env["PATH"], HOME: this.#directory, LC_ALL: "C.UTF-8" },
      uid: idOf("-u"),
      gid: idOf("-g"),
      stdio: ["ignore", log, log],
    });
    closeSync(log);
  }

  /** `kill -9` for Patroni and each process of its PostgreSQL. */
  async kill(): Promise<void> {
    await kill(this.#directory);
  }

  /** Answers of PostgreSQL, a line for each row. */
  async query(sql: string): Promise<string> {
    const target = ["-h", "127.0.0.1", "-p", String(this.port), "-U", "postgres"];
    const { stdout } = await run(
      join(bin() ?? "", "psql"),
      [...target, "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql],
      { timeout: CLIENT_MS },
    );
    return stdout.trim();
  }

  /** What `patronictl` prints, with the configuration of this member. */
  async ctl(...args: readonly string[]): Promise<string> {
    const { stdout } = await run("patronictl", ["-c", this.#file, ...args], {
      cwd: this.#directory,
      env: { PATH: process.env["PATH"], HOME: this.#directory, LC_ALL: "C.UTF-8" },
      timeout: CLIENT_MS,
    });
    return stdout;
  }

  async list(): Promise<readonly Listed[]> {
    return JSON.parse(await this.ctl("list", SCOPE, "-f", "json")) as readonly Listed[];
  }
}

/** What the documentation says to write, for this member and this store. */
function documented(name: string, store: string): string {
  const page = readFileSync(new URL("../../../docs/programs.md", import.meta.url), "utf8");
  const lines = /```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? "";
  return lines.replace("name: one", `name: ${name}`).replace("127.0.0.1:2379", store);
}

/** What is Patroni's own and PostgreSQL's. */
function configuration(directory: string, port: number, api: number): object {
  const password = "secret";
  return {
    restapi: { listen: `127.0.0.1:${api}`, connect_address: `127.0.0.1:${api}` },
    bootstrap: {
      dcs: {
        ttl: TTL_S,
        loop_wait: 1,
        // As long as Patroni lets it be: a leader that cannot reach the store for this long steps down.
        retry_timeout: 9,
        synchronous_mode: true,
        postgresql: { use_pg_rewind: true },
      },
      initdb: [{ encoding: "UTF8" }, "data-checksums"],
      pg_hba: ["host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"],
    },
    postgresql: {
      listen: `127.0.0.1:${port}`,
      connect_address: `127.0.0.1:${port}`,
      data_dir: join(directory, "data"),
      bin_dir: bin(),
      pgpass: join(directory, "pgpass"),
      authentication: {
        superuser: { username: "postgres", password },
        replication: { username: "replicator", password },
      },
      parameters: {
        unix_socket_directories: directory,
        shared_buffers: "16MB",
        // Else a server that is killed leaves files outside its directory.
        dynamic_shared_memory_type: "mmap",
      },
    },
  };
}
