/**
 * Node's disk for one data directory.
 *
 * Flush: O_DSYNC where the platform has it, else fdatasync after each write.
 */
import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { open, readdir, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Disk, DiskFile, OpenOptions } from "../ports/disk.ts";
import { lockDirectory } from "./directory-lock.ts";

const O_DSYNC: number | undefined = constants.O_DSYNC;

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
