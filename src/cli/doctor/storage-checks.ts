/**
 * Checks of the place where the data directory is or will be: filesystem, space, flush latency.
 *
 * Invariants: I1 the probe file is removed whatever happens, and a missing directory is not
 * created: the nearest existing parent is measured instead. I2 nothing that exists is opened for
 * writing.
 */
import { constants, existsSync } from "node:fs";
import { open, rm, statfs } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { performance } from "node:perf_hooks";
import { type Check, good, quantile } from "./check.ts";

const FLUSHES = 60;
const WARM = 5;
const BATCH_BYTES = 4096;
const GIB = 2 ** 30;

/** The numbers of statfs(2) for filesystems that matter here. */
const FILESYSTEMS: ReadonlyMap<number, string> = new Map([
  [0xef53, "ext4"],
  [0x58465342, "xfs"],
  [0x9123683e, "btrfs"],
  [0x2fc12fc1, "zfs"],
  [0x01021994, "tmpfs"],
  [0x858458f6, "ramfs"],
  [0x794c7630, "overlayfs"],
  [0x6969, "nfs"],
  [0xff534d42, "cifs"],
  [0xfe534d42, "smb2"],
  [0x65735546, "fuse"],
  [0x01021997, "9p"],
  [0x1a, "apfs"],
]);
const VOLATILE: ReadonlySet<string> = new Set(["tmpfs", "ramfs"]);
const DISTANT: ReadonlySet<string> = new Set(["nfs", "cifs", "smb2", "fuse", "9p"]);

/** The directory itself, or its nearest parent that exists. */
export function measurable(directory: string): string {
  let at = resolve(directory);
  while (!existsSync(at) && dirname(at) !== at) at = dirname(at);
  return at;
}

export async function filesystem(place: string): Promise<Check> {
  const facts = await statfs(place);
  const type = FILESYSTEMS.get(facts.type) ?? `type 0x${facts.type.toString(16)}`;
  const freeBytes = facts.bavail * facts.bsize;
  const found = `${type} at ${place}, ${(freeBytes / GIB).toFixed(1)} GiB free`;
  const figures = { type, freeBytes };
  const problem = filesystemProblem(type, freeBytes);
  if (problem === undefined) return good("filesystem", found, figures);
  return { name: "filesystem", found, figures, ...problem };
}

/** What is wrong with a filesystem, if anything. */
export function filesystemProblem(
  type: string,
  freeBytes: number,
): Pick<Check, "verdict" | "remedy"> | undefined {
  if (VOLATILE.has(type)) {
    return {
      verdict: "fail",
      remedy: "This is memory and is lost with the machine: use a directory on a disk.",
    };
  }
  if (DISTANT.has(type)) {
    return {
      verdict: "warn",
      remedy: "Flushes over a network filesystem are slow and its locks unsafe: use a local disk.",
    };
  }
  if (freeBytes < GIB)
    return { verdict: "warn", remedy: "Free at least 1 GiB: a full disk stops the server." };
  return undefined;
}

/** How long one durable write takes: the floor under every acknowledged command. */
export async function flushLatency(place: string): Promise<Check> {
  const synchronous = constants.O_DSYNC !== undefined;
  const method = synchronous ? "O_DSYNC" : "write + fdatasync";
  const path = join(place, `.quorate-doctor-${process.pid}`);
  let times: readonly number[];
  try {
    times = await timedFlushes(path, synchronous);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const remedy = "Give a --data-dir in which this user may write.";
    return { name: "flush", verdict: "fail", found: `cannot write: ${why}`, remedy };
  } finally {
    await rm(path, { force: true });
  }
  const p50Ms = quantile(times, 0.5);
  const p99Ms = quantile(times, 0.99);
  const found = `${method}, ${BATCH_BYTES} bytes: p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms`;
  const figures = { method, p50Ms, p99Ms, samples: times.length };
  if (p99Ms > 100) {
    const remedy = "Writes will stall: use a local SSD, and look for other programs that flush.";
    return { name: "flush", verdict: "warn", found, remedy, figures };
  }
  if (p50Ms < 0.005) {
    const remedy = "Too fast to be a disk: check that a power cut keeps what was flushed.";
    return { name: "flush", verdict: "warn", found, remedy, figures };
  }
  return good("flush", found, figures);
}

async function timedFlushes(path: string, synchronous: boolean): Promise<readonly number[]> {
  const durable = synchronous ? constants.O_DSYNC : 0;
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | durable;
  const file = await open(path, flags, 0o600);
  try {
    // The log writes into space that exists already: so does the probe.
    await file.write(new Uint8Array(BATCH_BYTES * FLUSHES), 0, BATCH_BYTES * FLUSHES, 0);
    await file.sync();
    const batch = new Uint8Array(BATCH_BYTES).fill(0x51);
    const times: number[] = [];
    for (let at = 0; at < FLUSHES; at++) {
      const began = performance.now();
      await file.write(batch, 0, BATCH_BYTES, at * BATCH_BYTES);
      if (!synchronous) await file.datasync();
      if (at >= WARM) times.push(performance.now() - began);
    }
    return times;
  } finally {
    await file.close();
  }
}
