/**
 * `connect()`: from a url to a `Quorate`. Engines load when they are named; a url that cannot be reached or is too weak
 * fails here, not at first use. `connect.lazy` is for module scope: it connects at the first call.
 */
import { hostname } from "node:os";
import { resolve } from "node:path";
import { fail } from "../base/errors.ts";
import { fireDue, prefixed } from "../contract/due.ts";
import type { Guarantee, Requirement } from "../contract/guarantee.ts";
import { shortfall } from "../contract/guarantee.ts";
import type { Keyspace } from "../contract/keyspace.ts";
import { procedureSet } from "../contract/procedure.ts";
import { prng } from "../base/prng.ts";
import { hostClock, idleClock } from "../host/clock.ts";
import { hostEntropy } from "../host/entropy.ts";
import type { Evaluate } from "../engines/optimistic/pump.ts";
import type { RemoteOptions } from "../engines/remote/remote.ts";
import type { Address } from "../ports/network.ts";
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
  /** Told of losses; default silence. `console` and pino fit. */
  readonly logger?: Logger | undefined;
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

/** Lazy connections of this process, also of an earlier load of the module that asked: one per url and options. */
const LAZY = Symbol.for("quorate.lazy");

const DEFAULT_URL = "file:.quorate";
const DEFAULT_PORT = 2379;

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
  const found = connections.get(engine.label);
  if (found !== undefined && !found.commitment.closing.aborted) return found;
  const keyspace = lazyKeyspace(engine.label, HOPED, () => openChecked(engine, options));
  const made = attended(new LazyQuorate(keyspace, quorateOptions(engine, options)), options);
  connections.set(engine.label, made);
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
 * `connect.lazy(url)` returns at once and connects at the first call, one connection per url in a process.
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
    sessionTtlMs: options.sessionTtlMs ?? 10_000,
    accept: options.accept,
  };
}

/** Attaches what lives as long as the connection: the logger and the process signals. */
function attended<Q extends Quorate>(q: Q, options: ConnectOptions): Q {
  const { logger, closeOn = [] } = options;
  if (logger !== undefined)
    q.onLost((reason) => logger.warn(reason instanceof Error ? reason.message : String(reason)));
  const onSignal = (): void => void q.close();
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
  if (typeof given !== "string") return given;
  const url = given;
  const own = (open: Engine["open"]): Engine => ({ label: url, foreign: false, open });
  switch (/^([a-z]+):/.exec(url)?.[1]) {
    case "memory":
      return own(() => openEmbedded(undefined, "memory:", options));
    case "file":
      return own(() => openEmbedded(filePath(url), url, options));
    case "quorate":
      return own((signal) => openOverWire(url, options, signal));
    case "etcd":
      return {
        label: url,
        foreign: true,
        open: async (signal) => (await import("./etcd.ts")).etcdFromUrl(url).open(signal),
      };
    default:
      throw fail("CONFIG", {
        object: `url ${url}`,
        what: "has a scheme that is not known here",
        remedy: "Use memory:, file:DIRECTORY, quorate://HOST:PORT or etcd://HOST:PORT.",
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

async function openEmbedded(
  directory: string | undefined,
  label: string,
  options: ConnectOptions,
): Promise<Keyspace> {
  const [{ openDriver }, embedded, { allProcedures }, { react }, disk] = await Promise.all([
    import("../driver/driver.ts"),
    import("../engines/embedded/embedded.ts"),
    import("../mechanisms/procedures.ts"),
    import("../service/reactor.ts"),
    directory === undefined ? undefined : import("../host/disk.ts"),
  ]);
  const procedures = procedureSet(allProcedures);
  const driver = await openDriver({
    disk: directory === undefined ? undefined : disk?.hostDisk(directory),
    clock: hostClock,
    entropy: hostEntropy,
    procedures,
    label,
    acceptClockJump: options.acceptClockJump,
    strict: options.strict === true ? prng(hostEntropy.u32()) : undefined,
  });
  const guarantee: Guarantee =
    directory === undefined ? embedded.MEMORY_GUARANTEE : embedded.FILE_GUARANTEE;
  const keyspace = embedded.embeddedKeyspace({
    driver,
    clock: hostClock,
    guarantee,
    evaluate: evaluator(),
  });
  const reacting = new AbortController();
  const close = keyspace.close.bind(keyspace);
  void react(keyspace, idleClock, fireDue(procedures, prefixed), reacting.signal);
  return {
    ...keyspace,
    close: () => {
      reacting.abort();
      return close();
    },
  };
}

async function openOverWire(
  url: string,
  options: ConnectOptions,
  signal: AbortSignal | undefined,
): Promise<Keyspace> {
  const [{ openRemote, REMOTE_GUARANTEE }, { hostNetwork }] = await Promise.all([
    import("../engines/remote/remote.ts"),
    import("../host/network.ts"),
  ]);
  return await openRemote(
    {
      addresses: addressesOf(url),
      network: hostNetwork,
      clock: hostClock,
      entropy: hostEntropy,
      label: url,
      guarantee: REMOTE_GUARANTEE,
      program: options.service ?? programName(),
      evaluate: evaluator(),
    },
    signal,
  );
}

/** `quorate://host:port,host:port`. */
function addressesOf(url: string): readonly Address[] {
  const authority = url.slice("quorate://".length).replace(/\/.*$/, "");
  return authority.split(",").map((each) => {
    const found = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(each);
    const port = Number(found?.[2] ?? DEFAULT_PORT);
    if (found === null || port < 1 || port > 65_535) {
      throw fail("CONFIG", {
        object: `url ${url}`,
        what: `${each || "nothing"} is not HOST:PORT`,
        remedy: "Give for example quorate://127.0.0.1:2379.",
      });
    }
    return { kind: "tcp", host: (found[1] as string).replace(/^\[(.*)\]$/, "$1"), port };
  });
}
