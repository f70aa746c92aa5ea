/** Users on the command line: from none to a store that asks who comes, and what is then printed. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { Shell } from "./shell.ts";

describe("users on the command line", { timeout: 480_000 }, () => {
  const shell = new Shell();
  before(async () => {
    await shell.serve("--data-dir ./served --auth-token simple --auth-token-ttl-s 60");
  });
  after(() => shell.close());

  /** What a line prints, and its exit code. */
  async function says(line: string, code: number, said: RegExp, input = ""): Promise<string> {
    const ended = await shell.run(line, input);
    const all = ended.stdout + ended.stderr;
    assert.equal(ended.code, code, `${line}: ${all}`);
    assert.match(all, said, line);
    assert.doesNotMatch(all, /hidden|\$scrypt/, `${line} tells a password or its hash`);
    return all;
  }

  test("[CLI-24] a store is given users and asks for them until they are disabled (one server)", async () => {
    await says("quorate auth user add root", 2, /password: is empty/);
    await says("quorate auth user add root", 0, /user root added/, "hidden\n");
    await says("quorate auth enable", 3, /AUTH_REFUSED/);
    await says("quorate auth user grant root root", 0, /root has role root/);
    await says("quorate auth user add ann", 0, /added/, "hidden too\nignored\n");
    await says("quorate auth role add r", 0, /added/);
    await says("quorate auth role grant r sing a", 2, /none/);
    await says("quorate auth role grant r readwrite a/ --prefix", 0, /may readwrite/);
    await says("quorate auth role grant r read x --from-key", 0, /may read/);
    await says("quorate auth role show r", 0, /readwrite\s+a\/\s+a0\nread\s+x\s+no end/);
    await says("quorate auth user grant ann r", 0, /has role r/);
    await says("quorate auth enable", 0, /enabled/);
    await says("quorate get a/1", 3, /UNAUTHENTICATED \(definite\)/);
    await says("quorate put a/1 v --user 'ann:hidden too'", 0, /put at/);
    await says("quorate put b v --user 'ann:hidden too'", 3, /PERMISSION_DENIED.*key b/);
    await says("quorate get a/1 --user ann:wrong", 3, /UNAUTHENTICATED.*do not fit/);
    await says("quorate auth user list --user 'ann:hidden too'", 3, /PERMISSION_DENIED/);
    await says("quorate auth user show ann --user 'ann:hidden too'", 0, /^r$/m);
    shell.environment["QUORATE_USER"] = "root:hidden";
    await says("quorate get a/1", 0, /v/);
    await says("quorate auth status --output json", 0, /"enabled":true,"authRevision":8/);
    await says("quorate --help", 0, /--user/);
    const url = shell.environment["QUORATE_URL"] ?? "";
    shell.environment["QUORATE_URL"] = url.replace("//", "//root:hidden@");
    await says("quorate status", 0, /root@/);
    await says("quorate --help", 0, /root@/);
    await says("quorate snapshot save all.snap", 0, /saved quorate:\/\/root@/);
    if (spawnSync("script", ["--version"]).status === 0)
      await says(`script -qec "quorate top --looks 1" /dev/null`, 0, /root@/);
    await says("quorate auth disable", 0, /disabled/);
    shell.environment["QUORATE_URL"] = url;
    delete shell.environment["QUORATE_USER"];
    await says("quorate get a/1", 0, /v/);
  });

  test("[CLI-24] users are there when the server comes back, and tokens cannot be configured at random (one server)", async () => {
    await says("quorate serve --data-dir ./other --auth-token jwt,sign-method=none", 2, /CONFIG/);
    await says("quorate serve --data-dir ./other --auth-token nonsense", 2, /auth-token/);
    await says("quorate auth user list", 0, /^ann\nroot$/m);
  });
});
