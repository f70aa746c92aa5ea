/** A driver that does some things in another way than the one behind it. */
import type { Driver } from "./face.ts";

/** `driver`, but for what `own` does; what is read of it is read each time. */
export function altered(driver: Driver, own: Partial<Driver>): Driver {
  return {
    label: driver.label,
    get users() {
      return driver.users;
    },
    submit: (request, caller, done, identity) => driver.submit(request, caller, done, identity),
    watch: (request, sink, identity) => driver.watch(request, sink, identity),
    refuses: (operation, identity) => driver.refuses(operation, identity),
    status: () => driver.status(),
    members: () => driver.members(),
    order: (order, done, identity) => driver.order(order, done, identity),
    standing: () => driver.standing(),
    onStanding: (listener) => driver.onStanding(listener),
    onStopped: (listener) => driver.onStopped(listener),
    snapshot: (each) => driver.snapshot(each),
    announce: (url) => driver.announce(url),
    accept: (attach) => driver.accept(attach),
    close: () => driver.close(),
    ...own,
  };
}
