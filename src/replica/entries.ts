/**
 * Entries of the keyspace as entries of the Raft log, and back.
 *
 * An entry with data is what `encodeEntry` writes. One that begins a term changes nothing and leaves keyspace time as it
 * was. A configuration says who decides; what goes with it is empty, or an entry that says where members are found.
 */
import { ByteWriter } from "../base/codec.ts";
import type { Base } from "../keyspace/base.ts";
import type { Entry, Logged, MetaChange } from "../keyspace/effects.ts";
import { decodeEntry, encodeEntry } from "../keyspace/entry-codec.ts";
import type { MemberRecord } from "../keyspace/members.ts";
import { contextOf, decodeConfiguration } from "../protocols/agreement/raft/configuration.ts";
import type { Entry as RaftEntry } from "../protocols/agreement/raft/messages.ts";

/** The entry that is applied to `base`. Throws `Malformed` for bytes that no member writes. */
export function keyspaceEntry({ index, term, kind, data }: RaftEntry, base: Base): Entry {
  switch (kind) {
    case "data":
      return { index, term, ...decodeEntry(data) };
    case "noop":
      return { index, term, time: base.time, transactions: [] };
    case "config": {
      const context = contextOf(data);
      const said = context.length === 0 ? NOTHING : decodeEntry(context);
      const time = Math.max(base.time, said.time);
      return { index, term, ...said, time, membership: decodeConfiguration(data) };
    }
  }
}
const NOTHING: Logged = { time: 0, transactions: [] };

/** What goes with a configuration that takes `member` in; `toVote`: with the promise of a vote. */
export function memberContext(member: MemberRecord, toVote: boolean): Uint8Array {
  const writer = new ByteWriter(256);
  const meta: MetaChange[] = [{ kind: "memberSet", member }];
  if (toVote) meta.push({ kind: "voteDue", id: member.id });
  encodeEntry(writer, { time: 0, transactions: [{ revision: 0, changes: [], meta }] });
  return writer.take();
}
