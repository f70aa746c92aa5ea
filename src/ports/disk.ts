/**
 * The disk as a port: the few operations that the log and the snapshots need, with what each promises after a crash.
 * `host` gives the real one, the simulator one that tears, flips, loses and fails.
 *
 * Promises: a `write` to a file opened `durable` is on stable storage when its promise resolves. Any other write is
 * there only after `sync`. A created, renamed or removed name is there only after `syncDirectory`.
 * A rejected `write` or `sync` leaves the range undefined, and the caller must stop: never retry a failed flush
 * (Rebello et al., "Can Applications Recover from fsync Failures?", ATC 2020).
 */

import type { ByteStream, StreamHandler } from "./network.ts";

/** How a file is opened. */
export interface OpenOptions {
  /** `create` fails if the file exists. */
  readonly mode: "read" | "write" | "create";
  /** Writes are on stable storage when they resolve (O_DSYNC, or a flush per write where a platform lacks it). */
  readonly durable?: boolean | undefined;
}

/** An open file. Offsets and lengths are in bytes. */
export interface DiskFile {
  /** Writes all of `data` at `offset`. At most one write per file is in flight. */
  write(offset: number, data: Uint8Array): Promise<void>;
  /** Reads up to `length` bytes at `offset`; fewer only at the end of the file. */
  read(offset: number, length: number): Promise<Uint8Array>;
  size(): Promise<number>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Who holds a data directory that cannot be opened. */
export interface DirectoryHolder {
  readonly pid: number;
  readonly program: string;
  readonly url: string;
}

/** A held data directory. */
export interface DirectoryLock {
  /** Says to others where this process can be reached. */
  announce(url: string): Promise<void>;
  /** Gives `attach` the streams of the machine's other processes that reach for the directory, also those that wait. */
  accept(attach: (stream: ByteStream) => StreamHandler): void;
  /** Lets another process take it. Streams stay open. */
  release(): Promise<void>;
}

/** One data directory; names are plain file names in it. */
export interface Disk {
  /** How messages name the directory. */
  readonly label: string;
  /** Takes the directory for this process alone, or says who has it. Creates the directory if it is missing. */
  lock(): Promise<DirectoryLock | DirectoryHolder>;
  list(): Promise<readonly string[]>;
  open(name: string, options: OpenOptions): Promise<DiskFile>;
  rename(from: string, to: string): Promise<void>;
  remove(name: string): Promise<void>;
  syncDirectory(): Promise<void>;
}
