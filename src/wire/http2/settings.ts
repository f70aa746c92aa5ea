/** SETTINGS: what the peer may say, what of it matters here, and what a server of gRPC says. Source: RFC 9113, §6.5. */
import { CODE, demand } from "./errors.ts";
import { PAYLOAD_BYTES_MAX, u32 } from "./frames.ts";
import { TABLE_BYTES } from "./hpack-decoder.ts";

const HEADER_TABLE_SIZE = 1;
const ENABLE_PUSH = 2;
const MAX_CONCURRENT_STREAMS = 3;
const INITIAL_WINDOW_SIZE = 4;
const MAX_FRAME_SIZE = 5;
const MAX_HEADER_LIST_SIZE = 6;

const SETTING_BYTES = 6;
const FRAME_SIZE_MAX = 0xff_ffff;
export const WINDOW_MAX = 0x7fff_ffff;
/** Before SETTINGS say otherwise, and of a connection until it is opened further. */
export const WINDOW_INITIAL = 65_535;

/** Streams that a client may have open at once. */
export const STREAMS_MAX = 10_000;
/** The longest list of fields, counted as RFC 9113 counts it. */
export const LIST_BYTES_MAX: number = 16 << 10;
/** What a client may send unread, on a stream and on all of them. */
export const STREAM_WINDOW: number = 1 << 20;
export const CONNECTION_WINDOW: number = 4 << 20;

export const OUR_SETTINGS: readonly (readonly [id: number, value: number])[] = [
  [MAX_CONCURRENT_STREAMS, STREAMS_MAX],
  [INITIAL_WINDOW_SIZE, STREAM_WINDOW],
  [MAX_HEADER_LIST_SIZE, LIST_BYTES_MAX],
];

/** What of the peer's settings changes how we send. */
export interface PeerSettings {
  readonly initialWindow: number;
  /** Of our dynamic table, of which none is kept. */
  readonly tableBytes: number;
}

export const INITIAL_SETTINGS: PeerSettings = {
  initialWindow: WINDOW_INITIAL,
  tableBytes: TABLE_BYTES,
};

/** The settings after those in `array[start, end)`, and the least table that they said. Throws `ConnectionError`. */
export function readSettings(
  before: PeerSettings,
  array: Uint8Array,
  start: number,
  end: number,
): PeerSettings & { readonly leastTableBytes: number } {
  demand((end - start) % SETTING_BYTES === 0, CODE.frameSizeError, "half a setting");
  let { initialWindow, tableBytes } = before;
  let leastTableBytes = tableBytes;
  for (let at = start; at < end; at += SETTING_BYTES) {
    const id = ((array[at] as number) << 8) | (array[at + 1] as number);
    const value = u32(array, at + 2);
    checkSetting(id, value);
    if (id === INITIAL_WINDOW_SIZE) initialWindow = value;
    if (id !== HEADER_TABLE_SIZE) continue;
    tableBytes = value;
    leastTableBytes = Math.min(leastTableBytes, value);
  }
  return { initialWindow, tableBytes, leastTableBytes };
}

function checkSetting(id: number, value: number): void {
  if (id === ENABLE_PUSH) demand(value <= 1, CODE.protocolError, "ENABLE_PUSH is 0 or 1");
  if (id === INITIAL_WINDOW_SIZE)
    demand(value <= WINDOW_MAX, CODE.flowControlError, "INITIAL_WINDOW_SIZE beyond 2^31 - 1");
  if (id === MAX_FRAME_SIZE) {
    const allowed = value >= PAYLOAD_BYTES_MAX && value <= FRAME_SIZE_MAX;
    demand(allowed, CODE.protocolError, "MAX_FRAME_SIZE outside 2^14 to 2^24 - 1");
  }
}
