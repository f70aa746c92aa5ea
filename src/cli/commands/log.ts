/**
 * `quorate log inspect DIR`: reads the log of a data directory as recovery would, and reports what
 * it finds.
 *
 * Invariants: I1 opens files for reading only and takes no lock: nothing is cut, removed or
 * created. I2 goes on after damage in one segment to the next, so that the report is whole.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fail } from "../../base/errors.ts";
import { segmentLength, segmentName, segmentNumbers } from "../../driver/log.ts";
import { snapshotNames } from "../../driver/snapshot-files.ts";
import { isZero, type Position, readBatch, SECTOR_BYTES } from "../../replica/log-format.ts";
import { type Context, operand } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { hex, table } from "../output.ts";

/** What one segment holds. */
interface SegmentReport {
  readonly segment: string;
  readonly batches: number;
  readonly firstBatch: number | undefined;
  readonly lastBatch: number | undefined;
  readonly usedBytes: number;
  readonly state: "empty" | "sound" | "torn" | "damaged";
  /** For `torn` and `damaged`: where, and what is wrong there. */
  readonly at?: { readonly byte: number; readonly what: string } | undefined;
}

interface Identity {
  readonly clusterId: string;
  readonly memberId: string;
  readonly logId: number;
  readonly segmentBytes: number;
}

const UNKNOWN: Position = { nextNumber: undefined, checksum: undefined };

export async function inspect(context: Context, operands: readonly string[]): Promise<ExitCode> {
  const directory = operand(operands, 0, "dir");
  const names = await namesOf(directory);
  const identity = await identityOf(directory);
  const segments = await inspectSegments(directory, names, identity);
  const snapshots = snapshotNames(names);
  const damaged = segments.some((segment) => segment.state === "damaged");
  if (context.terminal.format === "json") {
    context.terminal.json({ directory, ...identity, snapshots, segments, damaged });
  } else {
    await print(context, directory, identity, snapshots, segments);
  }
  return damaged ? EXIT.no : EXIT.ok;
}

async function inspectSegments(
  directory: string,
  names: readonly string[],
  identity: Identity,
): Promise<readonly SegmentReport[]> {
  const reports: SegmentReport[] = [];
  let position = UNKNOWN;
  let ended = false;
  let before: number | undefined;
  for (const number of segmentNumbers(names)) {
    const bytes = await readFile(join(directory, segmentName(number)));
    const name = segmentName(number);
    const missing = before !== undefined && number !== before + 1;
    before = number;
    const wrong = misplaced(bytes, segmentLength(number, identity.segmentBytes), ended, missing);
    if (wrong !== undefined) {
      reports.push(reportOf(name, 0, undefined, position, 0, "damaged", wrong));
      continue;
    }
    const read = readSegment(bytes, { logId: identity.logId, segment: number }, name, position);
    const { batches, state } = read.report;
    // After damage the next segment is read for itself: what it follows is not known.
    position = state === "damaged" ? UNKNOWN : read.position;
    ended ||= state === "torn" || (batches === 0 && position.nextNumber !== undefined);
    reports.push(read.report);
  }
  return reports;
}

function misplaced(
  bytes: Uint8Array,
  length: number,
  ended: boolean,
  missing: boolean,
): SegmentReport["at"] {
  if (missing) return { byte: 0, what: "a segment is missing before it" };
  if (bytes.length !== length) {
    return { byte: 0, what: `its length is ${bytes.length} bytes and must be ${length}` };
  }
  if (ended && !isZero(bytes, 0, bytes.length))
    return { byte: 0, what: "data after the end of the log" };
  return undefined;
}

function readSegment(
  bytes: Uint8Array,
  place: { readonly logId: number; readonly segment: number },
  name: string,
  start: Position,
): { readonly report: SegmentReport; readonly position: Position } {
  let position = start;
  let sector = 0;
  let batches = 0;
  let first: number | undefined;
  for (;;) {
    const found = readBatch(bytes, sector, place, position);
    const used = sector * SECTOR_BYTES;
    if (found.kind === "batch") {
      first ??= found.batch.number;
      position = { nextNumber: found.batch.number + 1, checksum: found.batch.checksum };
      sector += found.batch.sectors;
      batches++;
      continue;
    }
    if (found.kind === "end") {
      const state = batches === 0 ? "empty" : "sound";
      return { report: reportOf(name, batches, first, position, used, state), position };
    }
    const at =
      found.kind === "torn"
        ? {
            byte: found.from * SECTOR_BYTES,
            what: `${found.to - found.from} sectors of a batch that was not flushed`,
          }
        : { byte: found.sector * SECTOR_BYTES, what: found.what };
    const state = found.kind === "torn" ? "torn" : "damaged";
    return { report: reportOf(name, batches, first, position, used, state, at), position };
  }
}

function reportOf(
  segment: string,
  batches: number,
  firstBatch: number | undefined,
  position: Position,
  usedBytes: number,
  state: SegmentReport["state"],
  at?: SegmentReport["at"],
): SegmentReport {
  const lastBatch =
    batches === 0 || position.nextNumber === undefined ? undefined : position.nextNumber - 1;
  return { segment, batches, firstBatch, lastBatch, usedBytes, state, at };
}

async function namesOf(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    const what = `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    throw fail(
      "INVALID",
      { object: `directory ${directory}`, what, remedy: "Give the --data-dir of a server." },
      error,
    );
  }
}

async function identityOf(directory: string): Promise<Identity> {
  try {
    const text = await readFile(join(directory, "identity.json"), "utf8");
    const { clusterId, memberId, ...rest } = JSON.parse(text) as Identity;
    return { ...rest, clusterId: hex(BigInt(clusterId)), memberId: hex(BigInt(memberId)) };
  } catch (error) {
    const what =
      "has no identity.json that can be read: not a data directory, or one whose identity is lost";
    const remedy = "Give the --data-dir of a server, or put the file back from a copy.";
    throw fail("DAMAGED", { object: `directory ${directory}`, what, remedy }, error);
  }
}

async function print(
  context: Context,
  directory: string,
  identity: Identity,
  snapshots: readonly string[],
  segments: readonly SegmentReport[],
): Promise<void> {
  const { terminal } = context;
  terminal.line(`${directory}: member ${identity.memberId} of cluster ${identity.clusterId}`);
  terminal.line(`snapshots: ${snapshots.length === 0 ? "none" : snapshots.join(", ")}`);
  const rows = segments.map((each) => [
    each.segment,
    each.state,
    String(each.batches),
    each.firstBatch === undefined ? "-" : `${each.firstBatch}–${each.lastBatch ?? each.firstBatch}`,
    String(each.usedBytes),
  ]);
  terminal.line(await table(["SEGMENT", "STATE", "BATCHES", "NUMBERS", "BYTES"], rows));
  for (const { segment, state, at } of segments) {
    if (at !== undefined) terminal.line(`${segment}: ${state} at byte ${at.byte}: ${at.what}`);
  }
}
