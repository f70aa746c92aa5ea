/** Where the server listens. */
import type { Server } from "node:net";
import { createServer } from "node:net";
import type { QuorateError } from "../base/errors.ts";
import { fail } from "../base/errors.ts";

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** A listener and the address that it got. */
export interface Bound {
  readonly listener: Server;
  /** `HOST:PORT`, as it stands in a url. */
  readonly authority: string;
}

/** Reads `HOST:PORT`. Throws CONFIG (definite). */
export function parseListen(listen: string): Address {
  const cut = listen.lastIndexOf(":");
  const host = listen.slice(0, cut).replace(/^\[(.*)\]$/, "$1");
  const port = Number(listen.slice(cut + 1));
  if (cut > 0 && Number.isInteger(port) && port >= 0 && port <= 65_535) return { host, port };
  throw fail("CONFIG", {
    object: `listen ${listen}`,
    what: "is not HOST:PORT",
    remedy: "Give for example 127.0.0.1:2379 or [::1]:2379.",
  });
}

/** What TLS does for the addresses; undefined: there is none. */
export interface Guarded {
  /** Clients must show a certificate. */
  readonly mutual: boolean;
}

/**
 * The first address that other machines can reach and where only users, if they are enabled, tell who somebody is; none
 * if the network is `trusted`. Throws CONFIG (definite) for such an address without TLS.
 */
export function usersNeeded(
  addresses: readonly Address[],
  tls: Guarded | undefined,
  trusted: boolean,
): Address | undefined {
  const reachable = addresses.find(({ host }) => !isLoopback(host));
  if (reachable === undefined || trusted) return undefined;
  if (tls !== undefined) return tls.mutual ? undefined : reachable;
  throw fail("CONFIG", {
    object: `listen ${reachable.host}:${reachable.port}`,
    what: "is an address that other machines can reach, and nothing is encrypted or authenticated there",
    remedy:
      "Give --cert-file and --key-file, listen on 127.0.0.1, or say --insecure-bind if the network is trusted.",
  });
}

/** `address` is encrypted, and yet everybody who reaches it may do anything. */
export function unguarded({ host, port }: Address): QuorateError {
  return fail("CONFIG", {
    object: `listen ${host}:${port}`,
    what: "is an address that other machines can reach, and nobody says there who they are: users are not enabled in the data, and no certificate of clients is asked for",
    remedy:
      "Enable users first, over a server on 127.0.0.1 (quorate auth enable), or ask clients for certificates with --trusted-ca-file, or say --insecure-bind if the network is trusted.",
  });
}

/** Listens on all of them, or on none. Throws ADDRESS_IN_USE, CONFIG (definite). */
export async function bindAll(addresses: readonly Address[]): Promise<readonly Bound[]> {
  const bound: Bound[] = [];
  try {
    for (const { host, port } of addresses) {
      const listener = await bind(host, port);
      const got = listener.address();
      const taken = typeof got === "object" && got !== null ? got.port : port;
      bound.push({ listener, authority: `${hostText(host)}:${taken}` });
    }
    return bound;
  } catch (error) {
    for (const { listener } of bound) listener.close();
    throw error;
  }
}

function bind(host: string, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ noDelay: true });
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EADDRINUSE") return reject(notBindable(host, port, error));
      void whoListens(host, port).then((holder) =>
        reject(
          fail("ADDRESS_IN_USE", {
            object: `listen ${host}:${port}`,
            what: "is taken by another process",
            holder,
            remedy: "Stop it, or give --listen another port.",
          }),
        ),
      );
    });
    // In a worker of node:cluster, too, the address is this process's alone: so is the data.
    server.listen({ host, port, exclusive: true }, () => resolve(server));
  });
}

function notBindable(host: string, port: number, error: NodeJS.ErrnoException): Error {
  const what = `cannot be listened on: ${error.message}`;
  return fail(
    "CONFIG",
    { object: `listen ${host}:${port}`, what, remedy: "Give an address of this machine." },
    error,
  );
}

/** Asks whoever has the port what it is. */
async function whoListens(host: string, port: number): Promise<string> {
  try {
    const answer = await fetch(`http://${hostText(host)}:${port}/version`, {
      signal: AbortSignal.timeout(500),
    });
    return `a server that answers ${(await answer.text()).slice(0, 120).trim()}`;
  } catch {
    return "a process that does not say what it is";
  }
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

function hostText(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
