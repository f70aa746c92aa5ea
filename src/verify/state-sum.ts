/** The checksum of what a replica has applied: equal for members that have applied as much. */
import type { Bytes } from "../base/bytes.ts";
import { fromArray, toArray } from "../base/bytes.ts";
import { crc32cOf } from "../base/crc32c.ts";
import type { Driver } from "../driver/face.ts";

/** Of the bytes of a snapshot. */
export async function stateSum(driver: Driver): Promise<number> {
  let sum = 0;
  await driver.snapshot((frame) => {
    const own = sum === 0 ? withoutTimeline(frame) : frame;
    sum = crc32cOf(own, 0, own.length, sum);
    return Promise.resolve();
  });
  return sum;
}

/** The first record, without the instants by which each member trims history when it leads. */
function withoutTimeline(frame: Uint8Array): Uint8Array {
  const written = fromArray(frame);
  const end = written.indexOf(',"timeline"');
  return end < 0 ? frame : toArray(written.slice(written.indexOf("{"), end) as Bytes);
}
