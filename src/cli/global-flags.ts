/** The flags that every verb takes: where the engine is, who asks, and how the answer is shown. */
import type { FlagSpec } from "./catalogue.ts";

export interface GlobalFlag extends FlagSpec {
  /** What gives the default. */
  readonly variable: string;
  /** The default without that; absent: none. */
  readonly usual?: string | undefined;
  /** Its value is not to be shown, so the default is looked up where it is needed. */
  readonly secret?: true | undefined;
}

export const GLOBAL_FLAGS: readonly GlobalFlag[] = [
  {
    usage: "--url <url>",
    meaning:
      "where the engine is: quorate://HOST:PORT, quorates:// for TLS, file:DIRECTORY or etcd://HOST:PORT (QUORATE_URL)",
    variable: "QUORATE_URL",
    usual: "quorate://127.0.0.1:2379",
  },
  {
    usage: "--user <name:password>",
    meaning: "who asks, where users are enabled (QUORATE_USER)",
    variable: "QUORATE_USER",
    secret: true,
  },
  {
    usage: "-o, --output <format>",
    meaning: "table or json (QUORATE_OUTPUT)",
    variable: "QUORATE_OUTPUT",
    usual: "table",
  },
  {
    usage: "--timeout-ms <ms>",
    meaning: "how long one call may take (QUORATE_TIMEOUT_MS)",
    variable: "QUORATE_TIMEOUT_MS",
    usual: "10000",
  },
  {
    usage: "--cacert <file>",
    meaning:
      "authority of a quorates:// server's certificate, PEM; default the system's (QUORATE_CACERT)",
    variable: "QUORATE_CACERT",
  },
  {
    usage: "--cert <file>",
    meaning: "this client's certificate, PEM, with --key (QUORATE_CERT)",
    variable: "QUORATE_CERT",
  },
  {
    usage: "--key <file>",
    meaning: "the key of --cert, PEM (QUORATE_KEY)",
    variable: "QUORATE_KEY",
  },
];
