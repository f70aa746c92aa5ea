"""A conversation of the etcd3 package for Python with a server; what it was told, as JSON lines. Revisions are told as
differences from the first one, leases by whether they are there."""
import json
import sys
import threading

import etcd3

host, port = sys.argv[1].rsplit(":", 1)
client = etcd3.client(host=host, port=int(port), timeout=10)


def tell(what, *values):
    print(json.dumps([what, *[v.decode() if isinstance(v, bytes) else v for v in values]]))


first = client.put("py/a", "1").header.revision
tell("put", client.put("py/b", "2", prev_kv=True).header.revision - first)
value, meta = client.get("py/a")
tell("get", value, meta.key, meta.version, meta.mod_revision - first, meta.create_revision - first)
tell("absent", client.get("py/none")[0])
tell("prefix", [[v.decode(), m.key.decode()] for v, m in client.get_prefix("py/", sort_order="descend")])
tell("range", [v.decode() for v, _ in client.get_range("py/a", "py/b")])
tell("replace", client.replace("py/a", "1", "one"), client.replace("py/a", "1", "two"))
tell("put if absent", client.put_if_not_exists("py/a", "x"), client.put_if_not_exists("py/c", "3"))

ok, answers = client.transaction(
    compare=[client.transactions.value("py/a") == "one", client.transactions.version("py/b") > 0],
    success=[client.transactions.put("py/d", "4"), client.transactions.get("py/d")],
    failure=[client.transactions.delete("py/a")],
)
tell("transaction", ok, [[v.decode(), m.key.decode()] for v, m in answers[1]])
ok, answers = client.transaction(
    compare=[client.transactions.mod("py/a") == 0],
    success=[],
    failure=[client.transactions.get("py/a")],
)
tell("failed transaction", ok, [v.decode() for v, _ in answers[0]])

lease = client.lease(60)
client.put("py/leased", "5", lease=lease)
tell("lease", lease.granted_ttl, lease.remaining_ttl > 50, [key.decode() for key in lease.keys])
tell("refresh", lease.refresh()[0].TTL)
lease.revoke()
tell("revoked", client.get("py/leased")[0])

seen, enough = [], threading.Event()


def heard(response):
    for event in response.events:
        seen.append([type(event).__name__, event.key.decode(), event.value.decode()])
        if len(seen) == 3:
            enough.set()


watch = client.add_watch_prefix_callback("py/w/", heard)
client.put("py/w/1", "a")
client.put("py/w/1", "b")
client.delete("py/w/1")
tell("heard in time", enough.wait(20))
client.cancel_watch(watch)
tell("watch", seen)

events, cancel = client.watch("py/a", start_revision=first)
tell("watch of the past", [next(events).value.decode() for _ in range(2)])
cancel()

with client.lock("py", ttl=20) as lock:
    tell("lock", lock.is_acquired())
tell("unlocked", lock.is_acquired())
tell("delete", client.delete("py/a"), client.delete("py/a"), client.delete_prefix("py/").deleted)

try:
    client.get("py/b", revision=first + 100_000)
except TypeError:
    pass
client.compact(client.put("py/z", "9").header.revision)
tell("members", len(list(client.members)), client.status().leader is not None)
