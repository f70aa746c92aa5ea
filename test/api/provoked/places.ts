/** Errors of what stands around: settings, packages, directories, disks, clocks, addresses, and bugs of our own. */
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createListener } from "node:net";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { utf8 } from "../../../src/base/bytes.ts";
import type { ErrorCode } from "../../../src/base/errors.ts";
import { QuorateError } from "../../../src/base/errors.ts";
import { prng } from "../../../src/base/prng.ts";
import { procedureSet } from "../../../src/contract/procedure.ts";
import type { Reply } from "../../../src/contract/requests.ts";
import type { DriverOptions } from "../../../src/driver/driver.ts";
import { openDriver } from "../../../src/driver/driver.ts";
import type { Driver } from "../../../src/driver/face.ts";
import { hostClock } from "../../../src/host/clock.ts";
import { hostDisk } from "../../../src/host/disk.ts";
import { hostEntropy } from "../../../src/host/entropy.ts";
import { SimDisk } from "../../../src/verify/sim-disk.ts";
import type { Met, Row, Stage } from "./stage.ts";
import { met, printed, thrown } from "./stage.ts";

const DAY_MS = 24 * 3_600_000;
const ROOT = join(import.meta.dirname, "..", "..", "..", "..");

function open(options: Partial<DriverOptions>): Promise<Driver> {
  return openDriver({
    clock: hostClock,
    entropy: hostEntropy,
    procedures: procedureSet([]),
    label: "node",
    ...options,
  });
}

/** The reason for which a driver stops by itself. */
function stopReason(driver: Driver): Promise<Met> {
  return new Promise((resolve) =>
    driver.onStopped((failure) => resolve(met(new QuorateError(failure)))),
  );
}

function write(driver: Driver, key: string, value: string): Promise<Reply> {
  const request = { kind: "put" as const, key: utf8(key), value: utf8(value) };
  return new Promise((done) => driver.submit(request, undefined, done));
}

/** A data directory that a server has used and left. */
async function used(stage: Stage, options: Partial<DriverOptions> = {}, keys = 1): Promise<string> {
  const directory = stage.directory();
  const driver = await open({ disk: hostDisk(directory), ...options });
  for (let at = 0; at < keys; at++) await write(driver, `key-${at}`, "v".repeat(2_000));
  await driver.close();
  return directory;
}

/** Changes a file of a data directory. */
function spoil(directory: string, name: RegExp, change: (bytes: Buffer) => Buffer): void {
  const found = readdirSync(directory).find((each) => name.test(each)) ?? "";
  const path = join(directory, found);
  writeFileSync(path, change(readFileSync(path)));
}

/** The program without the packages that are optional. */
function withoutPeers(stage: Stage): string {
  const directory = stage.directory();
  cpSync(join(ROOT, "dist", "src"), join(directory, "src"), { recursive: true });
  writeFileSync(join(directory, "package.json"), '{"type": "module"}');
  mkdirSync(join(directory, "node_modules"));
  symlinkSync(
    join(ROOT, "node_modules", "commander"),
    join(directory, "node_modules", "commander"),
  );
  return join(directory, "src", "cli", "main.js");
}

export const placeErrors = {
  CONFIG: [
    {
      how: "a url has a scheme that nobody knows",
      outcome: "definite",
      object: /^url nats:\/\/x$/,
      remedy: /memory:.*file:.*quorate:\/\//,
      exit: 2,
      provoke: (stage) => thrown(() => stage.connect("nats://x")),
    },
    {
      how: "the configuration file has a key that does not exist",
      outcome: "definite",
      object: /^configuration file bad\.json, line 1$/,
      what: /quotaByte/,
      remedy: /quotaBytes/,
      exit: 2,
      provoke: (stage) => {
        const shell = stage.shell();
        writeFileSync(join(shell.directory, "bad.json"), '{"quotaByte": 1}');
        return printed(shell, "quorate serve --config bad.json");
      },
    },
    {
      how: "a server is to listen where others can reach it",
      outcome: "definite",
      object: /^listen 0\.0\.0\.0:0$/,
      remedy: /--insecure-bind/,
      exit: 2,
      provoke: (stage) => printed(stage.shell(), "quorate serve --listen 0.0.0.0:0"),
    },
  ],
  ENGINE_MISSING: [
    {
      how: "an etcd is named and its client package is not installed",
      outcome: "definite",
      object: /^etcd engine$/,
      what: /@grpc\/grpc-js, which is not installed$/,
      remedy: /^Run npm install @grpc\/grpc-js\.$/,
      exit: 3,
      provoke: (stage) =>
        printed(
          stage.shell("etcd://127.0.0.1:1"),
          `${process.execPath} ${withoutPeers(stage)} get a`,
        ),
    },
  ],
  PROTOCOL: [
    {
      how: "the url names a web server",
      outcome: "definite",
      object: /^quorate:\/\/127\.0\.0\.1:\d+$/,
      what: /^answers in another protocol/,
      remedy: /^Check that a Quorate server listens there\.$/,
      exit: 3,
      provoke: async (stage) => {
        const web = createServer();
        await once(web.listen(0, "127.0.0.1"), "listening");
        stage.later(() => web.close());
        const { port } = web.address() as AddressInfo;
        return printed(stage.shell(`quorate://127.0.0.1:${port}`), "quorate get a");
      },
    },
  ],
  DATA_DIR_IN_USE: [
    {
      how: "a second server is started on a directory",
      outcome: "definite",
      object: /^data directory \.\/data$/,
      remedy: /^Connect to quorate:\/\/127\.0\.0\.1:\d+, or use another directory\.$/,
      holder: /^pid \d+ \(.+\) at quorate:\/\/127\.0\.0\.1:\d+$/,
      exit: 3,
      provoke: async (stage) => {
        const shell = stage.shell();
        await shell.serve("--data-dir ./data");
        return printed(shell, "quorate serve --data-dir ./data");
      },
    },
  ],
  DAMAGED: [
    {
      how: "a byte of the snapshot was flipped",
      outcome: "definite",
      object: /^snapshot snapshot-\d+\.snap of /,
      what: /does not verify/,
      remedy: /nothing here was changed\.$/,
      exit: 3,
      provoke: async (stage) => {
        const directory = await used(stage);
        spoil(directory, /\.snap$/, (bytes) => {
          bytes.writeUInt8(bytes.readUInt8(60) ^ 0x10, 60);
          return bytes;
        });
        return printed(stage.shell(), `quorate serve --data-dir ${directory}`);
      },
    },
  ],
  DISK: [
    {
      how: "the data directory cannot be made",
      outcome: "definite",
      object: /^data directory .*file\/data$/,
      what: /ENOTDIR/,
      remedy: /quorate doctor/,
      exit: 3,
      provoke: (stage) => {
        const shell = stage.shell();
        writeFileSync(join(shell.directory, "file"), "");
        return printed(shell, "quorate serve --data-dir ./file/data");
      },
    },
    {
      how: "a write to the log fails",
      outcome: "indefinite",
      object: /^node$/,
      what: /ENOSPC/,
      remedy: /space, quota, disk; then start again\.$/,
      exit: 4,
      provoke: async () => {
        const disk = new SimDisk({ random: prng(1) });
        const driver = await open({ disk: disk.mount(hostClock), segmentBytes: 8_192 });
        const reason = stopReason(driver);
        disk.failWith = "ENOSPC: no space left on device, write";
        disk.failAfter = 0;
        // The segment in use, or the one that is prepared behind it: one of them meets the fault.
        while ((await write(driver, "a", "v".repeat(1_000))).ok);
        return reason;
      },
    },
    {
      how: "a snapshot does not fit where it is written",
      outcome: "indefinite",
      object: /^snapshot all\.snap$/,
      what: /EFBIG/,
      remedy: /^Free space, or write it elsewhere\.$/,
      exit: 4,
      provoke: async (stage) => {
        const directory = await used(stage, { segmentBytes: 8_192 }, 60);
        const shell = stage.shell();
        writeFileSync(
          join(shell.directory, "limited"),
          `#!/bin/sh\nulimit -f 100\nexec quorate snapshot save all.snap --data-dir ${directory}\n`,
        );
        return printed(shell, "sh ./limited");
      },
    },
  ],
  LAYOUT: [
    {
      how: "the data directory was written by a later version",
      outcome: "definite",
      object: /^identity\.json of /,
      what: /^is of format 4, and this version reads formats 2 to 3$/,
      remedy: /^Run the version that wrote it, or a newer one; nothing here was changed\.$/,
      exit: 3,
      provoke: async (stage) => {
        const directory = await used(stage);
        spoil(directory, /^identity\.json$/, (bytes) =>
          Buffer.from(bytes.toString().replace('"format": 3', '"format": 4')),
        );
        return printed(stage.shell(), `quorate serve --data-dir ${directory}`);
      },
    },
  ],
  CLOCK_JUMP: [
    {
      how: "a server is started two days after the time in its directory",
      outcome: "definite",
      object: /^data directory /,
      what: /is 48 hours ahead of the last time recorded here/,
      remedy: /start once with --accept-clock-jump/,
      exit: 3,
      provoke: async (stage) => {
        const clock = { ...hostClock, wallMs: () => hostClock.wallMs() - 2 * DAY_MS };
        const directory = await used(stage, { clock });
        return printed(stage.shell(), `quorate serve --data-dir ${directory}`);
      },
    },
  ],
  ADDRESS_IN_USE: [
    {
      how: "a server is to listen where another one does",
      outcome: "definite",
      object: /^listen 127\.0\.0\.1:\d+$/,
      what: /^is taken by another process$/,
      remedy: /--listen another port\.$/,
      holder: /^a server that answers .*"quorate":/,
      exit: 3,
      provoke: async (stage) => {
        const { host } = new URL((await stage.server()).url);
        return printed(stage.shell(), `quorate serve --listen ${host} --data-dir ./data`);
      },
    },
    {
      how: "a server is to listen where something silent does",
      outcome: "definite",
      object: /^listen 127\.0\.0\.1:\d+$/,
      remedy: /--listen another port\.$/,
      holder: /^a process that does not say what it is$/,
      exit: 3,
      provoke: async (stage) => {
        const silent = createListener((socket) => stage.later(() => socket.destroy()));
        await once(silent.listen(0, "127.0.0.1"), "listening");
        stage.later(() => silent.close());
        const { port } = silent.address() as AddressInfo;
        return thrown(() => stage.server({ listen: `127.0.0.1:${port}` }));
      },
    },
  ],
  BUG: [
    {
      how: "the monotonic clock goes back, which no clock does",
      outcome: "indefinite",
      object: /^node$/,
      what: /^stopped on a broken invariant: .*monotonic time never decreases/,
      remedy: /^Keep the data directory and report this/,
      exit: 4,
      provoke: async () => {
        let back = 0;
        const clock = { ...hostClock, monotonicMs: () => hostClock.monotonicMs() - back };
        const driver = await open({ clock });
        const reason = stopReason(driver);
        back = 60_000;
        driver.submit({ kind: "status" }, undefined, () => {});
        return reason;
      },
    },
  ],
} satisfies Partial<Record<ErrorCode, readonly Row[]>>;
