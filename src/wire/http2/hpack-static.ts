/** The static table of HPACK: the fields that every connection knows. Source: RFC 7541, appendix A. */
import { assert } from "../../base/assert.ts";

/** Name and value, one character per byte. */
export type HeaderField = readonly [name: string, value: string];

const ROWS: readonly string[] = [
  ":authority",
  ":method GET|POST",
  ":path /|/index.html",
  ":scheme http|https",
  ":status 200|204|206|304|400|404|500",
  "accept-charset",
  "accept-encoding gzip, deflate",
  ..."accept-language accept-ranges accept access-control-allow-origin age allow".split(" "),
  ..."authorization cache-control content-disposition content-encoding".split(" "),
  ..."content-language content-length content-location content-range content-type".split(" "),
  ..."cookie date etag expect expires from host if-match if-modified-since".split(" "),
  ..."if-none-match if-range if-unmodified-since last-modified link location".split(" "),
  ..."max-forwards proxy-authenticate proxy-authorization range referer refresh".split(" "),
  ..."retry-after server set-cookie strict-transport-security".split(" "),
  ..."transfer-encoding user-agent vary via www-authenticate".split(" "),
];

/** Index 1 is at 0. */
export const STATIC_TABLE: readonly HeaderField[] = ROWS.flatMap((row): HeaderField[] => {
  const space = row.indexOf(" ");
  if (space < 0) return [[row, ""]];
  const name = row.slice(0, space);
  return row
    .slice(space + 1)
    .split("|")
    .map((value): HeaderField => [name, value]);
});
assert(STATIC_TABLE.length === 61, "the static table has 61 entries");
