/**
 * What provoking an error needs: connections, servers, a shell, and how to take what came of it. Everything that a row
 * opens is closed with the stage.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Failure } from "../../../src/base/errors.ts";
import { QuorateError } from "../../../src/base/errors.ts";
import { exitCodeOf } from "../../../src/cli/exit-codes.ts";
import type { Reply } from "../../../src/contract/requests.ts";
import type { ConnectOptions, Engine, Quorate } from "../../../src/sdk/index.ts";
import { connect } from "../../../src/sdk/index.ts";
import type { RunningServer, ServerOptions } from "../../../src/server/index.ts";
import { startServer } from "../../../src/server/index.ts";
import { Shell } from "../../cli/shell.ts";
import { Proxy } from "./proxy.ts";

/** A failure as somebody met it, and the exit code that the command line ends with for it. */
export interface Met {
  readonly failure: Failure;
  readonly exit: number;
}

/** One way to an error, and what must be true of it. */
export interface Row {
  readonly how: string;
  readonly outcome: Failure["outcome"];
  readonly object: RegExp;
  readonly what?: RegExp;
  readonly remedy: RegExp;
  /** Who is in the way; absent: nobody is named. */
  readonly holder?: RegExp;
  readonly exit: number;
  provoke(stage: Stage): Promise<Met>;
}

export class Stage {
  readonly #closing: (() => unknown)[] = [];

  /** Closes everything, the last opened first. */
  async close(): Promise<void> {
    for (const each of this.#closing.splice(0).reverse()) await each();
  }

  later(close: () => unknown): void {
    this.#closing.push(close);
  }

  async connect(url: string | Engine = "memory:", options: ConnectOptions = {}): Promise<Quorate> {
    const q = await connect(url, { service: "provoked", ...options });
    this.later(() => q.close());
    return q;
  }

  async server(options: ServerOptions = {}): Promise<RunningServer> {
    const server = await startServer({ listen: "127.0.0.1:0", ...options });
    this.later(() => server.close());
    return server;
  }

  /** A proxy before a server in memory. */
  async proxy(): Promise<Proxy> {
    const proxy = await Proxy.before((await this.server()).url);
    this.later(() => proxy.close());
    return proxy;
  }

  /** A shell whose commands go to `url`. */
  shell(url = "quorate://127.0.0.1:1"): Shell {
    const shell = new Shell();
    shell.environment["QUORATE_URL"] = url;
    this.later(() => shell.close());
    return shell;
  }

  directory(): string {
    const directory = mkdtempSync(join(tmpdir(), "quorate-provoked-"));
    this.later(() => rmSync(directory, { recursive: true, force: true }));
    return directory;
  }
}

/** What `work` throws, which must be one of ours with a message in the documented form. */
export async function thrown(work: () => unknown): Promise<Met> {
  try {
    await work();
  } catch (error) {
    return met(error);
  }
  return assert.fail("nothing was thrown");
}

/** An error that was given rather than thrown: the reason of a signal. */
export function met(error: unknown): Met {
  assert.ok(QuorateError.is(error), String(error));
  const { failure, message } = error as QuorateError;
  const held = failure.holder === undefined ? "" : ` Held by ${failure.holder}.`;
  assert.equal(
    message,
    `${failure.code} (${failure.outcome}) ${failure.object}: ${failure.what}.${held} ` +
      `${failure.remedy} quorate help ${failure.code}`,
  );
  return { failure, exit: exitCodeOf(failure) };
}

/** The failure in an answer. */
export function refused(reply: Reply): Met {
  return reply.ok ? assert.fail("it was carried out") : met(new QuorateError(reply.failure));
}

/** The failure that a command prints as JSON, and the code with which it did end. */
export async function printed(shell: Shell, line: string, input = ""): Promise<Met> {
  shell.environment["QUORATE_OUTPUT"] = "json";
  const { code, stderr } = await shell.run(line, input);
  const last = stderr.trimEnd().split("\n").at(-1) ?? "";
  const { error } = JSON.parse(last) as { readonly error: Failure };
  return { failure: error, exit: code ?? -1 };
}
