/** What clients of real members asked and were told, in the order in which this process saw it. */
import { utf8 } from "../../src/base/bytes.ts";
import { QuorateError } from "../../src/base/errors.ts";
import type { Prng } from "../../src/base/prng.ts";
import type { Keyspace } from "../../src/contract/keyspace.ts";
import type { ResponseOf } from "../../src/contract/requests.ts";
import type { Answer, Call, KeyspaceCall } from "../../src/verify/history/calls.ts";
import type { HistoryEvent, Scope } from "../../src/verify/history/history.ts";

type Untimed<E> = E extends unknown ? Omit<E, "at"> : never;
type Reply<C extends KeyspaceCall> = ResponseOf[C["kind"]];

export class Recording {
  readonly events: HistoryEvent[] = [];
  answered = 0;
  #operations = 0;

  record(event: Untimed<HistoryEvent>): void {
    this.events.push({ ...event, at: performance.now() } as HistoryEvent);
  }

  /** Does `act` as the operation `call` of `process`; undefined: it failed, which is recorded as well. */
  async operation<T>(
    process: string,
    call: Call,
    act: () => Promise<T>,
    answerOf: (result: T) => Answer,
  ): Promise<T | undefined> {
    const op = ++this.#operations;
    this.record({ type: "invoke", process, op, call });
    try {
      const result = await act();
      this.record({ type: "answer", op, answer: answerOf(result) });
      this.answered++;
      return result;
    } catch (error) {
      if (!QuorateError.is(error)) throw error;
      this.record({ type: error.outcome, op, code: error.code });
      return undefined;
    }
  }

  async call<C extends KeyspaceCall>(
    process: string,
    keyspace: Keyspace,
    call: C,
  ): Promise<Reply<C> | undefined> {
    return await this.operation(
      process,
      call,
      () => keyspace.call(call),
      (answer) => answer as Answer,
    );
  }

  /** Watches `scope` from the revision `from` until `stop` aborts; `seen` is told how far it is. */
  async watch(
    { process, watch, resumes }: { process: string; watch: string; resumes?: string | undefined },
    keyspace: Keyspace,
    scope: Scope,
    from: number,
    stop: AbortSignal,
    seen: (revision: number) => void = () => {},
  ): Promise<void> {
    this.record({ type: "watch", process, watch, ...scope, from, resumes });
    const request = { ...scope, startRevision: from };
    let code: string | undefined;
    try {
      for await (const { revision, events } of keyspace.watch(request, { signal: stop })) {
        this.record({ type: "batch", watch, revision, events });
        seen(revision);
      }
    } catch (error) {
      if (!QuorateError.is(error)) throw error;
      ({ code } = error);
    }
    this.record({ type: "watch-ended", watch, code });
  }
}

/** One of the calls that clients make, on one of so many keys below a prefix. */
export function drawnCall(
  random: Prng,
  { prefix, scope }: { readonly prefix: string; readonly scope: Scope },
  keys: number,
  value: string,
): KeyspaceCall {
  const key = utf8(`${prefix}${random.below(keys)}`);
  const put = { kind: "put", key, value: utf8(value) } as const;
  switch (random.below(6)) {
    case 0:
    case 1:
      return put;
    case 2:
      return { kind: "deleteRange", key };
    case 3: {
      const compare = { key, result: "greater", target: { kind: "version", value: 0 } } as const;
      return { kind: "txn", compare: [compare], success: [put], failure: [{ kind: "range", key }] };
    }
    case 4:
      return { kind: "range", ...scope };
    default:
      return { kind: "range", key };
  }
}
