/**
 * A program under `node:cluster`, as PM2 starts it: `worker.js DIRECTORY WORKERS ROUNDS`. Each worker counts under a lock,
 * reading and writing in two steps; the primary kills the one that serves once, and prints where the count ends.
 */
import cluster from "node:cluster";
import { once } from "node:events";
import { text, utf8 } from "../../src/base/bytes.ts";
import { connect } from "../../src/sdk/index.ts";
import { until } from "../until.ts";
import { holderPid } from "./crew.ts";

const [directory = "", workers = "4", rounds = "10"] = process.argv.slice(2);

async function count(): Promise<void> {
  const q = await connect(`file:${directory}`, { sessionTtlMs: 3_000 });
  const { keyspace } = q.commitment;
  const key = utf8("count");
  for (let round = 0; round < Number(rounds); round++) {
    await q.lock("count").run(async () => {
      const { kvs } = await keyspace.call({ kind: "range", key });
      const next = Number(kvs[0] === undefined ? 0 : text(kvs[0].value)) + 1;
      await keyspace.call({ kind: "put", key, value: utf8(String(next)) });
    });
    process.send?.("counted");
  }
  await q.close();
}

async function lead(): Promise<void> {
  const exits: Promise<unknown>[] = [];
  let heard = 0;
  for (let n = 0; n < Number(workers); n++) {
    const worker = cluster.fork();
    worker.on("message", () => void heard++);
    exits.push(once(worker, "exit"));
  }
  await until(
    () => heard > Number(workers),
    () => `${heard} counts`,
  );
  const pid = await until(
    () => holderPid(directory) || undefined,
    () => "no worker serves",
  );
  process.kill(pid, "SIGKILL");
  await Promise.all(exits);
  const q = await connect(`file:${directory}`);
  const { kvs } = await q.commitment.keyspace.call({ kind: "range", key: utf8("count") });
  console.log(JSON.stringify({ heard, count: Number(text(kvs[0]?.value ?? utf8("0"))) }));
  await q.close();
}

await (cluster.isPrimary ? lead() : count());
if (cluster.isWorker) process.disconnect();
