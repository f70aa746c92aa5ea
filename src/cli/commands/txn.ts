/** `quorate txn`: one atomic transaction, written as etcdctl's. One request. */
import { readFile } from "node:fs/promises";
import { text } from "../../base/bytes.ts";
import { fail } from "../../base/errors.ts";
import type { TxnOperationResponse, TxnResponse } from "../../contract/requests.ts";
import { callOptions, type Context, withKeyspace } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { jsonKeyValue, shown, standardInput } from "../output.ts";
import { readTxn } from "../txn-text.ts";

export async function run(context: Context, operands: readonly string[]): Promise<ExitCode> {
  const [file = "-"] = operands;
  const request = readTxn(file === "-" ? text(await standardInput()) : await fileText(file));
  return await withKeyspace(context, async (keyspace) => {
    const answer = await keyspace.call(request, callOptions(context));
    if (context.terminal.format === "json") context.terminal.json(jsonOf(answer));
    else print(context, answer);
    return answer.succeeded ? EXIT.ok : EXIT.no;
  });
}

async function fileText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const what = `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    const remedy = "Give a file that exists, or - for standard input.";
    throw fail("INVALID", { object: `file ${path}`, what, remedy }, error);
  }
}

function jsonOf({
  revision,
  succeeded,
  responses,
}: TxnResponse): Readonly<Record<string, unknown>> {
  return { revision, succeeded, responses: responses.map(jsonOperation) };
}

function jsonOperation(response: TxnOperationResponse): Readonly<Record<string, unknown>> {
  switch (response.kind) {
    case "range": {
      const { count, more, kvs } = response;
      return { get: { count, more, kvs: kvs.map(jsonKeyValue) } };
    }
    case "put":
      return {
        put: response.prevKv === undefined ? {} : { prevKv: jsonKeyValue(response.prevKv) },
      };
    case "deleteRange":
      return { del: { deleted: response.deleted, prevKvs: response.prevKvs.map(jsonKeyValue) } };
    case "txn":
      return { txn: jsonOf(response) };
  }
}

function print({ terminal }: Context, { revision, succeeded, responses }: TxnResponse): void {
  terminal.line(`${succeeded ? "success" : "failure"} at revision ${revision}`);
  for (const response of responses) {
    if (response.kind === "put") {
      const before =
        response.prevKv === undefined ? "" : `, before: ${shown(response.prevKv.value)}`;
      terminal.line(`put${before}`);
    } else if (response.kind === "deleteRange") {
      terminal.line(`deleted ${response.deleted}`);
    } else if (response.kind === "range") {
      if (response.kvs.length === 0) terminal.line(`${response.count} keys`);
      for (const kv of response.kvs) terminal.line(`${shown(kv.key)} = ${shown(kv.value)}`);
    }
  }
}
