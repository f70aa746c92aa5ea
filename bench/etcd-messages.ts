/**
 * The few etcd requests that benchmarks send, as prepared gRPC bodies: a prepared body costs the driver nothing, so
 * what is measured is the server.
 */
type Field = Buffer;

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

function bytesField(field: number, value: string): Field {
  const bytes = Buffer.from(value, "latin1");
  return Buffer.concat([varint(BigInt((field << 3) | 2)), varint(BigInt(bytes.length)), bytes]);
}

function integerField(field: number, value: bigint): Field {
  return Buffer.concat([varint(BigInt(field << 3)), varint(value)]);
}

/** A message with gRPC's five-byte prefix: not compressed, and its length. */
function framed(...fields: readonly Field[]): Buffer {
  const message = Buffer.concat(fields);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** A method's path and a body for it. */
export interface PreparedCall {
  readonly path: string;
  readonly body: Buffer;
}

export function putCall(key: string, value: string): PreparedCall {
  return { path: "/etcdserverpb.KV/Put", body: framed(bytesField(1, key), bytesField(2, value)) };
}

/** A linearizable read of one key. */
export function getCall(key: string): PreparedCall {
  return { path: "/etcdserverpb.KV/Range", body: framed(bytesField(1, key)) };
}

/** Creates one watch of a key on a stream of `/etcdserverpb.Watch/Watch`. */
export function watchCreate(key: string): Buffer {
  const create = bytesField(1, key);
  return framed(bytesField(1, create.toString("latin1")));
}

export function leaseGrantCall(id: bigint, ttlS: number): PreparedCall {
  return {
    path: "/etcdserverpb.Lease/LeaseGrant",
    body: framed(integerField(1, BigInt(ttlS)), integerField(2, id)),
  };
}

export function lockCall(name: string, lease: bigint): PreparedCall {
  return { path: "/v3lockpb.Lock/Lock", body: framed(bytesField(1, name), integerField(2, lease)) };
}

/** Releases what `lockCall` with the same arguments acquired. */
export function unlockCall(name: string, lease: bigint): PreparedCall {
  return {
    path: "/v3lockpb.Lock/Unlock",
    body: framed(bytesField(1, `${name}/${lease.toString(16)}`)),
  };
}
