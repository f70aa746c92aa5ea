/** `quorate version`: this program, the Node that runs it. No connection. */
import { readFileSync } from "node:fs";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import type { Context } from "../context.ts";

/** The version of the package. */
export function packageVersion(): string {
  const near = new URL("../../../../package.json", import.meta.url);
  const read = JSON.parse(readFileSync(near, "utf8")) as { readonly version: string };
  return read.version;
}

export async function run(context: Context): Promise<ExitCode> {
  const { arch, platform, version: node } = process;
  const version = packageVersion();
  if (context.terminal.format === "json")
    context.terminal.json({ quorate: version, node, platform, arch });
  else context.terminal.line(`quorate ${version} (node ${node.slice(1)}, ${platform}-${arch})`);
  return EXIT.ok;
}
