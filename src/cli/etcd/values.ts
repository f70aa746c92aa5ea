/** The values of etcd's flags, as Go writes them. A reader throws `Unreadable`, whose message says what it takes. */

import type { InitialMember } from "../../server/cluster/membership.ts";
import { initialCluster, Unreadable } from "../setting-values.ts";

export { Unreadable };

const UNITS_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

export function text(value: string): string {
  return value;
}

/** A path; empty: none. */
export function file(value: string): string | undefined {
  return value === "" ? undefined : value;
}

export function tokens(value: string): string {
  if (/^(simple|jwt,\S+)$/.test(value)) return value;
  throw new Unreadable("simple, or jwt with its options");
}

export function truth(value: string): boolean {
  if (/^(1|t|true)$/i.test(value)) return true;
  if (/^(0|f|false)$/i.test(value)) return false;
  throw new Unreadable("true or false");
}

export function whole(value: string): number {
  const number = Number(value);
  if (/^\d+$/.test(value) && Number.isSafeInteger(number)) return number;
  throw new Unreadable("a whole number");
}

/** In ms: `1h30m`, `5s`, `100ms`. */
export function duration(value: string): number {
  const parts = [...value.matchAll(/(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)/g)];
  const read = parts.map(([whole_]) => whole_).join("");
  if (value === "0") return 0;
  if (read === "" || read !== value) throw new Unreadable("a duration, as 5s or 1h30m");
  return parts.reduce(
    (sum, [, count, unit = ""]) => sum + Number(count) * (UNITS_MS[unit] ?? 0),
    0,
  );
}

/** Bytes; 0 is the default (undefined), below it none. */
export function quota(value: string): number | undefined {
  if (/^-\d+$/.test(value)) return Number.MAX_SAFE_INTEGER;
  const bytes = whole(value);
  return bytes === 0 ? undefined : bytes;
}

export function oneOf(values: readonly string[]): (value: string) => string {
  return (value) => {
    if (values.includes(value)) return value;
    throw new Unreadable(values.join(" or "));
  };
}

export const level: (value: string) => string = oneOf([
  "debug",
  "info",
  "warn",
  "error",
  "panic",
  "fatal",
]);

export function version(value: string): string {
  if (/^\d+\.\d+\.\d+$/.test(value)) return value;
  throw new Unreadable("a version, as 3.5.16");
}

/** Where the log goes: `default` and `stderr` are one. */
export function outputs(value: string): readonly string[] {
  return value.split(",").map((each) => (each === "default" ? "stderr" : each));
}

function urls(value: string): readonly URL[] {
  const read = value.split(",").map((each) => (URL.canParse(each) ? new URL(each) : undefined));
  if (read.some((url) => url === undefined || !/^https?:$/.test(url.protocol) || url.host === ""))
    throw new Unreadable("urls, as http://127.0.0.1:2379,http://10.0.0.1:2379");
  return read as readonly URL[];
}

/** Where to listen, in the clear or over TLS. */
export interface Listening {
  /** `HOST:PORT`s. */
  readonly addresses: readonly string[];
  readonly secure: boolean;
}

export function listened(value: string): Listening {
  const all = urls(value);
  const secure = all[0]?.protocol === "https:";
  if (all.some(({ protocol }) => (protocol === "https:") !== secure))
    throw new Unreadable("urls of one scheme: a server is encrypted as a whole or not at all");
  const addresses = all.map(({ hostname, port }) => {
    // Go listens on the first address of this name, which clients take for IPv4.
    const host = hostname === "localhost" ? "127.0.0.1" : hostname;
    return `${host}:${port === "" ? (secure ? 443 : 80) : port}`;
  });
  return { addresses, secure };
}

/** `name=url,name=url`; empty: none. */
export function cluster(value: string): readonly InitialMember[] | undefined {
  return value === "" ? undefined : initialCluster(value);
}

/** Urls without what ends them. */
export function advertised(value: string): readonly string[] {
  return urls(value).map((url) => url.href.replace(/\/$/, ""));
}
