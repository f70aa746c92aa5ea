/**
 * What is done on an open directory beside its log and its snapshots: its format follows the cluster's, and a mark of repair
 * goes when the repair is over. One thing at a time; what fails stops the driver.
 */
import type { Disk } from "../ports/disk.ts";
import type { OpenedDirectory } from "./data-directory.ts";
import { raisedIdentity } from "./identity.ts";
import { endRepair } from "./repair.ts";

export class Upkeep {
  readonly #disk: Disk;
  readonly #opened: OpenedDirectory;
  readonly #failed: (error: unknown) => void;
  #format: number;
  #isMarked: boolean;
  #doing: Promise<unknown> = Promise.resolve();

  constructor(disk: Disk, opened: OpenedDirectory, failed: (error: unknown) => void) {
    this.#disk = disk;
    this.#opened = opened;
    this.#failed = failed;
    this.#format = opened.identity.format;
    this.#isMarked = opened.repair !== undefined;
  }

  /** What is written from now on is of `format`. */
  raise(format: number): void {
    if (format <= this.#format) return;
    this.#format = format;
    this.#do(() => raisedIdentity(this.#disk, this.#opened.identity, format));
  }

  /** Nothing is missing any more, and a record says term and vote; true if that is news. */
  whole(): boolean {
    if (!this.#isMarked) return false;
    this.#isMarked = false;
    this.#do(() => endRepair(this.#disk));
    return true;
  }

  /** Resolves when nothing is being done. */
  async close(): Promise<void> {
    await this.#doing;
  }

  #do(work: () => Promise<unknown>): void {
    this.#doing = this.#doing.then(work).catch(this.#failed);
  }
}
