/** HTTP/2's error codes, and the error that ends a connection. Source: RFC 9113, §5.4 and §7. */

export const CODE = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  enhanceYourCalm: 11,
} as const;

/** What the peer did that its connection does not survive: `code` and the text go into GOAWAY. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** Throws `ConnectionError` unless `holds`. */
export function demand(holds: boolean, code: number, message: string): asserts holds {
  if (!holds) throw new ConnectionError(code, message);
}
