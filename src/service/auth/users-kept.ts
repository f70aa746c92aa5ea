/** A replica whose users stay enabled, whoever asks and however. */
import { altered } from "../../driver/altered.ts";
import type { Driver } from "../../driver/face.ts";
import { authRefused } from "../../keyspace/auth/refusals.ts";

/** `driver`, which refuses to disable users: AUTH_REFUSED, definite. */
export function withUsersKept(driver: Driver): Driver {
  return altered(driver, {
    submit: (request, caller, done, identity) => {
      const disabling = request.kind === "auth" && request.order.kind === "disable";
      if (!disabling) return driver.submit(request, caller, done, identity);
      // Whoever may not do it learns no more than that. An answer never comes before its question has been put.
      const failure = driver.refuses(request, identity) ?? authRefused("guarding", "users");
      void Promise.resolve().then(() => done({ ok: false, failure }));
    },
  });
}
