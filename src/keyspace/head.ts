/**
 * The head: evaluates commands against base and overlay, adds their effects to the open entry.
 *
 * Invariants: I1 a command's effects are added whole or not at all; a throw drops only its own. I2 a stamped command
 * that changed something carries its reply in the same effects; the same stamp again gets that reply. I3 base, overlay
 * and request together stay within the quota. I4 nothing is evaluated for whoever may not ask for it in the state that it
 * would be evaluated on.
 * Leaves out: when to seal, commit and answer (the replica); who may ask again (`head-callers.ts`).
 */
import type { Bytes } from "../base/bytes.ts";
import type { Failure } from "../base/errors.ts";
import { asFailure, fail, failure, QuorateError } from "../base/errors.ts";
import type { Prng } from "../base/prng.ts";
import type { AuthOrder, Identity } from "../contract/auth.ts";
import { NOBODY } from "../contract/auth.ts";
import { resultText } from "../contract/commit-revision.ts";
import { fireDue, prefixed } from "../contract/due.ts";
import type { Procedure, ProcedureSet } from "../contract/procedure.ts";
import type {
  CallerStamp,
  Command,
  KeyValue,
  Reply,
  Response,
  RunRequest,
} from "../contract/requests.ts";
import { Authority } from "./auth/authority.ts";
import { carriedOut } from "./auth/orders.ts";
import type { Base } from "./base.ts";
import type { Effects, MetaChange, Outcome } from "./effects.ts";
import { HeadCallers } from "./head-callers.ts";
import { guarded, GuardedReads, HeadReads, runProcedure } from "./head-run.ts";
import type { GrantOptions } from "./meta-commands.ts";
import { compact, grantLease, revokeLease, switchAlarm } from "./meta-commands.ts";
import { metaBytes, Overlay, TRANSACTION_BYTES } from "./overlay.ts";
import type { RangeSource } from "./range.ts";
import { REPLY_BYTES_MAX } from "./reply-bytes.ts";
import { Scratch } from "./scratch.ts";
import type { TransactionScope } from "./transaction.ts";
import { evaluateDelete, evaluatePut, evaluateTxn, leaseNotFound } from "./transaction.ts";
import { invalid } from "./validate.ts";

/** Most of the quota that is kept for callers: some 250 of them. */
const CALLER_RESERVE_BYTES: number = 64 << 10;
/** Uncommitted bytes beyond which commands are turned away. */
const OVERLAY_BYTES_MAX: number = 6 << 20;

export interface HeadOptions extends GrantOptions {
  readonly procedures: ProcedureSet;
  readonly quotaBytes: number;
  /** Re-executes procedures with suspensions at random, to catch those that break the rules. */
  readonly strict?: Prng | undefined;
}

export interface Evaluation {
  readonly reply: Reply;
  /** Whether effects were added to the open entry. */
  readonly wrote: boolean;
  /** The reply is that of the same command, sent before. */
  readonly recalled?: boolean | undefined;
}

/** A command and who asks for it. */
interface Asked {
  readonly command: Command;
  readonly caller: CallerStamp | undefined;
  readonly time: number;
  readonly identity: Identity;
}

export class Head {
  readonly #base: Base;
  readonly #options: HeadOptions;
  readonly #procedures: ProcedureSet;
  #overlay: Overlay;
  /** Who may do what at the head. */
  #authority: Authority;
  #callers: HeadCallers;
  readonly procedureNames: readonly string[];

  constructor(base: Base, options: HeadOptions) {
    this.#base = base;
    this.#options = options;
    const fire = fireDue(options.procedures, prefixed) as Procedure<never, unknown>;
    this.#procedures = new Map([...options.procedures, [fire.name, fire]]);
    this.procedureNames = [...this.#procedures.keys()].sort();
    [this.#overlay, this.#authority, this.#callers] = headOf(base);
  }

  get openCount(): number {
    return this.#overlay.openCount;
  }
  get overlayBytes(): number {
    return this.#overlay.bytes;
  }
  get revision(): number {
    return this.#overlay.revision;
  }

  /** Closes the open entry; its transactions go to the log under `index`. */
  seal(index: number): readonly Effects[] {
    return this.#overlay.seal(index);
  }
  /** The entries up to `index` are applied to the base. */
  committed(index: number): void {
    this.#overlay.committed(index);
  }
  /** Leadership is lost: whatever is not committed was never evaluated. */
  rollback(): void {
    [this.#overlay, this.#authority, this.#callers] = headOf(this.#base);
  }

  /** Evaluates `command` at keyspace time `time`, if `identity` may ask for it. */
  evaluate(
    command: Command,
    caller: CallerStamp | undefined,
    time: number,
    identity: Identity = NOBODY,
  ): Evaluation {
    const known = caller === undefined ? undefined : this.#callers.recall(caller, identity);
    if (known !== undefined) return { reply: known, wrote: false, recalled: true };
    const overloaded = this.#overloaded();
    if (overloaded !== undefined) {
      const reply: Reply = { ok: false, failure: overloaded };
      if (caller !== undefined) this.#callers.keep(caller, reply);
      return { reply, wrote: false };
    }
    const evaluation = this.#evaluateOnce({ command, caller, time, identity });
    // Whatever left no record in the log must not take effect when a delayed copy of the command arrives.
    const recorded = evaluation.wrote && evaluation.reply.ok;
    if (caller === undefined || recorded) return evaluation;
    this.#callers.keep(caller, evaluation.reply);
    return command.kind !== "callerClose" && this.#callers.isSignDue(caller, time)
      ? this.#record(command, caller, evaluation)
      : evaluation;
  }

  #record(command: Command, caller: CallerStamp, { reply }: Evaluation): Evaluation {
    this.propose([replied(caller, command.kind, reply)]);
    return { reply, wrote: true };
  }

  #evaluateOnce(asked: Asked): Evaluation {
    const { command, caller, identity } = asked;
    const refused = invalid(command) ?? this.#authority.refuses(identity, command);
    if (refused !== undefined) return { reply: { ok: false, failure: refused }, wrote: false };
    const scratch = new Scratch(this.#overlay.layer, this.#overlay.revision + 1);
    try {
      const outcome = this.#dispatch(asked, scratch);
      return this.#finish(command, caller, scratch, outcome);
    } catch (error) {
      const object = command.kind === "run" ? `procedure ${command.procedure}` : command.kind;
      if (!QuorateError.is(error) && command.kind !== "run") throw error;
      const reason = QuorateError.is(error) ? error.failure : thrownBy(object, error);
      return { reply: { ok: false, failure: reason }, wrote: false };
    }
  }

  /** Adds effects that the replica itself decides on, such as closing idle callers. */
  propose(meta: readonly MetaChange[]): void {
    for (const change of meta) if (change.kind === "callerClosed") this.#callers.forget(change.id);
    this.#add({ revision: 0, changes: [], meta }, [], 0);
  }

  #add(effects: Effects, states: readonly KeyValue[], changeBytes: number): void {
    let bytes = TRANSACTION_BYTES + changeBytes;
    for (const meta of effects.meta) bytes += metaBytes(meta);
    this.#overlay.add(effects, states, bytes);
  }

  /** One step of the end of a lease whose time is over; false when there is nothing left to do. */
  expire(id: bigint): boolean {
    const lease = this.#overlay.lease(id);
    if (lease === undefined) return false;
    this.#revoke(id, new Scratch(this.#overlay.layer, this.#overlay.revision + 1));
    return true;
  }

  /** Whether as much is uncommitted as may be: one command or expiry more would still fit a log entry, two may not. */
  get full(): boolean {
    return this.#overlay.bytes >= OVERLAY_BYTES_MAX;
  }

  #overloaded(): Failure | undefined {
    if (!this.full) return undefined;
    return failure("OVERLOADED", {
      object: "log",
      what: `${this.#overlay.bytes} bytes of changes wait for the disk`,
      remedy: "Send less at a time, or give the data directory a faster disk.",
    });
  }

  #finish(
    command: Command,
    caller: CallerStamp | undefined,
    scratch: Scratch,
    outcome: Outcome,
  ): Evaluation {
    const { changes } = scratch;
    const meta: MetaChange[] = [...(outcome.meta ?? [])];
    const reply: Reply = { ok: true, response: outcome.response };
    if (changes.length === 0 && meta.length === 0) return { reply, wrote: false };
    let bytes = TRANSACTION_BYTES + scratch.bytes;
    for (const change of meta) bytes += metaBytes(change);
    if (caller !== undefined) {
      const record = replied(caller, command.kind, reply);
      const recordBytes = metaBytes(record);
      if (recordBytes > REPLY_BYTES_MAX) throw replyTooLarge(command);
      bytes += recordBytes;
      meta.push(record);
    }
    const effects = { revision: changes.length > 0 ? scratch.revision : 0, changes, meta };
    const full = this.#quota(command, effects, bytes);
    if (full !== undefined) return full;
    this.#overlay.add(effects, scratch.states(), bytes);
    return { reply, wrote: true };
  }

  /** Refuses what would grow the store beyond its quota, and raises the alarm. */
  #quota(command: Command, effects: Effects, bytes: number): Evaluation | undefined {
    if (!grows(command, effects)) return undefined;
    const { quotaBytes } = this.#options;
    const alarmed = this.#overlay.alarm("NOSPACE");
    const total = this.#base.bytes + this.#overlay.bytes + bytes;
    // Whoever comes to empty a full store needs a caller: the last of the quota is theirs.
    if (command.kind === "callerOpen" && total <= quotaBytes) return undefined;
    if (!alarmed && total <= quotaBytes - callerReserve(quotaBytes)) return undefined;
    if (!alarmed) this.propose([{ kind: "alarmed", alarm: "NOSPACE", on: true }]);
    const reply: Reply = {
      ok: false,
      failure: failure("QUOTA", {
        object: "keyspace",
        what: `the quota of ${quotaBytes} bytes is used up`,
        remedy: "Delete keys, compact, then take the alarm NOSPACE off; or raise --quota-bytes.",
        details: { quotaBytes },
      }),
    };
    return { reply, wrote: !alarmed };
  }

  #scope(scratch: Scratch): TransactionScope {
    return {
      before: this.#overlay.layer,
      scratch,
      revision: this.#overlay.revision,
      compactRevision: this.#overlay.compactRevision,
      leaseAccepts: (id) => this.#overlay.lease(id)?.fenced === false,
      at: (revision) => this.#at(revision),
    };
  }

  /** The state at a past revision, which may be one that is evaluated but not committed. */
  #at(revision: number): RangeSource {
    return revision > this.#base.revision ? this.#overlay.at(revision) : this.#base.at(revision);
  }

  #dispatch({ command, identity, time }: Asked, scratch: Scratch): Outcome {
    switch (command.kind) {
      case "put":
        return { response: evaluatePut(this.#scope(scratch), command) };
      case "deleteRange":
        return { response: evaluateDelete(this.#scope(scratch), command) };
      case "txn":
        return { response: evaluateTxn(this.#scope(scratch), command) };
      case "run":
        return { response: this.#run(command, scratch, time, identity) };
      case "leaseGrant":
        return grantLease(this.#overlay, command, this.#options);
      case "leaseRevoke":
        return revokeLease(this.#overlay, command.id, scratch);
      case "callerOpen":
        return this.#meta(this.#callers.open(command.id, identity));
      case "callerClose":
        return this.#meta(this.#callers.close(command.id, identity));
      case "compact":
        return compact(this.#overlay, command);
      case "alarm":
        return switchAlarm(this.#overlay, command);
      case "auth":
        return this.#auth(command.order);
      default:
        // Plain JavaScript can ask for anything; the replica must not stop for it.
        throw fail("INVALID", {
          object: "request",
          what: `is of the unknown kind ${String((command as { readonly kind: unknown }).kind)}`,
          remedy: "Use one of the kinds of the Keyspace contract.",
        });
    }
  }

  #auth(order: AuthOrder): Outcome {
    const { users, revision } = this.#overlay;
    const meta = carriedOut(users, order);
    const last = meta.at(-1);
    const authRevision = last?.kind === "authSet" ? last.revision : users.state.revision;
    return { response: { revision, authRevision }, meta };
  }

  #meta(meta: readonly MetaChange[]): Outcome {
    return { response: { revision: this.#overlay.revision }, meta };
  }

  #run(command: RunRequest, scratch: Scratch, time: number, identity: Identity): Response {
    const procedure = this.#procedures.get(command.procedure);
    if (procedure === undefined) {
      throw new QuorateError(
        failure("PROCEDURE_UNKNOWN", {
          object: `procedure ${command.procedure}`,
          what: "is not known to this version",
          remedy: "Upgrade the server, or let the client evaluate it.",
        }),
      );
    }
    const reads = new GuardedReads(new HeadReads(scratch), (operation) =>
      this.#authority.refuses(identity, operation),
    );
    const { strict } = this.#options;
    const run = guarded(reads, () => runProcedure(procedure, command, reads, time, strict));
    for (const write of run.writes) {
      if (write.kind === "delete") scratch.delete(write.key);
      else this.#putFor(scratch, write.key, write.value, write.lease);
    }
    const revision = scratch.changes.length > 0 ? scratch.revision : this.#overlay.revision;
    return { revision, result: resultText(run.result, revision, command.procedure) };
  }

  #putFor(scratch: Scratch, key: Bytes, value: Bytes, lease: bigint): void {
    if (lease !== 0n && this.#overlay.lease(lease)?.fenced !== false)
      throw new QuorateError(leaseNotFound(lease));
    scratch.put(key, value, lease);
  }

  #revoke(id: bigint, scratch: Scratch): void {
    const { meta } = revokeLease(this.#overlay, id, scratch);
    const revision = scratch.changes.length > 0 ? scratch.revision : 0;
    const effects = { revision, changes: scratch.changes, meta: meta ?? [] };
    this.#add(effects, scratch.states(), scratch.bytes);
  }
}

/** A head at which nothing is uncommitted. */
function headOf(base: Base): [Overlay, Authority, HeadCallers] {
  const overlay = new Overlay(base);
  const authority = new Authority(overlay.users, (id) => overlay.leaseKeys(id));
  return [overlay, authority, new HeadCallers(base, overlay, authority)];
}

/** What of the quota only new callers may use. */
function callerReserve(quotaBytes: number): number {
  return Math.min(CALLER_RESERVE_BYTES, quotaBytes / 16);
}

/** Deletes, compaction and alarms must work on a full store; they are what empties it. */
function grows(command: Command, effects: Effects): boolean {
  switch (command.kind) {
    case "put":
    case "leaseGrant":
    case "callerOpen":
      return true;
    case "txn":
    case "run":
      return effects.changes.some((change) => change.kind === "put");
    case "auth":
      return /^(add|grant)/.test(command.order.kind);
    default:
      return false;
  }
}

function replied(caller: CallerStamp, request: Command["kind"], reply: Reply): MetaChange {
  const { id, sequence, firstUnacked } = caller;
  return { kind: "replied", id, sequence, firstUnacked, request, reply };
}

function replyTooLarge(command: Command): QuorateError {
  return fail("TOO_LARGE", {
    object: command.kind === "run" ? `procedure ${command.procedure}` : command.kind,
    what: `would have an answer of more than ${REPLY_BYTES_MAX} bytes, which cannot be kept for a repetition; it wrote nothing`,
    remedy: "Change less at a time, or leave out the previous values and what else it reads.",
  });
}

function thrownBy(object: string, error: unknown): Failure {
  const seen = asFailure(error, object);
  return failure("INVALID", {
    object,
    what: `threw ${error instanceof Error ? error.message : seen.what}; it wrote nothing`,
    remedy: "Mend the function, or its arguments.",
  });
}
