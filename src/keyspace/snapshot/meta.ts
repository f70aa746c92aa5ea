/**
 * The first record of a snapshot: what identifies its state.
 *
 * Invariants: I1 what is not whole and of known shape throws `Malformed`; nothing is guessed. I2 what an earlier version
 * wrote is read: it lacks the format, the members, or the instants of its history.
 */
import type { Bytes } from "../../base/bytes.ts";
import { text, utf8 } from "../../base/bytes.ts";
import { Malformed } from "../../base/codec.ts";
import { FORMATS, REMEMBERS_MEMBERS } from "../../contract/formats.ts";
import type { AlarmKind } from "../../contract/requests.ts";
import { ALARM_KINDS } from "../../contract/requests.ts";
import type { Base } from "../base.ts";
import type { MemberRecord, Membership, MembersKept } from "../members.ts";
import type { Instant } from "../timeline.ts";

/** Of a snapshot before the state said of which format it is; later ones have that of the state. */
const UNSAID = 1;

/** What identifies the state of a snapshot. */
export interface SnapshotMeta {
  readonly format: number;
  readonly index: number;
  readonly term: number;
  readonly time: number;
  readonly revision: number;
  readonly compactRevision: number;
  readonly alarms: readonly AlarmKind[];
  /** Absent in one of an earlier version. */
  readonly membership?: Membership | undefined;
  readonly members?: readonly MemberRecord[] | undefined;
  /** From format 3 on. */
  readonly removed?: readonly number[] | undefined;
  readonly toVote?: readonly number[] | undefined;
}

export function metaOf(base: Base): SnapshotMeta {
  const { format, removed, toVote } = base.members.kept;
  const remembers = format >= REMEMBERS_MEMBERS;
  return {
    format: remembers ? format : UNSAID,
    index: base.appliedIndex,
    term: base.term,
    time: base.time,
    revision: base.revision,
    compactRevision: base.compactRevision,
    alarms: [...base.alarms],
    membership: base.members.membership,
    members: base.members.records(),
    ...(remembers ? { removed, toVote } : {}),
  };
}

/** The kept part of the members' records; of an earlier version, what that took for granted. */
export function keptIn({ format, removed = [], toVote = [] }: SnapshotMeta): MembersKept {
  return { format: format === UNSAID ? REMEMBERS_MEMBERS - 1 : format, removed, toVote };
}

/** JSON, with the instants as pairs of time and revision. */
export function encodeMeta(meta: SnapshotMeta, instants: readonly Instant[]): Bytes {
  const timeline = instants.map(({ time, revision }) => [time, revision]);
  return utf8(JSON.stringify({ ...meta, timeline }));
}

export function decodeMeta(bytes: Bytes): {
  readonly meta: SnapshotMeta;
  readonly instants: readonly Instant[];
} {
  const read = parsed(bytes);
  const meta = readMeta(read);
  return { meta, instants: readTimeline(read, meta) };
}

function readMeta(given: unknown): SnapshotMeta {
  const read = given as Partial<SnapshotMeta> | null | undefined;
  const counts = [read?.index, read?.term, read?.revision, read?.compactRevision];
  const sound =
    read !== undefined &&
    read !== null &&
    isFormat(read.format) &&
    [read.removed ?? [], read.toVote ?? []].every(isIds) &&
    counts.every((count) => Number.isSafeInteger(count) && (count as number) >= 0) &&
    Number.isFinite(read.time) &&
    (read.compactRevision as number) <= (read.revision as number) &&
    Array.isArray(read.alarms) &&
    read.alarms.every((alarm) => ALARM_KINDS.includes(alarm)) &&
    (read.membership === undefined || isMembership(read.membership)) &&
    (read.members === undefined || (Array.isArray(read.members) && read.members.every(isMember)));
  if (!sound) throw new Malformed("a first record in an unknown format");
  return read as SnapshotMeta;
}

function isFormat(format: unknown): boolean {
  const isLater = (format as number) >= REMEMBERS_MEMBERS && (format as number) <= FORMATS.newest;
  return format === UNSAID || (Number.isSafeInteger(format) && isLater);
}

function isMembership(given: unknown): boolean {
  const { voters, outgoing, learners } = (given ?? {}) as Partial<Membership>;
  return [voters, outgoing, learners].every(isIds);
}

function isIds(ids: unknown): boolean {
  return Array.isArray(ids) && ids.every((id) => Number.isSafeInteger(id) && id > 0);
}

function isMember(given: unknown): boolean {
  const { id, name, peerUrls, clientUrls, identity } = (given ?? {}) as Partial<MemberRecord>;
  const isText = (each: unknown): boolean => typeof each === "string";
  const urls = [peerUrls, clientUrls];
  return (
    Number.isSafeInteger(id) &&
    isText(name) &&
    isText(identity) &&
    urls.every((each) => Array.isArray(each) && each.every(isText))
  );
}

/** A snapshot of an earlier version has none: its history's age begins anew. */
function readTimeline(given: unknown, meta: SnapshotMeta): readonly Instant[] {
  const { timeline = [] } = given as { readonly timeline?: unknown };
  if (!Array.isArray(timeline)) throw new Malformed("a timeline in an unknown format");
  return timeline.map((pair: unknown) => {
    const [time, revision] = (Array.isArray(pair) ? pair : []) as readonly unknown[];
    const sound =
      Number.isFinite(time) &&
      (time as number) <= meta.time &&
      Number.isSafeInteger(revision) &&
      (revision as number) <= meta.revision;
    if (!sound) throw new Malformed("an instant in an unknown format");
    return { time: time as number, revision: revision as number };
  });
}

function parsed(bytes: Bytes): unknown {
  try {
    return JSON.parse(text(bytes));
  } catch {
    return undefined;
  }
}
