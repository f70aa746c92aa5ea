/** A replica as somebody sees it: whatever is asked through it is asked by them. */
import { QuorateError } from "../../base/errors.ts";
import type { Identity } from "../../contract/auth.ts";
import { altered } from "../../driver/altered.ts";
import type { Driver } from "../../driver/face.ts";

/** `driver` on behalf of whoever `identity` says, each time that something is asked. */
export function acting(driver: Driver, identity: () => Identity): Driver {
  return altered(driver, {
    submit: (request, caller, done) => driver.submit(request, caller, done, identity()),
    watch: (request, sink) => driver.watch(request, sink, identity()),
    refuses: (operation) => driver.refuses(operation, identity()),
    order: (order, done) => driver.order(order, done, identity()),
    snapshot: async (each) => {
      const refused = driver.refuses({ kind: "maintain" }, identity());
      if (refused !== undefined) throw new QuorateError(refused);
      await driver.snapshot(each);
    },
  });
}
