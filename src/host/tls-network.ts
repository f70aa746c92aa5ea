/**
 * Node's TLS as byte streams. The server must show a certificate for the name that was dialled, signed by `ca` or an
 * authority that the system trusts; there is no way to turn that off.
 *
 * Files are read at each dial: what was renewed is used from the next connection on.
 */
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import type { TLSSocket } from "node:tls";
import { connect } from "node:tls";
import { fail, QuorateError } from "../base/errors.ts";
import type { Address, ByteStream, Network, StreamHandler } from "../ports/network.ts";
import { addressText, opened } from "./network.ts";

const PEM = "-----BEGIN ";

/** How a connection over TLS is made. Certificates and keys are PEM: the text itself, or the path of a file. */
export interface TlsConnectOptions {
  /** The authorities that a server's certificate may come from; default those that the system trusts. */
  readonly ca?: string | undefined;
  /** This client's certificate, for servers that ask for one. Needs `key`. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** The name that the server's certificate must bear; default the host of the url. */
  readonly serverName?: string | undefined;
}

/** Dials over TLS; rejects with CONFIG if a file cannot be used, UNAVAILABLE if the server is not who it should be. */
export function tlsNetwork(options: TlsConnectOptions): Network {
  return {
    dial: async (address, attach, signal) => {
      const peer = addressText(address);
      const socket = await begin(address, options);
      const explained = (stream: ByteStream): StreamHandler => {
        const handler = attach(stream);
        // With TLS 1.3 a server refuses a client's certificate after the client holds the handshake for done.
        const closed = (reason: Error | undefined): void => handler.closed(refusal(peer, reason));
        // Called on the handler itself: that of a class loses its methods in a copy.
        return {
          received: (bytes) => handler.received(bytes),
          drained: () => handler.drained(),
          closed,
        };
      };
      return await opened(socket, "secureConnect", peer, explained, signal).catch(
        (error: unknown) => {
          throw refusal(peer, error instanceof Error ? (error.cause ?? error) : error) ?? error;
        },
      );
    },
  };
}

async function begin(address: Address, options: TlsConnectOptions): Promise<TLSSocket> {
  if (address.kind !== "tcp") throw unusable("it needs HOST:PORT", undefined);
  const { host, port } = address;
  const name = options.serverName ?? host;
  try {
    const [ca, cert, key] = await Promise.all([options.ca, options.cert, options.key].map(pem));
    return connect({
      host,
      port,
      ALPNProtocols: ["quorate"],
      // An address is no server name, and is checked all the same.
      ...(isIP(name) === 0 ? { servername: name } : {}),
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    });
  } catch (error) {
    throw unusable(error instanceof Error ? error.message : String(error), error);
  }
}

async function pem(given: string | undefined): Promise<string | undefined> {
  if (given === undefined || given.startsWith(PEM)) return given;
  const text = await readFile(given, "utf8");
  // The library takes anything as a list of authorities.
  if (!text.includes(PEM)) throw new Error(`${given} is not PEM`);
  return text;
}

/** What TLS says, as a failure; what the network says stays as it is. */
function refusal<E>(peer: string, error: E): E | QuorateError {
  if (!(error instanceof Error) || !("code" in error) || "syscall" in error) return error;
  const code = String(error.code);
  if (!/^[A-Z_0-9]+$/.test(code) || QuorateError.is(error)) return error;
  const [what, remedy] = !/^ERR_SSL_|^ECONNRESET$/.test(code)
    ? [
        "shows a certificate that is not accepted",
        "Give its authority as tls.ca, and dial a name that it bears.",
      ]
    : /alert/i.test(error.message)
      ? [
          "refused the handshake",
          "It may ask for a client's certificate: give tls.cert and tls.key that it takes.",
        ]
      : ["does not speak TLS there", "Use quorate:// for a server without TLS."];
  const about = { object: `server ${peer}`, what: `${what}: ${error.message}`, remedy };
  return fail("UNAVAILABLE", { ...about, outcome: "definite" }, error);
}

function unusable(what: string, cause: unknown): Error {
  const remedy = "Give PEM, or the path of a file with it, for ca, cert and key.";
  return fail("CONFIG", { object: "option tls", what: `cannot be used: ${what}`, remedy }, cause);
}
