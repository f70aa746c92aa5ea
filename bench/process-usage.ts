/**
 * What processes used, from /proc: CPU of a server while it serves, CPU of drivers after they ended, resident memory.
 * Linux only; elsewhere every figure is NaN and is printed as such.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** The kernel's clock tick as user space sees it: 100 per second on every Linux platform that Node supports. */
const TICK_MS = 10;

function stat(pid: number | "self"): readonly string[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The command's name is in parentheses and may contain anything.
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return [];
  }
}

/** CPU that process `pid` has used with all its threads, ms. */
export function cpuMs(pid: number): number {
  const fields = stat(pid);
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** How long the main thread of `pid` has run, ms: on a machine with a core to spare it would have taken no longer. */
export function mainThreadMs(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ")[0]) / 1e6;
  } catch {
    return Number.NaN;
  }
}

/** What the host has taken from all cores of this machine since it began, ms; 0 where that is not told. */
export function stolenMs(): number {
  try {
    const [all = ""] = readFileSync("/proc/stat", "utf8").split("\n");
    return Number(all.trim().split(/ +/)[8] ?? 0) * TICK_MS;
  } catch {
    return 0;
  }
}

/** CPU of the ended and awaited children of this process, ms: servers still running are not in it. */
export function childrenCpuMs(): number {
  const fields = stat("self");
  return (Number(fields[13]) + Number(fields[14])) * TICK_MS;
}

/** Resident memory of `pid`, bytes. */
export function residentBytes(pid: number): number {
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(found?.[1] ?? Number.NaN) * 1024;
}

/** The type of the file system that holds `path`, for example `ext4`. */
export function fileSystemOf(path: string): string {
  try {
    return execFileSync("findmnt", ["-no", "FSTYPE", "-T", path], { encoding: "utf8" }).trim();
  } catch {
    return "unknown";
  }
}
