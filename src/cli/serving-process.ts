/**
 * The process of a server, made ready before it serves: what V8 and the kernel do for a process that grows, they do in the
 * midst of its work, and everybody waits.
 *
 * Invariant: the server needs none of it; where the system does not allow it, it is left out. Leaves out: processes that
 * embed Quorate, which are their owners' to set.
 */
import { closeSync, open } from "node:fs";
import { readFile } from "node:fs/promises";
import { PerformanceObserver } from "node:perf_hooks";
import { promisify } from "node:util";
import { getHeapStatistics, setFlagsFromString } from "node:v8";

const openFile = promisify(open);

/** With so many open the table has twice as many places: 2,048. */
const DESCRIPTORS = 1_025;
/** One of so many that the process may open, at most, so that nothing else fails meanwhile. */
const SHARE = 4;
/** A heap of at most this, bytes, is small: to let it grow to four times what is used costs little. */
const SMALL_HEAP_BYTES = 64 << 20;
/** How far a small heap grows until it is collected as a whole, beyond what is used of it: as V8 has it in a busy process. */
const GROWING_PERCENT = 300;
/** Says to V8 that it decides. */
const AS_IT_DECIDES = 0;

/** The collector is set at once; room is made beside what the caller does next. */
export function prepareProcess(): void {
  collectLittle();
  collectSeldom();
  void makeRoom();
}

/**
 * A young generation that stays as small as loading the program left it: a collection of it stops everybody for as long as it
 * takes to copy what is still used, and what watches and connections make is. V8's own grows to 16 MiB and more.
 */
function collectLittle(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
}

/**
 * A small heap is collected as a whole seldom, also when work comes after a rest: V8 takes a process that was at rest for one
 * that grows slowly, and collects for some MiB more that are in use or held outside, as by the TLS of 170 connections. It marks
 * in four threads, and where there are fewer cores the event loop waits for them. A heap that is not small is V8's to decide on.
 */
function collectSeldom(): void {
  let percent: number | undefined;
  const decide = (): void => {
    const isSmall = getHeapStatistics().used_heap_size <= SMALL_HEAP_BYTES;
    const wanted = isSmall ? GROWING_PERCENT : AS_IT_DECIDES;
    if (wanted !== percent) setFlagsFromString(`--heap-growing-percent=${wanted}`);
    percent = wanted;
  };
  decide();
  new PerformanceObserver(decide).observe({ entryTypes: ["gc"] });
}

/**
 * Linux doubles a process's table of descriptors when it is full, and who opens one waits until each core has switched
 * (`expand_fdtable`, fs/file.c): 6 to 15 ms of an event loop that accepts the 257th, 513th and 1,025th connection. The table
 * does not shrink.
 */
async function makeRoom(): Promise<void> {
  const most = await openFilesMax();
  if (most === undefined || most < DESCRIPTORS * SHARE) return;
  const opening = Array.from({ length: DESCRIPTORS }, () => openFile("/dev/null", "r"));
  for (const opened of await Promise.allSettled(opening))
    if (opened.status === "fulfilled") closeSync(opened.value);
}

/** How many files and connections this process may have open; undefined where the system does not say. */
export async function openFilesMax(): Promise<number | undefined> {
  const limits = await readFile("/proc/self/limits", "utf8").catch(() => "");
  const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
  return soft === undefined ? undefined : Number(soft);
}
