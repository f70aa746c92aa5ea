/** Mistakes are planted by the simulations, and nameable by nothing else. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "..", "..", "..");
/** What gives a machine other rules than its own, or has the mistakes. */
const GIVES = /(raft|replica)\/rules\.ts"|driver\/makers\.ts"|openDriverMadeBy|verify\/planted\//;

function sources(folder: string): readonly string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
    .map((name) => `${folder}/${name}`);
}

test("[PLANT-3] no floor but verify can give a machine other rules than its own", () => {
  const own = /^src\/(verify|driver)\//;
  const others = sources("src").filter((path) => !own.test(path));
  assert.ok(others.length > 200 && others.some((path) => path.startsWith("src/server/")));
  for (const path of others)
    assert.doesNotMatch(readFileSync(join(root, path), "utf8"), GIVES, path);
  const driver = sources("src/driver").filter((path) =>
    /openDriverMadeBy/.test(readFileSync(join(root, path), "utf8")),
  );
  assert.deepEqual(driver, ["src/driver/driver.ts"]);
});
