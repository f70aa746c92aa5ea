/** Under systemd: what the service manager is told, and what Debian's unit of etcd passes. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Running } from "./shell.ts";
import { Shell } from "./shell.ts";

const UNIT = ["/lib/systemd/system/etcd.service", "/usr/lib/systemd/system/etcd.service"].find(
  (path) => existsSync(path),
);
const noUnit = UNIT === undefined && "Debian's etcd-server, whose unit it is, is not installed";

const has = (program: string): boolean => spawnSync(program, ["--version"]).status === 0;
const python = ["/usr/bin/python3", "python3"].find(has);
const noManager = !has("systemd-notify")
  ? "systemd-notify is not installed"
  : python === undefined && "python3, which receives what it sends, is not installed";
const receiver = fileURLToPath(new URL("../../../test/cli/receiver.py", import.meta.url));

interface Heard {
  readonly said: string;
  readonly pid: number;
}

/** A stand-in for systemd's end of the socket. */
class Manager {
  readonly #running: Running;
  private constructor(running: Running) {
    this.#running = running;
  }
  static async start(shell: Shell): Promise<Manager> {
    const path = join(shell.directory, "notify");
    const running = shell.start(`${python} ${receiver} ${path}`);
    await running.until(/"bound"/);
    shell.environment["NOTIFY_SOCKET"] = path;
    return new Manager(running);
  }
  async hears(what: string): Promise<readonly Heard[]> {
    const text = await this.#running.until(new RegExp(`"said": "${what}"`));
    const heard = text
      .split("\n")
      .slice(1, -1)
      .map((line) => JSON.parse(line) as Heard);
    return heard.filter(({ said }) => !said.startsWith("BARRIER"));
  }
}

describe("under systemd", () => {
  let shell = new Shell();
  beforeEach(() => {
    shell = new Shell();
  });
  afterEach(() => shell.close());

  for (const line of ["quorate etcd", "quorate serve --data-dir ./data"])
    test(`[CLI-21] ${line} says when it answers and when it stops, each once (one server)`, async (t) => {
      if (noManager !== false) return t.skip(noManager);
      const manager = await Manager.start(shell);
      const server = shell.start(line);
      const [ready, ...more] = await manager.hears("READY=1");
      assert.deepEqual([ready?.said, more], ["READY=1", []]);
      // As root it is the server that speaks, so that NotifyAccess=main hears it.
      if (process.getuid?.() === 0) assert.equal(ready?.pid, server.pid);
      const printed = await server.until(/serves quorate:\/\/\S+|"address":"[^"]+"/);
      const address = /(?:quorate:\/\/|"address":")([\d.:]+)/.exec(printed)?.[1];
      assert.equal((await fetch(`http://${address}/readyz`)).status, 200);
      server.signal("SIGTERM");
      const { code, stderr } = await server.ended;
      assert.equal(code, 0, stderr);
      const all = await manager.hears("STOPPING=1");
      assert.deepEqual(
        all.map(({ said }) => said),
        ["READY=1", "STOPPING=1"],
      );
      assert.doesNotMatch(stderr, /service manager/);
    });

  test("[CLI-21] a server that does not start says nothing (no server)", async (t) => {
    if (noManager !== false) return t.skip(noManager);
    const manager = await Manager.start(shell);
    assert.equal((await shell.run("quorate etcd --discovery http://example.com")).code, 2);
    const { NOTIFY_SOCKET } = shell.environment;
    spawnSync("systemd-notify", ["STATUS=over"], { env: { ...process.env, NOTIFY_SOCKET } });
    const heard = await manager.hears("STATUS=over");
    assert.deepEqual(
      heard.map(({ said }) => said),
      ["STATUS=over"],
    );
  });

  test("[CLI-21] a manager that cannot be told is a warning, and the server serves (one server)", async () => {
    shell.environment["NOTIFY_SOCKET"] = join(shell.directory, "nobody");
    const without = join(shell.directory, "bin");
    mkdirSync(without);
    for (const name of ["sh", "node"]) {
      const [path = ""] = spawnSync("which", [name], { encoding: "utf8" }).stdout.split("\n");
      symlinkSync(path, join(without, name));
    }
    const found = shell.environment["PATH"] ?? "";
    for (const [path, why] of [
      [`${shell.directory}:${without}`, /not told READY=1: .*systemd-notify is not there/],
      ...(has("systemd-notify") ? [[found, /not told READY=1: .*No such file/] as const] : []),
    ] as const) {
      shell.environment["PATH"] = path;
      const server = shell.start("quorate serve --data-dir ./data");
      await server.until(why);
      const address = /quorate:\/\/([\d.:]+)/.exec(await server.until(/serves/))?.[1];
      assert.equal((await fetch(`http://${address}/readyz`)).status, 200);
      server.signal("SIGTERM");
      assert.equal((await server.ended).code, 0);
    }
  });

  test("[ETCD-F8] what Debian's etcd.service passes starts it as it is (one server)", async (t) => {
    if (noUnit !== false) return t.skip(noUnit);
    const unit = readFileSync(UNIT ?? "", "utf8");
    const said = (key: string): readonly string[] =>
      [...unit.matchAll(new RegExp(`^${key}=(.*)$`, "gm"))].map(([, value = ""]) => value);
    assert.deepEqual(said("Type"), ["notify"]);
    const pairs = (lines: readonly string[]): Record<string, string> =>
      Object.fromEntries(
        lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
      );
    const own = pairs(said("Environment"));
    const [fileName = ""] = said("EnvironmentFile").map((each) =>
      each.replace(/^-/, "").replace("%p", "etcd"),
    );
    const file = existsSync(fileName)
      ? readFileSync(fileName, "utf8")
          .split("\n")
          .filter((line) => /^\w+=/.test(line))
      : [];
    const passed: Record<string, string> = { ...own, ...pairs(file) };
    assert.ok("ETCD_NAME" in passed && "ETCD_DATA_DIR" in passed, Object.keys(passed).join());
    for (const [name, value] of Object.entries(passed))
      passed[name] = value
        .replaceAll("%H", hostname())
        .replace(/^\/var\/lib(?=\/)/, join(shell.directory, "var"));
    mkdirSync(join(shell.directory, "var"));
    // What systemd sets by itself, beside what is the test's: the port and the path of the program.
    const systemd = {
      LANG: "C.UTF-8",
      USER: "etcd",
      LOGNAME: "etcd",
      SHELL: "/bin/false",
      INVOCATION_ID: "0123456789abcdef0123456789abcdef",
      JOURNAL_STREAM: "8:1",
      SYSTEMD_EXEC_PID: String(process.pid),
    };
    Object.assign(shell.environment, passed, systemd);
    const manager = noManager === false ? await Manager.start(shell) : undefined;
    const [program = "", ...words] = (said("ExecStart")[0] ?? "").split(" ");
    assert.match(program, /\/etcd$/);
    // As systemd does: a word that is a variable becomes its words, none if it is empty.
    const operands = words.flatMap((word) =>
      word.startsWith("$") ? (passed[word.slice(1)] ?? "").split(/\s+/).filter(Boolean) : [word],
    );
    const server = shell.start(["quorate etcd", ...operands].join(" "));
    const log = await server.until(/"serving client traffic/);
    assert.doesNotMatch(log, /unrecognized environment variable/);
    assert.ok(log.includes(`"name":"${hostname()}"`), log);
    assert.ok(existsSync(passed["ETCD_DATA_DIR"] ?? ""), "the directory that the unit names");
    await manager?.hears("READY=1");
    server.signal("SIGTERM");
    assert.equal((await server.ended).code, 0);
  });
});
