/** Damage to the log: what is torn is cut, everything else is refused with the place, nothing is served wrong. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../../src/base/bytes.ts";
import { QuorateError } from "../../src/base/errors.ts";
import { prng } from "../../src/base/prng.ts";
import { procedureSet } from "../../src/contract/procedure.ts";
import type { Reply, Request } from "../../src/contract/requests.ts";
import { openDriver } from "../../src/driver/driver.ts";
import type { Driver } from "../../src/driver/face.ts";
import { segmentName } from "../../src/driver/log.ts";
import type { Disk } from "../../src/ports/disk.ts";
import { SECTOR_BYTES } from "../../src/replica/log-format.ts";
import { SimClock } from "../../src/verify/sim-clock.ts";
import { SimDisk } from "../../src/verify/sim-disk.ts";
import { until } from "./machine.ts";

const SECTORS = 24;
const SEGMENT = segmentName(1);
const WRITES = 6;

function open(disk: SimDisk, clock: SimClock): Promise<Driver> {
  const entropy = prng(9);
  return until(
    clock,
    openDriver({
      disk: disk.mount(clock),
      clock,
      entropy,
      procedures: procedureSet([]),
      label: "node",
      segmentBytes: SECTORS * SECTOR_BYTES,
    }),
  );
}

function ask(driver: Driver, clock: SimClock, request: Request): Promise<Reply> {
  return until(clock, new Promise((resolve) => driver.submit(request, undefined, resolve)));
}

/** A log of a few batches, the last of several sectors, as a power cut right after the last acknowledgement leaves it. */
async function writtenLog(): Promise<{ readonly disk: SimDisk; readonly used: number }> {
  const clock = new SimClock();
  const disk = new SimDisk({ random: prng(1) });
  const driver = await open(disk, clock);
  for (let at = 0; at < WRITES; at++) {
    const value = utf8("x".repeat(at === WRITES - 1 ? 1_200 : 20));
    const reply = await ask(driver, clock, { kind: "put", key: utf8(`key-${at}`), value });
    assert.ok(reply.ok);
  }
  disk.crash();
  let used = 0;
  const bytes = disk.stable(SEGMENT);
  for (let at = 0; at < bytes.length; at++)
    if (bytes[at] !== 0) used = Math.floor(at / SECTOR_BYTES) + 1;
  return { disk, used };
}

/** How many of the acknowledged writes are there after opening, or the code with which opening is refused. */
async function reopened(disk: SimDisk): Promise<number | string> {
  const clock = new SimClock(0, 1_700_000_060_000);
  try {
    const driver = await open(disk, clock);
    let found = 0;
    for (let at = 0; at < WRITES; at++) {
      const reply = await ask(driver, clock, { kind: "range", key: utf8(`key-${at}`) });
      assert.ok(reply.ok && "kvs" in reply.response);
      const kv = reply.response.kvs[0];
      if (kv !== undefined) assert.match(kv.value, /^x+$/, "a value that nobody wrote");
      if (kv !== undefined && found === at) found++;
    }
    return found;
  } catch (error) {
    if (!QuorateError.is(error)) throw error;
    assert.match(error.object, /log/);
    return error.code;
  }
}

test("[LOG-2] each byte of a small log flipped in three ways is refused as damage, never served (one node)", async () => {
  const { disk, used } = await writtenLog();
  let tried = 0;
  for (let at = 0; at < used * SECTOR_BYTES; at++) {
    for (const mask of [0x01, 0x80, 0xff]) {
      const copy = disk.clone(prng(1));
      copy.damage(SEGMENT, (bytes) => {
        bytes[at] = (bytes[at] ?? 0) ^ mask;
      });
      assert.equal(await reopened(copy), "DAMAGED", `byte ${at} ^ ${mask}`);
      tried++;
    }
  }
  assert.equal(tried, used * SECTOR_BYTES * 3);
});

test("[LOG-1] any sectors of the last batch zeroed are cut, and everything before it is there (one node)", async () => {
  const { disk, used } = await writtenLog();
  const last = 3;
  for (let subset = 1; subset < 1 << last; subset++) {
    const copy = disk.clone(prng(1));
    copy.damage(SEGMENT, (bytes) => {
      for (let sector = 0; sector < last; sector++) {
        const at = (used - last + sector) * SECTOR_BYTES;
        if ((subset & (1 << sector)) !== 0) bytes.fill(0, at, at + SECTOR_BYTES);
      }
    });
    assert.equal(
      await reopened(copy),
      WRITES - 1,
      `zeroed sectors ${subset.toString(2)} of the last batch`,
    );
  }
  assert.equal(await reopened(disk.clone(prng(1))), WRITES, "untouched, everything is there");
});

test("[LOG-2] a zeroed sector before the last batch, or a file of another length, is damage (one node)", async () => {
  const { disk, used } = await writtenLog();
  for (let sector = 0; sector < used - 3; sector++) {
    const copy = disk.clone(prng(1));
    copy.damage(SEGMENT, (bytes) =>
      bytes.fill(0, sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES),
    );
    assert.equal(await reopened(copy), "DAMAGED", `sector ${sector}`);
  }
  for (const by of [-1, -SECTOR_BYTES, SECTOR_BYTES]) {
    const copy = disk.clone(prng(1));
    copy.resize(SEGMENT, by);
    assert.equal(await reopened(copy), "DAMAGED", `length ${by}`);
  }
});

test("[LOG-3] a write or flush that fails stops the node before anything is acknowledged, and is not retried", async () => {
  for (let failAfter = 0; failAfter < 6; failAfter++) {
    for (const failWith of ["EIO: i/o error, write", "ENOSPC: no space left on device, write"]) {
      const clock = new SimClock();
      const disk = new SimDisk({ random: prng(failAfter + 1) });
      const driver = await open(disk, clock);
      let stopped = "";
      driver.onStopped((reason) => {
        stopped = reason.code;
      });
      disk.failAfter = failAfter;
      disk.failWith = failWith;
      let acknowledged = 0;
      for (let at = 0; stopped === "" && at < 3 * SECTORS; at++) {
        const reply = await ask(driver, clock, {
          kind: "put",
          key: utf8(`key-${at}`),
          value: utf8("x"),
        });
        if (reply.ok) acknowledged++;
        else
          assert.deepEqual([reply.failure.code, reply.failure.outcome], ["SHUTDOWN", "indefinite"]);
      }
      assert.equal(stopped, "DISK");
      const later = await ask(driver, clock, { kind: "put", key: utf8("later"), value: utf8("x") });
      assert.ok(!later.ok && later.failure.outcome === "definite");
      disk.crash();
      const found = await reopenedCount(disk, acknowledged);
      assert.ok(
        found >= acknowledged,
        `${found} of ${acknowledged} acknowledged writes (${failWith} at ${failAfter})`,
      );
    }
  }
});

async function reopenedCount(disk: SimDisk, most: number): Promise<number> {
  const clock = new SimClock(0, 1_700_000_060_000);
  const driver = await open(disk, clock);
  let found = 0;
  for (let at = 0; at < most; at++) {
    const reply = await ask(driver, clock, { kind: "range", key: utf8(`key-${at}`) });
    if (reply.ok && "kvs" in reply.response && reply.response.kvs.length === 1) found++;
  }
  return found;
}

test("[DRV-14] an opening that is refused leaves no file open (one node)", async () => {
  const { disk } = await writtenLog();
  disk.damage(SEGMENT, (bytes) => {
    bytes[600] = (bytes[600] ?? 0) ^ 0x40;
  });
  const clock = new SimClock();
  const mounted = disk.mount(clock);
  let openFiles = 0;
  const counting: Disk = {
    ...mounted,
    open: async (name, options) => {
      const file = await mounted.open(name, options);
      openFiles++;
      return {
        ...file,
        close: () => {
          openFiles--;
          return file.close();
        },
      };
    },
  };
  const opening = until(
    clock,
    openDriver({
      disk: counting,
      clock,
      entropy: prng(9),
      procedures: procedureSet([]),
      label: "node",
      segmentBytes: SECTORS * SECTOR_BYTES,
    }),
  );
  await assert.rejects(opening, (error: unknown) => QuorateError.is(error, "DAMAGED"));
  assert.equal(openFiles, 0);
});
