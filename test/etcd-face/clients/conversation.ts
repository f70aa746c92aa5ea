/** A conversation of the npm package `etcd3` with a server; what it was told, with revisions as differences. */
import { Etcd3 } from "etcd3";

/** Told in order. */
export async function converse(endpoint: string): Promise<readonly unknown[]> {
  const client = new Etcd3({ hosts: `http://${endpoint}` });
  const told: unknown[] = [];
  try {
    const put = await client.put("js/a").value("1");
    const first = Number(put.header.revision);
    told.push(["get", await client.get("js/a").string(), await client.get("js/none").string()]);
    await client.put("js/b").value("2");
    told.push(["all", await client.getAll().prefix("js/").sort("Key", "Descend").strings()]);
    told.push(["keys", await client.getAll().prefix("js/").keys()]);
    told.push(["count", await client.getAll().prefix("js/").count()]);

    const txn = await client
      .if("js/a", "Value", "==", "1")
      .and("js/none", "Version", "==", 0)
      .then(client.put("js/c").value("3"), client.get("js/c"))
      .else(client.delete().key("js/a"))
      .commit();
    told.push([
      "transaction",
      txn.succeeded,
      txn.responses.length,
      Number(txn.header.revision) - first,
    ]);
    const refused = await client
      .if("js/a", "Mod", "==", 0)
      .then()
      .else(client.get("js/a"))
      .commit();
    told.push(["failed transaction", refused.succeeded, refused.responses.length]);

    const lease = client.lease(20, { autoKeepAlive: false });
    await lease.put("js/leased").value("5");
    await lease.keepaliveOnce();
    told.push(["leased", await client.get("js/leased").string()]);
    await lease.revoke();
    told.push(["revoked", await client.get("js/leased").string()]);

    told.push(["watch", await watched(client)]);
    told.push(["lock", await locked(client)]);
    told.push(["election", await elected(client)]);
    const gone = await client.delete().prefix("js/");
    told.push(["delete", gone.deleted, await client.getAll().prefix("js/").count()]);
    const missing = await client.getAll().prefix("js/").revision(first).strings();
    told.push(["past", missing]);
  } finally {
    client.close();
  }
  return told;
}

async function watched(client: Etcd3): Promise<readonly unknown[]> {
  const seen: unknown[] = [];
  const watcher = await client.watch().prefix("js/w/").withPreviousKV().create();
  const enough = new Promise<void>((resolve) => {
    const heard = (kind: string, key: string, value: string, before: string | undefined): void => {
      seen.push([kind, key, value, before]);
      if (seen.length === 3) resolve();
    };
    watcher.on("put", (kv, previous) =>
      heard("put", kv.key.toString(), kv.value.toString(), previous?.value.toString()),
    );
    watcher.on("delete", (kv, previous) =>
      heard("delete", kv.key.toString(), kv.value.toString(), previous?.value.toString()),
    );
  });
  await client.put("js/w/1").value("a");
  await client.put("js/w/1").value("b");
  await client.delete().key("js/w/1");
  await enough;
  await watcher.cancel();
  return seen;
}

/** One owns, another is refused until it has let go. */
async function locked(client: Etcd3): Promise<readonly unknown[]> {
  const lock = client.lock("js");
  await lock.acquire();
  const second = await client
    .lock("js")
    .acquire()
    .then(
      () => "acquired",
      (error: unknown) => (error as Error).name,
    );
  await lock.release();
  const third = client.lock("js");
  await third.acquire();
  await third.release();
  return [second, "acquired after release"];
}

async function elected(client: Etcd3): Promise<readonly unknown[]> {
  const election = client.election("js-chief", 10);
  const campaign = election.campaign("me");
  await new Promise<void>((resolve) => campaign.once("elected", () => resolve()));
  const leader = await election.leader();
  await campaign.resign();
  return [leader];
}
