/** Urls of servers: where they are and who comes. A password in a url is for the server alone: no message repeats it. */
import { fail } from "../base/errors.ts";
import type { Address } from "../ports/network.ts";

const DEFAULT_PORT = 2379;

/** Who asks, where a server has users enabled. */
export interface UserCredentials {
  readonly user: string;
  readonly password: string;
}

/** The url without its password: what may be shown. */
export function shownUrl(url: string): string {
  return url.replace(/^([a-z]+:\/\/[^/@:]*):[^/]*@/, "$1@");
}

/** `quorate://user:password@host:port,host:port`, or `quorates:`; user and password percent-encoded. Throws CONFIG. */
export function parseServerUrl(url: string): {
  readonly addresses: readonly Address[];
  readonly credentials: UserCredentials | undefined;
} {
  const authority = url.replace(/^quorates?:\/\//, "").replace(/\/.*$/, "");
  const at = authority.lastIndexOf("@");
  const addresses = authority
    .slice(at + 1)
    .split(",")
    .map((each) => addressOf(each, shownUrl(url)));
  return { addresses, credentials: at < 0 ? undefined : credentialsOf(authority.slice(0, at)) };
}

function addressOf(each: string, url: string): Address {
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
}

function credentialsOf(part: string): UserCredentials {
  const [user = "", ...password] = part.split(":");
  const decode = (text: string): string => {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  };
  return { user: decode(user), password: decode(password.join(":")) };
}
