/**
 * A directory for programs under test, and the end of whatever runs in it.
 *
 * I1: nothing that runs in the directory outlives the test, however that ends: a keeper in a session of its own waits for the
 * test's end of a pipe to close, which a killed process does as well, then ends them all and removes the directory.
 *
 * A program is found by its working directory, because PostgreSQL leaves its parent and its process group behind.
 */
import { once } from "node:events";
import { spawn } from "node:child_process";
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const POLL_MS = 20;
const QUIT_MS = 5_000;

export interface Premises {
  /** Others may enter it: a program that refuses to run as root has its own directory below. */
  readonly directory: string;
  close(): Promise<void>;
}

/** Makes the directory and starts its keeper. */
export function openPremises(): Premises {
  const directory = mkdtempSync(join(realpathSync(tmpdir()), "quorate-programs-"));
  chmodSync(directory, 0o755);
  const keeper = spawn(
    process.execPath,
    [fileURLToPath(new URL("keeper.js", import.meta.url)), directory],
    { cwd: "/", detached: true, stdio: ["pipe", "ignore", "inherit"] },
  );
  const gone = once(keeper, "exit");
  return {
    directory,
    close: async () => {
      keeper.stdin.end();
      const [code] = (await gone) as [number | null];
      if (code !== 0) throw new Error(`what ran in ${directory} was not ended: ${code}`);
    },
  };
}

/** Ends everything in the directory and removes it. */
export async function clear(directory: string): Promise<void> {
  await quit(directory);
  // Again for whoever was only about to be on its own.
  await quit(directory);
  await kill(directory);
  rmSync(directory, { recursive: true, force: true });
}

/** `kill -9` for each process that runs in the directory. */
export async function kill(directory: string): Promise<void> {
  for (;;) {
    const inside = runningIn(directory);
    if (inside.length === 0) return;
    for (const pid of inside) signal(pid, "SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/**
 * Has them quit, who was started by none of them first and the rest by itself: PostgreSQL gives its shared memory back when
 * its first process is told to quit, and initdb's when nobody is told.
 */
async function quit(directory: string): Promise<void> {
  const all = runningIn(directory);
  for (const pid of all.filter((each) => !all.includes(parentOf(each)))) signal(pid, "SIGQUIT");
  const end = performance.now() + QUIT_MS;
  while (runningIn(directory).length > 0 && performance.now() < end)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended in between.
  }
}

function runningIn(directory: string): readonly number[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const where = readlinkSync(join("/proc", name, "cwd"));
      return where === directory || where.startsWith(`${directory}/`) ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

/** 0 if it has ended. */
function parentOf(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8");
    // After the program's name, which can hold anything: the state, then the parent.
    return Number(fields.slice(fields.lastIndexOf(")")).split(" ")[2]);
  } catch {
    return 0;
  }
}
