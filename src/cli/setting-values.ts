/** Values of settings that are more than a word or a number. A reader throws `Unreadable`. */
import type { InitialMember } from "../server/cluster/membership.ts";

/** A value that its reader does not take; the message says what it takes. */
export class Unreadable extends Error {}

const URL_FORM = /^https?:\/\/(\[[0-9a-fA-F:.]+\]|[^:/\s]+):\d{1,5}\/?$/;

/** Urls, separated by commas or in a list. */
export function urls(value: unknown): readonly string[] {
  const all: unknown[] =
    typeof value === "string" ? value.split(",") : Array.isArray(value) ? value : [];
  const read = all.map((each) => (typeof each === "string" ? each.replace(/\/$/, "") : ""));
  if (read.length > 0 && read.every((each) => URL_FORM.test(each))) return read;
  throw new Unreadable("urls, as http://10.0.0.1:2379,http://10.0.0.2:2379");
}

/** `name=url,name=url`: a name that comes twice has two urls. */
export function initialCluster(value: unknown): readonly InitialMember[] {
  const members = new Map<string, string[]>();
  const wanted = "members, as m1=http://10.0.0.1:2380,m2=http://10.0.0.2:2380";
  for (const each of typeof value === "string" ? value.split(",") : []) {
    const [, name = "", url = ""] = /^([^=\s]+)=(\S+)$/.exec(each) ?? [];
    if (!URL_FORM.test(url)) throw new Unreadable(wanted);
    members.set(name, [...(members.get(name) ?? []), url.replace(/\/$/, "")]);
  }
  if (members.size === 0) throw new Unreadable(wanted);
  return [...members].map(([name, peerUrls]) => ({ name, peerUrls }));
}
