/**
 * A process that finds its data directory taken: it attaches to the one that has it, over the native protocol, and
 * takes over when that one ends, however it ends.
 *
 * When the connection ends and nobody listens any more, dialling opens the directory here and then connects to that: to
 * the client it is a reconnect to the same store, because callers, leases and revisions are in the log. Such a process
 * goes on over its own socket; nothing has to be moved from one engine to another.
 * Invariants: I1 commands are sent again under their stamps, so each happens once, whoever serves. I2 a process opens
 * the directory at most once at a time, and only if it is still the store that it was attached to. I3 what was opened
 * here is closed with the connection.
 * Model: the directory's exclusion holds (host/directory-lock); processes stop, pause and are killed.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fail, QuorateError } from "../base/errors.ts";
import type { Keyspace } from "../contract/keyspace.ts";
import { FILE_GUARANTEE } from "../engines/embedded/embedded.ts";
import { openRemote } from "../engines/remote/remote.ts";
import { hostClock } from "../host/clock.ts";
import { reachHolder } from "../host/directory-lock.ts";
import { hostEntropy } from "../host/entropy.ts";
import { sleep } from "../ports/clock.ts";
import type { Network } from "../ports/network.ts";
import type { OwnOptions } from "./embedded.ts";
import { serveDirectory } from "./serving.ts";

/** How long a process that has the directory may take to answer the first time: it may be reading its data. */
const ATTACH_MS = 15_000;
const AGAIN_MS = 20;

/** Attaches to the process that has `directory`. Throws `inUse`, with the reason, if that cannot be. */
export async function attach(
  directory: string,
  options: OwnOptions,
  signal: AbortSignal | undefined,
  inUse: QuorateError,
): Promise<Keyspace> {
  const succession = new Succession(directory, options);
  const endMs = hostClock.monotonicMs() + ATTACH_MS;
  for (;;) {
    try {
      const remote = await openRemote(
        {
          addresses: [{ kind: "local", path: directory }],
          network: succession,
          clock: hostClock,
          entropy: hostEntropy,
          label: options.label,
          guarantee: FILE_GUARANTEE,
          program: options.program,
          evaluate: options.evaluate,
        },
        signal,
      );
      await succession.remember();
      return attached(remote, succession);
    } catch (error) {
      const again =
        (QuorateError.is(error, "UNAVAILABLE") || QuorateError.is(error, "SHUTDOWN")) &&
        hostClock.monotonicMs() < endMs;
      if (!again) {
        await succession.close();
        throw reasoned(inUse, error);
      }
      await sleep(hostClock, AGAIN_MS, signal);
    }
  }
}

function attached(remote: Keyspace, succession: Succession): Keyspace {
  const close = async (): Promise<void> => {
    await remote.close();
    await succession.close();
  };
  let closed: Promise<void> | undefined;
  return {
    guarantee: remote.guarantee,
    label: remote.label,
    call: (request, options) =>
      remote.call(request, options).catch((error: unknown) => {
        throw succession.explained(error);
      }),
    run: (procedure, args, options) =>
      remote.run(procedure, args, options).catch((error: unknown) => {
        throw succession.explained(error);
      }),
    watch: (request, options) => remote.watch(request, options),
    observe: (listener) => remote.observe(listener),
    close: () => (closed ??= close()),
  };
}

/** Why the process that has the directory could not be attached to, with who it is. */
function reasoned(inUse: QuorateError, error: unknown): unknown {
  if (!QuorateError.is(error)) return error;
  const { code, what } = error.failure;
  // What went wrong here, while taking over, is told as it was.
  if (code !== "UNAVAILABLE" && code !== "PROTOCOL" && code !== "SHUTDOWN")
    return QuorateError.is(error.cause) ? error.cause : error;
  return new QuorateError(
    {
      ...inUse.failure,
      what: `is open in another process, which cannot be attached to: it ${what}`,
      remedy: "Stop that process or see why it does not answer, or use another directory.",
    },
    error,
  );
}

/** Reaches whoever serves the directory; if nobody does, serves it. */
class Succession implements Network {
  readonly #directory: string;
  readonly #options: OwnOptions;
  #opening: Promise<void> | undefined;
  #served: Keyspace | undefined;
  #identity: string | undefined;
  /** Why the directory could not be opened here, until somebody serves it again. */
  #failed: QuorateError | undefined;
  #closed = false;

  constructor(directory: string, options: OwnOptions) {
    this.#directory = directory;
    this.#options = options;
  }

  async dial(...[, attach, signal]: Parameters<Network["dial"]>): ReturnType<Network["dial"]> {
    for (;;) {
      const stream = await reachHolder(this.#directory, attach);
      if (stream !== undefined) {
        this.#failed = undefined;
        return stream;
      }
      if (this.#closed || this.#served !== undefined || signal?.aborted === true)
        throw closing(this.#options.label);
      // Giving up this dial does not give up what has begun: the next one finds it done.
      this.#opening ??= this.#open().finally(() => {
        this.#opening = undefined;
      });
      await this.#opening;
    }
  }

  /** Notes which store this is, now that somebody serves it. */
  async remember(): Promise<void> {
    this.#identity = await this.#readIdentity();
  }

  async #readIdentity(): Promise<string | undefined> {
    return await readFile(join(this.#directory, "identity.json"), "utf8").catch(() => undefined);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#opening?.catch(() => {});
    await this.#served?.close();
  }

  async #open(): Promise<void> {
    try {
      // A directory that was deleted must not come back as an empty store.
      if (this.#identity !== undefined && (await this.#readIdentity()) !== this.#identity)
        throw anotherStore(this.#directory);
      this.#served = await serveDirectory(this.#directory, this.#options);
    } catch (error) {
      // Another process was faster: it is the one to reach.
      if (QuorateError.is(error, "DATA_DIR_IN_USE")) return;
      if (QuorateError.is(error)) this.#failed = error;
      throw error;
    }
  }

  /** A call that had no answer because nobody can serve says why that is. */
  explained(error: unknown): unknown {
    if (this.#failed === undefined || !QuorateError.is(error, "TIMEOUT")) return error;
    const { failure } = error;
    const { message, help } = this.#failed;
    const what = `${failure.what}: nobody serves, and opening it here failed: ${message}`;
    return new QuorateError({ ...failure, what, remedy: help }, this.#failed);
  }
}

function closing(label: string): QuorateError {
  return fail("UNAVAILABLE", {
    object: label,
    what: "is being closed in this process",
    remedy: "Connect again.",
    outcome: "definite",
  });
}

function anotherStore(directory: string): QuorateError {
  return fail("DISK", {
    object: `data directory ${directory}`,
    what: "was deleted or replaced while it was in use",
    remedy: "Put it back, or connect again to use what is there now.",
    outcome: "definite",
  });
}
