/** `quorate status`: what the server says of itself. One request. */
import { shownUrl } from "../../sdk/address.ts";
import type { StatusResponse } from "../../contract/requests.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { hex, table } from "../output.ts";
import { callOptions, type Context, withKeyspace } from "../context.ts";

export async function run(context: Context): Promise<ExitCode> {
  return await withKeyspace(context, async (keyspace) => {
    const asked = performance.now();
    const status = await keyspace.call({ kind: "status" }, callOptions(context));
    const roundTripMs = performance.now() - asked;
    if (context.terminal.format === "json") {
      context.terminal.json({
        ...plain(status),
        url: shownUrl(context.url),
        guarantee: keyspace.guarantee,
        roundTripMs,
      });
    } else {
      context.terminal.line(
        await table(["", ""], rows(shownUrl(context.url), status, keyspace.guarantee, roundTripMs)),
      );
    }
    return status.alarms.length === 0 ? EXIT.ok : EXIT.no;
  });
}

function plain(status: StatusResponse): Readonly<Record<string, unknown>> {
  const { clusterId, memberId, leader } = status;
  return { ...status, clusterId: hex(clusterId), memberId: hex(memberId), leader: hex(leader) };
}

function rows(
  url: string,
  status: StatusResponse,
  guarantee: { readonly consistency: string; readonly durability: string },
  roundTripMs: number,
): readonly (readonly string[])[] {
  const used =
    status.quotaBytes === 0 ? "" : ` (${((100 * status.bytes) / status.quotaBytes).toFixed(1)} %)`;
  return [
    ["server", `${url}, version ${status.version}`],
    ["guarantee", `${guarantee.consistency}, durability ${guarantee.durability}`],
    ["member", `${hex(status.memberId)} of cluster ${hex(status.clusterId)}`],
    ["leader", `${hex(status.leader)}, term ${status.term}, commit index ${status.commitIndex}`],
    ["revision", `${status.revision}, compacted to ${status.compactRevision}`],
    ["keys", String(status.keys)],
    ["bytes", `${size(status.bytes)} of ${size(status.quotaBytes)}${used}`],
    ["leases", String(status.leases)],
    ["watchers", String(status.watchers)],
    ["alarms", status.alarms.length === 0 ? "none" : status.alarms.join(", ")],
    ["time", new Date(status.time).toISOString()],
    ["round trip", `${roundTripMs.toFixed(1)} ms`],
  ];
}

export function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const power = Math.min(4, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** power).toFixed(1)} ${["B", "KiB", "MiB", "GiB", "TiB"][power] ?? ""}`;
}
