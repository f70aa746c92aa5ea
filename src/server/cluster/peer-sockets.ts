/**
 * Sockets between members: how one dials another's url, and where it listens for them.
 *
 * Invariants: I1 an address that other machines can reach takes only members that show a certificate of the given
 * authority, unless that is waived by name: whoever speaks as a member can change everything. I2 a listener for members
 * speaks nothing else.
 */
import type { Server, Socket } from "node:net";
import { fail } from "../../base/errors.ts";
import { hostNetwork, streamOf } from "../../host/network.ts";
import { tlsNetwork } from "../../host/tls-network.ts";
import type { StreamHandler } from "../../ports/network.ts";
import type { PeerLinks } from "../../service/peers/peer-links.ts";
import type { DialPeer } from "../../service/peers/peer-dial.ts";
import type { Turns } from "../../service/turns.ts";
import type { Address } from "../addresses.ts";
import { bindAll, isLoopback } from "../addresses.ts";
import { greet } from "../greeting.ts";
import type { TlsGate } from "../tls.ts";
import { peerNameOf, tlsGate } from "../tls.ts";

/** The certificates that members show to each other. Files in PEM; they mean what etcd's flags of that name mean. */
export interface PeerTlsOptions {
  readonly peerCertFile?: string | undefined;
  readonly peerKeyFile?: string | undefined;
  /** Members must show a certificate that this authority signed. */
  readonly peerTrustedCaFile?: string | undefined;
  readonly peerCrlFile?: string | undefined;
  /** The common name that a member's certificate must bear. */
  readonly peerCertAllowedCn?: string | undefined;
}

/** How members dial each other: `http:` and `quorate:` in the clear, `https:` and `quorates:` over TLS. */
export function peerDialler(tls: PeerTlsOptions): DialPeer {
  const { peerCertFile: cert, peerKeyFile: key, peerTrustedCaFile: ca } = tls;
  const secure = tlsNetwork({ cert, key, ca });
  return (url, attach, signal) => {
    const { host, port, isSecure } = parsePeerUrl(url);
    const network = isSecure ? secure : hostNetwork;
    return network.dial({ kind: "tcp", host, port }, attach, signal);
  };
}

/** Reads `https://HOST:PORT`. Throws CONFIG (definite). */
export function parsePeerUrl(url: string): Address & { readonly isSecure: boolean } {
  const found = /^(https?|quorates?):\/\/(\[[^\]]+\]|[^:/]+):(\d{1,5})\/?$/.exec(url);
  const [, scheme = "", host = "", port] = found ?? [];
  if (found !== null && Number(port) <= 65_535)
    return {
      host: host.replace(/^\[(.*)\]$/, "$1"),
      port: Number(port),
      isSecure: /s$/.test(scheme),
    };
  throw fail("CONFIG", {
    object: `peer url ${url}`,
    what: "is not HTTP://HOST:PORT",
    remedy: "Give for example http://10.0.0.1:2380, or https:// for TLS.",
  });
}

/** Where a member listens for the others. */
export class PeerListener {
  readonly #listeners: readonly Server[];
  readonly #gate: TlsGate | undefined;
  readonly #allowedName: string | undefined;
  readonly #sockets = new Set<Socket>();
  /** `HOST:PORT`s. */
  readonly authorities: readonly string[];
  #links: PeerLinks | undefined;

  /** Throws ADDRESS_IN_USE, CONFIG (definite). */
  static async open(
    addresses: readonly Address[],
    tls: PeerTlsOptions,
    options: {
      readonly insecureBind: boolean;
      readonly turns: Turns;
      readonly warn: (message: string) => void;
    },
  ): Promise<PeerListener> {
    const gate = tlsGate(
      {
        certFile: tls.peerCertFile,
        keyFile: tls.peerKeyFile,
        trustedCaFile: tls.peerTrustedCaFile,
        clientCrlFile: tls.peerCrlFile,
      },
      options.turns,
      options.warn,
    );
    const isMutual = gate !== undefined && tls.peerTrustedCaFile !== undefined;
    for (const { host, port } of addresses)
      if (!isLoopback(host) && !isMutual && !options.insecureBind) throw reachable(host, port);
    const bound = await bindAll(addresses);
    const listeners = bound.map(({ listener }) => listener);
    const authorities = bound.map(({ authority }) => authority);
    return new PeerListener(listeners, authorities, gate, tls.peerCertAllowedCn);
  }

  private constructor(
    listeners: readonly Server[],
    authorities: readonly string[],
    gate: TlsGate | undefined,
    allowedName: string | undefined,
  ) {
    this.#listeners = listeners;
    this.authorities = authorities;
    this.#gate = gate;
    this.#allowedName = allowedName;
    if (gate !== undefined) gate.onSecure = (socket): void => this.#greet(socket);
    for (const listener of listeners)
      listener.on("connection", (socket) => {
        if (gate === undefined) this.#greet(socket);
        else gate.admit(socket);
      });
  }

  /** From now on whoever comes is given to `links`; before, nobody is let in. */
  serve(links: PeerLinks): void {
    this.#links = links;
  }

  async close(): Promise<void> {
    this.#gate?.close();
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(
      this.#listeners.map(
        (listener) => new Promise<void>((resolve) => listener.close(() => resolve())),
      ),
    );
  }

  #greet(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    const links = this.#links;
    const isNamed = this.#allowedName === undefined || peerNameOf(socket) === this.#allowedName;
    if (links === undefined || !isNamed) return void socket.destroy();
    greet(socket, (protocol, first) => {
      if (protocol === "peer") acceptPeer(socket, first, links);
      else socket.destroy();
    });
  }
}

/** Gives `links` a socket of which `first` has been read. */
export function acceptPeer(socket: Socket, first: Uint8Array, links: PeerLinks): void {
  let handler: StreamHandler | undefined;
  streamOf(socket, `${socket.remoteAddress ?? "?"}:${socket.remotePort ?? 0}`, (stream) => {
    handler = links.accept(stream);
    return handler;
  });
  handler?.received(first);
}

function reachable(host: string, port: number): Error {
  return fail("CONFIG", {
    object: `peer address ${host}:${port}`,
    what: "is one that other machines can reach, and members would not know each other there",
    remedy:
      "Give --peer-cert-file, --peer-key-file and --peer-trusted-ca-file, listen on 127.0.0.1, or say --insecure-bind if the network is trusted.",
  });
}
