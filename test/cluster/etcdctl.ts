/** etcdctl against members of a cluster of processes. */
import { spawn } from "node:child_process";
import type { Process } from "./processes.ts";

export interface Outcome {
  readonly code: number | null;
  readonly out: string;
}

export function etcdctl(
  endpoints: readonly Process[],
  ...words: readonly string[]
): Promise<Outcome> {
  const at = endpoints.map(({ client }) => client).join(",");
  return new Promise((resolve, reject) => {
    const child = spawn("etcdctl", ["--endpoints", at, ...words], {
      // What is slow is not what these tests are about.
      env: { ...process.env, ETCDCTL_COMMAND_TIMEOUT: "30s", ETCDCTL_API: "3" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let out = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (text: Buffer) => (out += text.toString()));
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, out }));
  });
}

/** The fields of each line of `member list`, by name; an empty name is one that was not started. */
export async function listed(...at: readonly Process[]): Promise<Map<string, readonly string[]>> {
  const { out } = await etcdctl(at, "member", "list");
  const lines = out.trim().split("\n");
  return new Map(lines.map((each) => [each.split(", ")[2] ?? "", each.split(", ")] as const));
}
