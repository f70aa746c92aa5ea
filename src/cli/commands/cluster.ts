/**
 * `quorate cluster`: the members of a cluster, who leads, and changes of that.
 *
 * A member is named by its name, its id in hex as it is printed, or one of its urls.
 */
import { fail, QuorateError } from "../../base/errors.ts";
import type { ClusterAnswer, ClusterOrder, MemberShown } from "../../contract/cluster.ts";
import type { StatusResponse } from "../../contract/requests.ts";
import { orderAt } from "../../engines/remote/order.ts";
import { hostClock } from "../../host/clock.ts";
import { parseServerUrl, shownUrl } from "../../sdk/address.ts";
import { networkOf } from "../../sdk/connect.ts";
import { connect } from "../../sdk/index.ts";
import type { Address } from "../../ports/network.ts";
import { type Context, operand, type Verb } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import type { Flags } from "../flags.ts";
import { memberUrls } from "../member-urls.ts";

/** How long one member may take to say how it is. */
const STATUS_MS = 2_000;

export async function members(context: Context): Promise<ExitCode> {
  const answer = await ordered(context, { kind: "list" });
  return print(context, answer);
}

export const add: Verb = async (context, operands, flags: Flags) => {
  const peerUrls = operand(operands, 0, "URL").split(",");
  const name = flags.text("name") ?? "";
  const answer = await ordered(context, {
    kind: "add",
    name,
    peerUrls,
    learner: flags.on("learner"),
  });
  const { terminal } = context;
  if (terminal.format === "json") return print(context, answer);
  terminal.line(`member ${idOf(answer.added)} added at ${peerUrls.join(",")}`);
  terminal.line(
    "Start it there: quorate serve --peer-listen HOST:PORT --join URL, or quorate etcd --initial-cluster-state existing",
  );
  return EXIT.ok;
};

export const promote: Verb = async (context, operands) => {
  const id = await idNamed(context, operand(operands, 0, "member"));
  try {
    return print(context, await ordered(context, { kind: "promote", id }));
  } catch (error) {
    if (!QuorateError.is(error, "CONTENTION")) throw error;
    context.terminal.note(`not yet: ${error.failure.what}`);
    if (context.terminal.format === "json") context.terminal.json({ promoted: false });
    return EXIT.no;
  }
};

export const remove: Verb = async (context, operands) => {
  const id = await idNamed(context, operand(operands, 0, "member"));
  return print(context, await ordered(context, { kind: "remove", id }));
};

export const transfer: Verb = async (context, operands) => {
  const to = await idNamed(context, operand(operands, 0, "member"));
  return print(context, await ordered(context, { kind: "transfer", to }));
};

/** What each member says of itself; exit code 1 if nobody leads, or one does not answer. */
export async function status(context: Context): Promise<ExitCode> {
  const { rows, isLed } = await look(context);
  const { terminal } = context;
  const last = Math.max(0, ...rows.map(({ applied }) => applied ?? 0));
  if (terminal.format === "json") terminal.json({ members: rows });
  else {
    terminal.line(columns(["member", "id", "role", "term", "applied", "behind", "alarms", "at"]));
    for (const { name, id, role, term, applied, alarms, clientUrls } of rows) {
      const behind = applied === undefined ? "" : String(last - applied);
      const cells = [
        name || "-",
        id || "-",
        role,
        String(term ?? ""),
        String(applied ?? ""),
        behind,
      ];
      cells.push(alarms?.join(",") ?? "");
      terminal.line(columns([...cells, clientUrls.join(",")]));
    }
  }
  const isWell = rows.every(({ role }) => role !== "unreachable" && role !== "unstarted");
  return isLed && isWell && rows.some(({ role }) => role === "leader") ? EXIT.ok : EXIT.no;
}

interface Row {
  /** Empty where it is not known. */
  readonly name: string;
  readonly id: string;
  readonly role: "leader" | "follower" | "learner" | "unreachable" | "unstarted";
  readonly term?: number | undefined;
  readonly applied?: number | undefined;
  /** `CORRUPT` of one member alone: it is being repaired from the others. */
  readonly alarms?: readonly string[] | undefined;
  readonly clientUrls: readonly string[];
}

/** Of all members that whoever leads knows; if nobody does, of those that any of them can name. */
async function look(
  context: Context,
): Promise<{ readonly rows: readonly Row[]; readonly isLed: boolean }> {
  try {
    const { members: all, leader } = await ordered(context, { kind: "list" });
    const rows = await Promise.all(all.map((member) => rowOf(context, member, leader)));
    return { rows, isLed: true };
  } catch (error) {
    if (!QuorateError.is(error, "NOT_LEADER") && !QuorateError.is(error, "TIMEOUT")) throw error;
    const rows = await leaderless(context);
    if (rows.every(({ role }) => role === "unreachable")) throw error;
    context.terminal.note(`no leader answers: ${error.failure.what}`);
    return { rows, isLed: false };
  }
}

/** Without names, which only a leader knows for sure; a member that does not answer is known by its url alone. */
async function leaderless(context: Context): Promise<readonly Row[]> {
  const { url, tls, interrupt } = context;
  const { addresses } = parseServerUrl(url);
  const network = await networkOf(url, { tls });
  const within = (): AbortSignal => AbortSignal.any([interrupt, AbortSignal.timeout(STATUS_MS)]);
  const told = await memberUrls(addresses, network, within);
  const given = addresses.flatMap(urlOf);
  const rows = (told.length > 0 ? told : given).map(async (at): Promise<Row> => {
    const shown = { name: "", clientUrls: [at] };
    const found = await statusAt(context, at);
    if (found === undefined) return { ...shown, id: "", role: "unreachable" };
    const { memberId, leader, term, commitIndex: applied, alarms } = found;
    const role = leader === memberId ? "leader" : "follower";
    return { ...shown, id: memberId.toString(16), role, term, applied, alarms };
  });
  const all = await Promise.all(rows);
  const first = ({ id }: Row): number => all.findIndex((each) => each.id === id);
  return all.filter((row, place) => row.id === "" || place === first(row));
}

function urlOf(address: Address): readonly string[] {
  if (address.kind === "local") return [];
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return [`quorate://${host}:${address.port}`];
}

async function rowOf(context: Context, member: MemberShown, leader: number): Promise<Row> {
  const { id, name, clientUrls, learner } = member;
  const shown = { name, id: idOf(id), clientUrls };
  if (name === "") return { ...shown, role: "unstarted" };
  for (const url of clientUrls) {
    const found = await statusAt(context, url);
    if (found?.memberId !== BigInt(id)) continue;
    const role = id === leader ? "leader" : learner ? "learner" : "follower";
    const { term, commitIndex: applied, alarms } = found;
    return { ...shown, role, term, applied, alarms };
  }
  return { ...shown, role: "unreachable" };
}

async function statusAt(context: Context, url: string): Promise<StatusResponse | undefined> {
  const { tls, credentials, interrupt } = context;
  const signal = AbortSignal.any([interrupt, AbortSignal.timeout(STATUS_MS)]);
  const native = url.replace(/^http/, "quorate");
  try {
    await using q = await connect(native, { tls, credentials, signal });
    return await q.commitment.keyspace.call({ kind: "status" }, { signal });
  } catch (error) {
    if (!QuorateError.is(error)) throw error;
    return undefined;
  }
}

async function ordered(context: Context, order: ClusterOrder): Promise<ClusterAnswer> {
  const { url, tls, credentials, timeoutMs, interrupt } = context;
  if (!/^quorates?:/.test(url))
    throw fail("CONFIG", {
      object: shownUrl(url),
      what: "is no server of a cluster",
      remedy: "Give --url quorate://HOST:PORT, of any member.",
    });
  const { addresses, credentials: inUrl } = parseServerUrl(url);
  const network = await networkOf(url, { tls });
  const { answer } = await orderAt(
    {
      addresses,
      network,
      clock: hostClock,
      label: shownUrl(url),
      program: "quorate-cli",
      credentials: credentials ?? inUrl,
      timeoutMs,
      signal: interrupt,
    },
    order,
  );
  return answer;
}

/** The member that a person means. */
async function idNamed(context: Context, word: string): Promise<number> {
  const { members: all } = await ordered(context, { kind: "list" });
  const found = all.filter(
    ({ id, name, peerUrls, clientUrls }) =>
      idOf(id) === word.toLowerCase() ||
      name === word ||
      [...peerUrls, ...clientUrls].includes(word),
  );
  const [one, ...more] = found;
  if (one !== undefined && more.length === 0) return one.id;
  throw fail("INVALID", {
    object: `member ${word}`,
    what: one === undefined ? "is no name, id or url of a member" : "could be several members",
    remedy: "Give its id: quorate cluster members lists them.",
  });
}

function print(context: Context, { members: all, leader, term }: ClusterAnswer): ExitCode {
  const { terminal } = context;
  if (terminal.format === "json") {
    const shown = all.map((each) => ({ ...each, id: idOf(each.id) }));
    terminal.json({ members: shown, leader: idOf(leader), term });
    return EXIT.ok;
  }
  terminal.line(columns(["member", "id", "role", "peers at", "clients at"]));
  for (const { id, name, peerUrls, clientUrls, learner } of all) {
    const role = id === leader ? "leader" : learner ? "learner" : "voter";
    const cells = [name === "" ? "(not started)" : name, idOf(id), role];
    terminal.line(columns([...cells, peerUrls.join(",") || "-", clientUrls.join(",") || "-"]));
  }
  return EXIT.ok;
}

const WIDTHS = [14, 16, 12, 24, 24, 8, 8];

function columns(cells: readonly string[]): string {
  return cells
    .map((cell, at) => cell.padEnd(WIDTHS[at] ?? 0))
    .join(" ")
    .trimEnd();
}

function idOf(id: number): string {
  return id.toString(16);
}
