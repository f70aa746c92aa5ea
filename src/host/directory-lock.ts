/**
 * Who has a data directory, and how the others reach that process: a local socket in the directory is both.
 *
 * The holder listens on `serving.N`; the highest N counts. A socket that refuses connections has no process: the kernel
 * closes it however the process ends, and a stopped process keeps it. An applicant listens under a name of its own, then
 * links that as `serving.N+1`, which one applicant can do. Who lets go leaves a plain file as the next number.
 * Invariants: I1 a `serving.N` listens before it has its name: one that refuses is dead. I2 the highest N is never
 * removed, so that an applicant that was paused since it looked finds a higher one and withdraws. I3 the socket can be
 * connected to by the directory's user alone.
 * Model: one machine, processes that stop, pause and are killed; namespaces of network and processes do not matter.
 * Leaves out: filesystems that several machines mount, or that hold no sockets or hard links; Windows.
 */
import type { Stats } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import {
  chmod,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  rm,
  writeFile,
} from "node:fs/promises";
import type { Server, Socket } from "node:net";
import { connect, createServer } from "node:net";
import { join, relative } from "node:path";
import { fail } from "../base/errors.ts";
import type { DirectoryHolder, DirectoryLock } from "../ports/disk.ts";
import type { ByteStream, StreamHandler } from "../ports/network.ts";
import { hostEntropy } from "./entropy.ts";
import { streamOf } from "./network.ts";

const HOLDER = "holder.json";
const SERVING = /^serving\.(\d{1,15})$/;
const APPLYING = "applying-";
/** What fits a socket's address, less its final zero. */
const SOCKET_PATH_BYTES_MAX = process.platform === "linux" ? 107 : 103;

type Attach = (stream: ByteStream) => StreamHandler;

/** Takes `root` for this process, making it if it is missing, or says who has it. */
export async function lockDirectory(root: string): Promise<DirectoryLock | DirectoryHolder> {
  await mkdir(root, { recursive: true, mode: 0o700 });
  for (;;) {
    const last = await newest(root);
    const found = last === 0 ? "gone" : await knock(root, last);
    if (found === "moved") continue;
    if (found !== "gone") {
      if (typeof found === "object") found.destroy();
      return readHolder(root);
    }
    const made = await claim(root, last + 1);
    if (made !== undefined) return held(root, last + 1, made);
  }
}

/**
 * Opens a stream to the process that has `root`; undefined if none has. Rejects with DATA_DIR_IN_USE if another user's
 * process has it or had it last.
 */
export async function reachHolder(root: string, attach: Attach): Promise<ByteStream | undefined> {
  for (;;) {
    const last = await newest(root);
    const found = last === 0 ? "gone" : await knock(root, last);
    if (typeof found === "object") return streamOf(found, `the process that has ${root}`, attach);
    if (found === "gone") return undefined;
    if (found === "forbidden") throw await ofAnotherUser(root, last);
    if (found === "busy") throw await overloaded(root);
  }
}

/** 0: nobody has or had it; it may not even exist. */
async function newest(root: string): Promise<number> {
  const names = await readdir(root).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  return Math.max(0, ...names.map((name) => Number(SERVING.exec(name)?.[1] ?? 0)));
}

/**
 * Connects to `serving.N`. `gone`: nobody listens any more; `moved`: it was removed, a higher one counts; `busy`: it
 * listens, and more wait than it lets; `forbidden`: it is another user's.
 */
async function knock(
  root: string,
  n: number,
): Promise<Socket | "gone" | "moved" | "busy" | "forbidden"> {
  const place = await addressOf(root, `serving.${n}`);
  const socket = connect({ path: place.path });
  // After this, whoever asked sees a reset as the end of the stream.
  const code = await new Promise<string>((done) => {
    socket.on("error", (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
    socket.once("connect", () => done(""));
  });
  await place.handle?.close();
  switch (code) {
    case "":
      return socket;
    case "ECONNREFUSED":
    case "ENOTSOCK":
      return "gone";
    case "ENOENT":
      return "moved";
    case "EAGAIN":
      return "busy";
    case "EACCES":
    case "EPERM":
      return "forbidden";
    default:
      throw new Error(`connect ${code} ${join(root, `serving.${n}`)}`);
  }
}

/** A socket that listens, and the connections that came before anybody attends to them. */
interface Listener {
  readonly server: Server;
  readonly early: Set<Socket>;
  readonly keep: (socket: Socket) => void;
}

function listener(): Listener {
  const early = new Set<Socket>();
  const keep = (socket: Socket): void => {
    early.add(socket);
    socket.unref();
    socket.on("error", () => {});
    socket.once("close", () => early.delete(socket));
  };
  const server = createServer(keep);
  server.unref();
  return { server, early, keep };
}

/** Closes the socket now; its connections are their owners' to end. */
function stop({ server, early }: Listener): void {
  server.close();
  for (const socket of early) socket.destroy();
}

/** Listens as `serving.N`; undefined if another process was faster, however long ago. */
export async function claim(root: string, n: number): Promise<Listener | undefined> {
  const own = `${APPLYING}${process.pid}-${hostEntropy.u32()}`;
  const made = listener();
  const place = await addressOf(root, own);
  try {
    await listening(made.server, place.path);
    await chmod(join(root, own), 0o600);
    await link(join(root, own), join(root, `serving.${n}`));
    // Twice: a listing that is overtaken by a hand-over may miss both the old name and the new one.
    if ((await newest(root)) === n && (await newest(root)) === n) {
      await tidy(root, n - 1);
      return made;
    }
    await rm(join(root, `serving.${n}`), { force: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Another one has the number, or has the directory already and has tidied it.
    if (code !== "EEXIST" && code !== "ENOENT") {
      stop(made);
      throw error;
    }
  } finally {
    await place.handle?.close();
    await rm(join(root, own), { force: true });
  }
  stop(made);
  return undefined;
}

/** `exclusive`: in a worker of node:cluster the parent would listen for all of them, and each would have it. */
function listening(server: Server, path: string): Promise<void> {
  return new Promise((done, failed) => {
    server.once("error", failed);
    server.listen({ path, exclusive: true }, () => {
      server.removeListener("error", failed);
      done();
    });
  });
}

/** Removes what is of no use: numbers before `n`, names of applicants that were killed. */
async function tidy(root: string, n: number): Promise<void> {
  for (const name of await readdir(root)) {
    const number = SERVING.exec(name)?.[1];
    const old = number !== undefined && Number(number) < n;
    if (old || name.startsWith(APPLYING)) await rm(join(root, name), { force: true });
  }
}

async function held(root: string, n: number, made: Listener): Promise<DirectoryLock> {
  const { server, early, keep } = made;
  const announce = (url: string): Promise<void> =>
    writeFile(
      join(root, HOLDER),
      JSON.stringify({ pid: process.pid, program: process.argv[1] ?? "node", url }),
    );
  await announce("");
  return {
    announce,
    accept: (attach) => {
      const begin = (socket: Socket): void =>
        streamOf(socket, "a process of this machine", attach).keepAlive(false);
      server.off("connection", keep);
      server.on("connection", begin);
      for (const socket of early) begin(socket);
      early.clear();
    },
    release: async () => {
      // If that fails (no space, the directory is gone) a socket that refuses says the same.
      await vacate(root, n + 1).catch(() => {});
      stop(made);
    },
  };
}

/** Nobody has the directory: a plain file as the next number, so that no socket is left behind. */
async function vacate(root: string, n: number): Promise<void> {
  await rm(join(root, HOLDER), { force: true });
  const vacant = join(root, `serving.${n}`);
  await writeFile(vacant, "", { flag: "wx" });
  await chmod(vacant, 0o666);
  await tidy(root, n);
}

/**
 * An address of `name` that is short enough for a socket: the path, the path from the working directory, or on Linux
 * one through an open handle of the directory, to be closed after use.
 */
async function addressOf(
  root: string,
  name: string,
): Promise<{ readonly path: string; readonly handle?: FileHandle }> {
  const path = join(root, name);
  const near = join(relative(process.cwd(), root), name);
  for (const each of [path, near])
    if (Buffer.byteLength(each) <= SOCKET_PATH_BYTES_MAX) return { path: each };
  if (process.platform === "linux") {
    const handle = await open(root, "r");
    return { path: `/proc/self/fd/${handle.fd}/${name}`, handle };
  }
  throw fail("CONFIG", {
    object: `data directory ${root}`,
    what: `has a path longer than a local socket can have here (${SOCKET_PATH_BYTES_MAX} bytes)`,
    remedy: "Use a shorter path, or run in a directory nearer to it.",
  });
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
    // The holder has the directory and has not written who it is yet.
    return { pid: 0, program: "unknown", url: "" };
  }
}

async function overloaded(root: string): Promise<Error> {
  const { pid, program } = await readHolder(root);
  return fail("UNAVAILABLE", {
    object: `data directory ${root}`,
    what: "is open in a process that does not answer, and as many wait for it as may",
    holder: `pid ${pid} (${program})`,
    remedy: "See whether that process is stopped or busy.",
    outcome: "definite",
  });
}

async function ofAnotherUser(root: string, n: number): Promise<Error> {
  const owner = await lstat(join(root, `serving.${n}`)).then(
    ({ uid }: Stats) => `user ${uid}`,
    () => "another user",
  );
  const { pid, program } = await readHolder(root);
  return fail("DATA_DIR_IN_USE", {
    object: `data directory ${root}`,
    what: `is or was last used by ${owner}, whose processes alone may attach`,
    holder: `pid ${pid} (${program})`,
    remedy: `Run as that user; if none of its processes runs, remove serving.${n} there.`,
  });
}
