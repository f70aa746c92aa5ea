/**
 * `connect()`: from a url to a `Quorate`. Engines load when they are named; a url that cannot be reached or is too weak
 * fails here, not at first use. `connect.lazy` is for module scope: it connects at the first call.
 */
import { hostname } from "node:os";
import { resolve } from "node:path";
import { fail } from "../base/errors.ts";
import type { Guarantee, Requirement } from "../contract/guarantee.ts";
import { shortfall } from "../contract/guarantee.ts";
import type { Keyspace } from "../contract/keyspace.ts";
import { hostClock } from "../host/clock.ts";
import { hostEntropy } from "../host/entropy.ts";
import type { Evaluate } from "../engines/optimistic/pump.ts";
import type { RemoteOptions } from "../engines/remote/remote.ts";
import type { TlsConnectOptions } from "../host/tls-network.ts";
import type { Network } from "../ports/network.ts";
import type { OwnOptions } from "./embedded.ts";
// At once, though only memory: and file: need it: loaded at the first connection it would cost those 15 ms more, and
// the import stays within its budget. What needs sockets waits until it is asked for.
import { openMemory } from "./embedded.ts";
import type { UserCredentials } from "./address.ts";
import { parseServerUrl, shownUrl } from "./address.ts";
import type { Engine } from "./engine.ts";
import type { LazyKeyspace } from "./lazy.ts";
import { lazyKeyspace } from "./lazy.ts";
import type { PlaneOptions } from "./plane.ts";
import { Quorate } from "./quorate.ts";

/** How a connection is made. */
export interface ConnectOptions {
  /** Who this process says it is, to whoever waits for it; default the program's name. */
  readonly service?: string | undefined;
  /** Least levels; a weaker engine is refused with GUARANTEE. */
  readonly atLeast?: Requirement | undefined;
  /** How long what is held outlives a silent process, ms; default 10,000. Shorter frees sooner, longer forgives more. */
  readonly sessionTtlMs?: number | undefined;
  /** Embedded engines: accepts that the clock is more than a day ahead of the data. */
  readonly acceptClockJump?: boolean | undefined;
  /** Embedded engines: re-executes procedures at random, to find those that break the rules. */
  readonly strict?: boolean | undefined;
  /** Aborts the attempt. */
  readonly signal?: AbortSignal | undefined;
  /** Accepts mechanisms over an engine of this consistency, though they need more. Guard resources with tokens then. */
  readonly accept?: Guarantee["consistency"] | undefined;
  /**
   * Who asks, where a server has users enabled: a request without a good password is refused with UNAUTHENTICATED. Also
   * in the url, `quorate://user:password@host:2379`, percent-encoded.
   */
  readonly credentials?: UserCredentials | undefined;
  /** Told of losses; default silence. `console` and pino fit. */
  readonly logger?: Logger | undefined;
  /** How `quorates://` connects; given with `quorate://` it means the same. Default: what the system trusts. */
  readonly tls?: TlsConnectOptions | undefined;
  /** Process signals that close the connection, which hands over what it holds. */
  readonly closeOn?: readonly NodeJS.Signals[] | undefined;
}

/** The least of a logger. */
export interface Logger {
  warn(message: string): void;
}

/** A connection that is made at the first call. */
export class LazyQuorate extends Quorate {
  readonly #keyspace: LazyKeyspace;

  constructor(keyspace: LazyKeyspace, options: ConstructorParameters<typeof Quorate>[1]) {
    super(keyspace, options);
    this.#keyspace = keyspace;
  }

  /** Connects now; throws what `connect` would. */
  async ready(): Promise<this> {
    await this.#keyspace.ready();
    return this;
  }
}

/** Lazy connections of this process, also of an earlier load of the module that asked: one per url and user. */
const LAZY = Symbol.for("quorate.lazy");

const DEFAULT_URL = "file:.quorate";
const SESSION_TTL_MS = 10_000;

async function connectTo(url?: string | Engine, options: ConnectOptions = {}): Promise<Quorate> {
  const engine = engineOf(url ?? process.env["QUORATE_URL"] ?? DEFAULT_URL, options);
  const keyspace = await openChecked(engine, options);
  return attended(new Quorate(keyspace, quorateOptions(engine, options)), options);
}

async function openChecked(engine: Engine, options: ConnectOptions): Promise<Keyspace> {
  const keyspace = await engine.open(options.signal);
  try {
    demand(keyspace, options.atLeast ?? {});
  } catch (error) {
    await keyspace.close();
    throw error;
  }
  return keyspace;
}

function connectLazily(url: string | Engine, options: ConnectOptions = {}): LazyQuorate {
  const engine = engineOf(url, options);
  const global = globalThis as { [LAZY]?: Map<string, LazyQuorate> };
  const connections = (global[LAZY] ??= new Map<string, LazyQuorate>());
  // Whoever asks acts with the rights of who connected.
  const { user, password } = options.credentials ?? {};
  const place = typeof url === "string" ? url : engine.label;
  const name = JSON.stringify([place, user, password]);
  const found = connections.get(name);
  if (found !== undefined && !found.commitment.closing.aborted) return found;
  const { consistency = HOPED.consistency, fencing = HOPED.fencing } = {
    consistency: options.accept,
    ...options.atLeast,
  };
  // Nouns have been made by then, on the hope that it gives what they need.
  const atLeast = { ...options.atLeast, consistency, fencing };
  const keyspace = lazyKeyspace(engine.label, HOPED, () =>
    openChecked(engine, { ...options, atLeast }),
  );
  const made = attended(new LazyQuorate(keyspace, quorateOptions(engine, options)), options);
  connections.set(name, made);
  return made;
}

/** Taken to be given until a lazy connection stands; what it does give is checked then. */
const HOPED: Guarantee = {
  consistency: "linearizable",
  durability: "process",
  time: "engine",
  fencing: "monotonic",
  watch: "resumable",
};

/**
 * Connects to `url` or an engine, or to QUORATE_URL, or to `file:.quorate`. Throws UNAVAILABLE, GUARANTEE, DATA_DIR_IN_USE, CONFIG.
 * `connect.lazy(url)` returns at once and connects at the first call, one connection per url and user in a process.
 */
export const connect: typeof connectTo & { readonly lazy: typeof connectLazily } = Object.assign(
  connectTo,
  {
    lazy: connectLazily,
  },
);

function quorateOptions(
  engine: Engine,
  options: ConnectOptions,
): ConstructorParameters<typeof Quorate>[1] {
  const actOnDeadlines: PlaneOptions["onSession"] = (plane, session) => {
    const acting = import("./foreign-reactor.ts").then(({ reactWhileHeld }) =>
      reactWhileHeld(plane, session),
    );
    // What it meets is met by the next look, here or in another process.
    acting.catch(() => {});
  };
  return {
    onSession: engine.foreign ? actOnDeadlines : undefined,
    identity: { service: options.service ?? programName(), host: hostname(), pid: process.pid },
    sessionTtlMs: options.sessionTtlMs ?? SESSION_TTL_MS,
    accept: options.accept,
  };
}

/** Attaches what lives as long as the connection: the logger and the process signals. */
function attended<Q extends Quorate>(q: Q, options: ConnectOptions): Q {
  const { logger, closeOn = [] } = options;
  const warn = (reason: unknown): void =>
    logger?.warn(reason instanceof Error ? reason.message : String(reason));
  if (logger !== undefined) q.onLost(warn);
  // A signal has nobody to tell of a failure but the logger.
  const onSignal = (signal: NodeJS.Signals): void =>
    void q.close({ because: `at ${signal}` }).catch(warn);
  for (const each of closeOn) process.once(each, onSignal);
  q.commitment.closing.addEventListener("abort", () => {
    for (const each of closeOn) process.removeListener(each, onSignal);
  });
  return q;
}

function programName(): string {
  return (process.argv[1] ?? "node").split("/").at(-1) ?? "node";
}

function demand(keyspace: Keyspace, needed: Requirement): void {
  const weak = shortfall(keyspace.guarantee, needed);
  if (weak.length === 0) return;
  const gaps = weak.map(
    (aspect) =>
      `${aspect} is ${keyspace.guarantee[aspect]}, ${String(needed[aspect])} is asked for`,
  );
  throw fail("GUARANTEE", {
    object: keyspace.label,
    what: gaps.join("; "),
    remedy: "Use an engine that gives it, or ask for less.",
  });
}

/** The engine that a url names, or the one that was given. No I/O. */
function engineOf(given: string | Engine, options: ConnectOptions): Engine {
  const { sessionTtlMs = SESSION_TTL_MS } = options;
  if (!(sessionTtlMs > 0)) {
    throw fail("INVALID", {
      object: "connection",
      what: `sessionTtlMs is ${sessionTtlMs}`,
      remedy: `Give milliseconds above 0, or leave it out (${SESSION_TTL_MS}).`,
    });
  }
  if (typeof given !== "string") return given;
  const url = given;
  const native = (open: Engine["open"]): Engine => ({ label: shownUrl(url), foreign: false, open });
  switch (/^(memory:|file:|[a-z]+:\/\/)/.exec(url)?.[1]) {
    case "memory:":
      return native(async () => openMemory(own("memory:", options)));
    case "file:":
      return native(async (signal) =>
        (await import("./data-directory.ts")).openFile(filePath(url), own(url, options), signal),
      );
    case "quorate://":
    case "quorates://":
      return native((signal) => openOverWire(url, options, signal));
    case "etcd://":
      return {
        label: url,
        foreign: true,
        open: async (signal) => (await import("./etcd.ts")).etcdFromUrl(url).open(signal),
      };
    default:
      throw fail("CONFIG", {
        object: `url ${shownUrl(url)}`,
        what: "has a scheme that is not known here",
        remedy:
          "Use memory:, file:DIRECTORY, quorate://HOST:PORT, quorates:// for TLS, or etcd://HOST:PORT.",
      });
  }
}

/** Evaluates in this process what the engine at the other end does not know. */
function evaluator(): RemoteOptions["evaluate"] {
  let made: Promise<Evaluate> | undefined;
  return async (keyspace, procedure, args, options) => {
    made ??= Promise.all([
      import("../engines/optimistic/pump.ts"),
      import("../engines/optimistic/time.ts"),
    ]).then(([{ optimistic }, { keyspaceTime }]) => {
      const now = keyspaceTime(keyspace, hostClock);
      return optimistic(keyspace, { clock: hostClock, entropy: hostEntropy, now });
    });
    return (await made)(procedure, args, options);
  };
}

function filePath(url: string): string {
  const path = url.slice("file:".length).replace(/^\/\//, "");
  return resolve(path === "" ? ".quorate" : path);
}

/** What the engines of this process are opened with, whichever it is. */
function own(label: string, options: ConnectOptions): OwnOptions {
  return {
    label,
    program: options.service ?? programName(),
    acceptClockJump: options.acceptClockJump,
    strict: options.strict === true,
    evaluate: evaluator(),
  };
}

async function openOverWire(
  url: string,
  options: ConnectOptions,
  signal: AbortSignal | undefined,
): Promise<Keyspace> {
  const [{ openRemote, REMOTE_GUARANTEE }, network] = await Promise.all([
    import("../engines/remote/remote.ts"),
    networkOf(url, options),
  ]);
  const { addresses, credentials } = parseServerUrl(url);
  return await openRemote(
    {
      addresses,
      network,
      clock: hostClock,
      entropy: hostEntropy,
      label: shownUrl(url),
      credentials: options.credentials ?? credentials,
      guarantee: REMOTE_GUARANTEE,
      program: options.service ?? programName(),
      evaluate: evaluator(),
    },
    signal,
  );
}

/** TLS where the url or `tls` asks for it. */
export async function networkOf(
  url: string,
  { tls }: Pick<ConnectOptions, "tls">,
): Promise<Network> {
  if (tls === undefined && !url.startsWith("quorates:"))
    return (await import("../host/network.ts")).hostNetwork;
  return (await import("../host/tls-network.ts")).tlsNetwork(tls ?? {});
}
