/**
 * What a request begins with, and the rules by which a list of fields is one.
 *
 * Source: RFC 9113, §8.2 and §8.3. Leaves out: what the fields mean to gRPC; extended CONNECT.
 */
import type { HeaderField } from "./hpack-static.ts";

/** A request without what follows its head. Equal heads of one connection may be the same object. */
export interface RequestHead {
  readonly method: string;
  /** Empty for CONNECT. */
  readonly path: string;
  /** What the body is said to have; undefined if nothing is. */
  readonly contentLength: number | undefined;
  readonly fields: readonly HeaderField[];
}

/** The value of the first field of that name. */
export function fieldOf(head: RequestHead, name: string): string | undefined {
  return head.fields.find((field) => field[0] === name)?.[1];
}

const PSEUDO: readonly string[] = [":method", ":scheme", ":path", ":authority"];
const OF_CONNECTIONS: readonly string[] = [
  ...["connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"],
];
const COLON = 0x3a;
/** RFC 9110's tokens, without upper case. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** Neither NUL, CR, LF nor white space at an end. */
const VALUE = /^(?![ \t])[^\0\r\n]*(?<![ \t])$/;
const LENGTH = /^\d{1,15}$/;

/** The head that `fields` are, or undefined if they are malformed. */
export function requestHead(fields: readonly HeaderField[]): RequestHead | undefined {
  const pseudo: (string | undefined)[] = [];
  let length: string | undefined;
  let regular = false;
  for (const field of fields) {
    const [name, value] = field;
    if (name.charCodeAt(0) === COLON) {
      const which = PSEUDO.indexOf(name);
      if (regular || which < 0 || pseudo[which] !== undefined) return undefined;
      if (!VALUE.test(value)) return undefined;
      pseudo[which] = value;
      continue;
    }
    regular = true;
    if (!fieldHolds(field)) return undefined;
    if (name !== "content-length") continue;
    if (!LENGTH.test(value) || (length !== undefined && length !== value)) return undefined;
    length = value;
  }
  if (!pseudoFieldsHold(pseudo)) return undefined;
  const contentLength = length === undefined ? undefined : Number(length);
  return { method: pseudo[0] ?? "", path: pseudo[2] ?? "", contentLength, fields };
}

/** Whether `fields` may end a request. */
export function trailersHold(fields: readonly HeaderField[]): boolean {
  return fields.every(fieldHolds);
}

function pseudoFieldsHold([method = "", scheme, path, authority]: readonly (
  | string
  | undefined
)[]): boolean {
  if (method === "CONNECT")
    return scheme === undefined && path === undefined && authority !== undefined;
  return [method, scheme ?? "", path ?? ""].every((value) => value !== "");
}

function fieldHolds([name, value]: HeaderField): boolean {
  if (!NAME.test(name) || !VALUE.test(value) || OF_CONNECTIONS.includes(name)) return false;
  return name !== "te" || value === "trailers";
}
