/**
 * What a batch of the log holds: term, vote, how far the log is committed, and entries.
 *
 * Invariants: I1 every batch says term and vote, so the last one is enough. I2 the first entry of a batch takes the place
 * of whatever stands at its index and after it; with `install` the whole log before the batch is replaced by the snapshot
 * at that index. I3 what is said to be committed is in the log up to the end of the batch.
 * Leaves out: how batches lie in segments (`log-format.ts`).
 */
import type { ByteWriter } from "../base/codec.ts";
import { ByteReader, Malformed } from "../base/codec.ts";
import type { Entry, EntryKind, HardState } from "../protocols/agreement/raft/messages.ts";

/** Where a log goes on. */
export interface Place {
  readonly index: number;
  readonly term: number;
}

export interface LogRecord {
  readonly hardState: HardState;
  /** Up to here everything survives. */
  readonly commit: number;
  /** The snapshot at this place takes the place of the whole log. */
  readonly install: Place | undefined;
  readonly entries: readonly Entry[];
  /** Where the log ends, in a record without entries: so that a damaged log tells it. Absent in those of an earlier version. */
  readonly end?: number | undefined;
}

const INSTALLS = 1;
const KINDS: readonly EntryKind[] = ["noop", "data", "config"];

export function encodeRecord(writer: ByteWriter, record: LogRecord): void {
  const { hardState, commit, install, entries, end = -1 } = record;
  writer.u8(install === undefined ? 0 : INSTALLS);
  writer.uint(hardState.term);
  writer.uint(hardState.vote);
  writer.uint(commit);
  if (install !== undefined) {
    writer.uint(install.index);
    writer.uint(install.term);
  }
  writer.uint(entries[0]?.index ?? end + 1);
  writer.uint(entries.length);
  for (const { term, kind, data } of entries) {
    writer.uint(term);
    writer.u8(KINDS.indexOf(kind));
    writer.uint(data.length);
    writer.array(data);
  }
}

/** Bytes of an entry in a record, at most. */
export function recordedBytes(entry: Entry): number {
  return entry.data.length + ENTRY_BYTES;
}
const ENTRY_BYTES = 24;
/** Bytes of a record without its entries, at most. */
export const RECORD_BYTES = 64;

/** Reads a record; the data of its entries lies in `array`. Throws `Malformed` for anything else. */
export function decodeRecord(array: Uint8Array): LogRecord {
  const reader = new ByteReader(array);
  const flags = reader.u8();
  if (flags > INSTALLS) throw new Malformed("a record of a kind that is not known");
  const hardState = { term: reader.uint(), vote: reader.uint() };
  const commit = reader.uint();
  const install = flags === INSTALLS ? { index: reader.uint(), term: reader.uint() } : undefined;
  const first = reader.uint();
  const count = reader.uint();
  if (first + count > Number.MAX_SAFE_INTEGER) throw new Malformed("an index beyond 2^53");
  const entries: Entry[] = [];
  for (let at = 0; at < count; at++) {
    const term = reader.uint();
    const kind = KINDS[reader.u8()];
    if (kind === undefined) throw new Malformed("an entry of an unknown kind");
    entries.push({ index: first + at, term, kind, data: reader.view(reader.uint()) });
  }
  if (!reader.done) throw new Malformed("bytes after the record");
  const record = { hardState, commit, install, entries };
  return count === 0 && first > 0 ? { ...record, end: first - 1 } : record;
}
