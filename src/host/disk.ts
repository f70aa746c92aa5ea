/**
 * Node's disk for one data directory.
 *
 * Exclusion on Linux: a socket in the abstract namespace whose name is derived from the directory's device and inode.
 * The kernel lets one process have it and takes it back when that process dies, however it dies; nothing is left
 * behind and no pid can be mistaken. It does not reach across network namespaces: two containers that share a volume
 * must be kept apart by whoever starts them. Elsewhere: a file made exclusively, which a killed process leaves behind.
 * Flush: O_DSYNC where the platform has it, else fdatasync after each write.
 */
import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { Server } from "node:net";
import { join, resolve } from "node:path";
import type { DirectoryHolder, DirectoryLock, Disk, DiskFile, OpenOptions } from "../ports/disk.ts";

const HOLDER = "holder.json";
const O_DSYNC: number | undefined = constants.O_DSYNC;

/** How a durable write reaches stable storage on this platform. */
export const FLUSH_METHOD: "O_DSYNC" | "fdatasync" =
  O_DSYNC === undefined ? "fdatasync" : "O_DSYNC";

export function hostDisk(directory: string): Disk {
  const root = resolve(directory);
  const path = (name: string): string => join(root, name);
  return {
    label: directory,
    lock: () => lockDirectory(root),
    list: () => readdir(root),
    open: (name, options) => openFile(path(name), options),
    rename: (from, to) => rename(path(from), path(to)),
    remove: (name) => rm(path(name)),
    syncDirectory: () => syncDirectory(root),
  };
}

async function syncDirectory(root: string): Promise<void> {
  const handle = await open(root, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function openFile(path: string, options: OpenOptions): Promise<DiskFile> {
  const durable = options.durable === true;
  const access = options.mode === "read" ? constants.O_RDONLY : constants.O_RDWR;
  const create = options.mode === "create" ? constants.O_CREAT | constants.O_EXCL : 0;
  const handle = await open(path, access | create | (durable ? (O_DSYNC ?? 0) : 0), 0o600);
  return fileOf(handle, durable && O_DSYNC === undefined);
}

function fileOf(handle: FileHandle, flushEach: boolean): DiskFile {
  return {
    write: async (offset, data) => {
      for (let done = 0; done < data.length;) {
        const { bytesWritten } = await handle.write(data, done, data.length - done, offset + done);
        done += bytesWritten;
      }
      if (flushEach) await handle.datasync();
    },
    read: async (offset, length) => {
      const into = new Uint8Array(length);
      let done = 0;
      while (done < length) {
        const { bytesRead } = await handle.read(into, done, length - done, offset + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return into.subarray(0, done);
    },
    size: async () => (await handle.stat()).size,
    sync: () => handle.sync(),
    close: () => handle.close(),
  };
}

async function lockDirectory(root: string): Promise<DirectoryLock | DirectoryHolder> {
  await mkdir(root, { recursive: true, mode: 0o700 });
  const release = process.platform === "linux" ? await bindName(root) : await makeFile(root);
  if (release === undefined) return readHolder(root);
  const announce = (url: string): Promise<void> =>
    writeFile(
      join(root, HOLDER),
      JSON.stringify({ pid: process.pid, program: process.argv[1] ?? "node", url }),
    );
  await announce("");
  return {
    announce,
    release: async () => {
      await rm(join(root, HOLDER), { force: true });
      await release();
    },
  };
}

/** Takes the directory's name in the abstract namespace; undefined if another process has it. */
async function bindName(root: string): Promise<(() => Promise<void>) | undefined> {
  const { dev, ino } = await stat(root);
  const server = createServer((socket) => socket.destroy());
  server.unref();
  const bound = await listening(server, `\0quorate-${dev}-${ino}`);
  if (!bound) return undefined;
  return () => new Promise((done) => server.close(() => done()));
}

function listening(server: Server, path: string): Promise<boolean> {
  return new Promise((done, failed) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") done(false);
      else failed(error);
    });
    server.listen({ path }, () => done(true));
  });
}

async function makeFile(root: string): Promise<(() => Promise<void>) | undefined> {
  try {
    await (await open(join(root, "lock"), "wx", 0o600)).close();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return undefined;
    throw error;
  }
  return () => rm(join(root, "lock"), { force: true });
}

async function readHolder(root: string): Promise<DirectoryHolder> {
  try {
    const read = JSON.parse(await readFile(join(root, HOLDER), "utf8")) as Partial<DirectoryHolder>;
    return {
      pid: Number(read.pid ?? 0),
      program: String(read.program ?? "unknown"),
      url: String(read.url ?? ""),
    };
  } catch {
    // The holder has the name and has not written who it is yet.
    return { pid: 0, program: "unknown", url: "" };
  }
}
