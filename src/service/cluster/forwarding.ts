/**
 * A driver whose requests go to the member that leads where this one may not answer them: for clients that know of no
 * leaders, as those of etcd. What it can answer by itself (status, watches, serializable reads) it does.
 */
import type { Reply } from "../../contract/requests.ts";
import { altered } from "../../driver/altered.ts";
import type { Driver } from "../../driver/face.ts";
import type { Forwarder } from "../peers/forwarder.ts";

export function forwarding(driver: Driver, forwarder: Forwarder | undefined): Driver {
  if (forwarder === undefined) return driver;
  return altered(driver, {
    submit: (request, caller, done, identity = { kind: "nobody" }) => {
      const here = (reply: Reply): void => {
        if (isElsewhere(reply)) forwarder.submit({ request, caller, identity }, done);
        else done(reply);
      };
      driver.submit(request, caller, here, identity);
    },
  });
}

/** It certainly did not happen here, and may there. */
function isElsewhere(reply: Reply): boolean {
  return !reply.ok && reply.failure.code === "NOT_LEADER" && reply.failure.outcome === "definite";
}
