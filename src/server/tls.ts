/**
 * TLS in front of every protocol of the port: a raw connection goes in, one whose peer has been heard comes out.
 *
 * Invariants: I1 a connection that is in its handshake costs a bounded time and is one of a bounded number; beyond it the
 * oldest goes, so that a flood of unfinished ones keeps nobody out. One whose first message has come begins in the turns
 * that all who are served share. I2 the files are looked at for each handshake and
 * read again when they changed; what cannot be used leaves the last good ones in force and is reported once.
 * Options mean what etcd's mean: with a CA, clients must show a certificate of it.
 */
import { X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import type { Socket } from "node:net";
import type { SecureContextOptions, Server } from "node:tls";
import { createServer, TLSSocket } from "node:tls";
import { fail } from "../base/errors.ts";
import type { Turn, Turns } from "../service/turns.ts";
import { LATER_MS } from "../service/turns.ts";
import { greeted } from "./hello.ts";

/** Where a server's certificate is, and whose clients it takes. Files in PEM. */
export interface TlsOptions {
  /** The server's certificate, with those between it and the root. Needs `keyFile`. */
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  /** Clients must show a certificate that this authority signed. */
  readonly trustedCaFile?: string | undefined;
  /** Says the same by itself; needs `trustedCaFile`. */
  readonly clientCertAuth?: boolean | undefined;
  /** Certificates of that authority that are revoked. Needs `trustedCaFile`. */
  readonly clientCrlFile?: string | undefined;
}

/** How long a handshake may take, ms. */
const PATIENCE_MS = 10_000;
/** Handshakes at once. */
const HANDSHAKES_MAX = 1_024;
/** What clients may ask for: gRPC, HTTP, the native protocol. The first bytes decide all the same. */
const PROTOCOLS = ["h2", "http/1.1", "quorate"];

/** The gate, or undefined if nothing asks for TLS. Throws CONFIG (definite) if its options or files cannot be used. */
export function tlsGate(
  options: TlsOptions,
  turns: Turns,
  warn: (message: string) => void,
): TlsGate | undefined {
  const { certFile, keyFile, trustedCaFile, clientCertAuth, clientCrlFile } = options;
  const ofClients = clientCertAuth === true ? "--client-cert-auth" : "--client-crl-file";
  const asksClients = clientCertAuth === true || clientCrlFile !== undefined;
  if (asksClients && trustedCaFile === undefined)
    throw unusable(`${ofClients} needs --trusted-ca-file, which says whose certificates count`);
  if (certFile !== undefined && keyFile !== undefined)
    return new TlsGate({ certFile, keyFile, trustedCaFile, clientCrlFile }, turns, warn);
  if (certFile === undefined && keyFile === undefined && trustedCaFile === undefined)
    return undefined;
  throw unusable("the server's own certificate needs both --cert-file and --key-file");
}

interface Files {
  readonly certFile: string;
  readonly keyFile: string;
  readonly trustedCaFile: string | undefined;
  readonly clientCrlFile: string | undefined;
}

export class TlsGate {
  readonly #files: Files;
  readonly #warn: (message: string) => void;
  readonly #server: Server;
  /** Connections in their handshake, oldest first. */
  readonly #unfinished = new Set<Socket>();
  /** Those of them whose handshake has begun, by their two ends: the library does not say which one it has finished. */
  readonly #begun = new Map<string, Socket>();
  /** Connections whose first message has come. */
  readonly #greeted = new Set<Socket>();
  readonly #turn: Turn;
  /** Of the files as they were last looked at, usable or not. */
  #looked: string;
  onSecure: (socket: TLSSocket) => void = (socket) => socket.destroy();

  constructor(files: Files, turns: Turns, warn: (message: string) => void) {
    this.#files = files;
    this.#turn = turns.turn(() => this.#begin());
    this.#warn = warn;
    const mutual = files.trustedCaFile !== undefined;
    try {
      this.#looked = lookOf(files);
      this.#server = createServer({
        ...read(files),
        requestCert: mutual,
        rejectUnauthorized: mutual,
        ALPNProtocols: PROTOCOLS,
      });
    } catch (error) {
      throw unusable(reasonOf(error), error);
    }
    this.#server.on("secureConnection", (socket) => {
      const ends = endsOf(socket);
      const raw = this.#begun.get(ends);
      this.#begun.delete(ends);
      if (raw !== undefined) this.#unfinished.delete(raw);
      this.onSecure(socket);
    });
    this.#server.on("tlsClientError", (_error, socket) => socket.destroy());
  }

  /** Whether clients must show a certificate. */
  get mutual(): boolean {
    return this.#files.trustedCaFile !== undefined;
  }

  /** Connections that are in their handshake. */
  get unfinished(): number {
    return this.#unfinished.size;
  }

  /** Leads `socket` through the handshake; then `onSecure` has it, or it is gone. */
  admit(socket: Socket): void {
    const [oldest] = this.#unfinished;
    if (oldest !== undefined && this.#unfinished.size >= HANDSHAKES_MAX) {
      oldest.destroy();
      this.#unfinished.delete(oldest);
    }
    this.#unfinished.add(socket);
    // The library's own limit is of silence: a byte now and then would do.
    const late = setTimeout(() => {
      if (this.#unfinished.has(socket)) socket.destroy();
    }, PATIENCE_MS);
    late.unref();
    socket.on("error", () => socket.destroy());
    socket.once("close", () => {
      clearTimeout(late);
      this.#unfinished.delete(socket);
    });
    greeted(socket, () => {
      this.#greeted.add(socket);
      this.#begin();
    });
  }

  #begin(): void {
    if (!this.#turn.begin()) return;
    const [socket] = this.#greeted;
    if (socket !== undefined) this.#greeted.delete(socket);
    if (socket?.destroyed === false) {
      this.#refresh();
      const ends = endsOf(socket);
      this.#begun.set(ends, socket);
      socket.once("close", () => {
        if (this.#begun.get(ends) === socket) this.#begun.delete(ends);
      });
      this.#server.emit("connection", socket);
    }
    this.#turn.owes(LATER_MS.handshake);
    this.#turn.end();
    if (this.#greeted.size > 0) this.#turn.wait();
  }

  /** Ends what is still in its handshake. */
  close(): void {
    for (const socket of this.#unfinished) socket.destroy();
  }

  #refresh(): void {
    let look = "";
    try {
      look = lookOf(this.#files);
      if (look === this.#looked) return;
      this.#server.setSecureContext(read(this.#files));
    } catch (error) {
      if (look !== this.#looked)
        this.#warn(`certificates not renewed, the last ones stay in force: ${reasonOf(error)}`);
    }
    this.#looked = look;
  }
}

function endsOf(socket: Socket): string {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  return `${remoteAddress}|${remotePort}|${localAddress}|${localPort}`;
}

/** Changes when a file is written or replaced. */
function lookOf(files: Files): string {
  return paths(files)
    .map((path) => {
      const { mtimeMs, size, ino } = statSync(path);
      return `${mtimeMs} ${size} ${ino}`;
    })
    .join("|");
}

function paths({ certFile, keyFile, trustedCaFile, clientCrlFile }: Files): readonly string[] {
  return [certFile, keyFile, trustedCaFile, clientCrlFile].filter((path) => path !== undefined);
}

function read({ certFile, keyFile, trustedCaFile, clientCrlFile }: Files): SecureContextOptions {
  // The library takes a file without any certificate in silence, and then trusts nobody.
  if (trustedCaFile !== undefined) new X509Certificate(readFileSync(trustedCaFile));
  return {
    cert: readFileSync(certFile),
    key: readFileSync(keyFile),
    ...(trustedCaFile === undefined ? {} : { ca: readFileSync(trustedCaFile) }),
    ...(clientCrlFile === undefined ? {} : { crl: readFileSync(clientCrlFile) }),
  };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function unusable(what: string, cause?: unknown): Error {
  return fail(
    "CONFIG",
    {
      object: "TLS of the server",
      what: `cannot be used: ${what}`,
      remedy: "Give --cert-file and --key-file in PEM, and --trusted-ca-file to check clients.",
    },
    cause,
  );
}

/** The common name of the certificate that whoever is at the other end has shown and that was accepted. */
export function peerNameOf(socket: Socket): string | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const { CN } = socket.getPeerCertificate().subject ?? {};
  return typeof CN === "string" && CN !== "" ? CN : undefined;
}
