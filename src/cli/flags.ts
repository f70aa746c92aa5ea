/**
 * The flags of one command, read with their meaning checked.
 *
 * Invariants: I1 a value that cannot be meant is INVALID and names the flag. I2 nothing is read
 * twice in two ways.
 */
import { fail, type QuorateError } from "../base/errors.ts";

/** The longest time that a timer of Node can wait; a longer one would fire at once. */
export const DELAY_MAX_MS: number = 2 ** 31 - 1;

/** What a command was given besides its operands. */
export class Flags {
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values;
  }

  /** True if the switch was given. */
  on(name: string): boolean {
    return this.#values[camel(name)] === true;
  }

  text(name: string): string | undefined {
    const value = this.#values[camel(name)];
    return typeof value === "string" ? value : undefined;
  }

  /** A whole number of at least `least`. Errors: INVALID. */
  integer(name: string, least = 0, most?: number): number | undefined {
    const value = this.text(name);
    return value === undefined ? undefined : integerOf(`--${name}`, value, least, most);
  }

  /** A time that a timer is set to. Errors: INVALID. */
  delayMs(name: string, least = 0): number | undefined {
    return this.integer(name, least, DELAY_MAX_MS);
  }

  /** The values of these flags, as they were given. */
  only(names: readonly string[]): Readonly<Record<string, unknown>> {
    return Object.fromEntries(names.map((name) => [name, this.#values[name]]));
  }

  /** A lease id in hex. Errors: INVALID. */
  id(name: string): bigint | undefined {
    const value = this.text(name);
    return value === undefined ? undefined : idOf(`--${name}`, value);
  }
}

/** Reads a whole number. Errors: INVALID. */
export function integerOf(
  object: string,
  value: string,
  least: number,
  most: number = Number.MAX_SAFE_INTEGER,
): number {
  const number = Number(value);
  if (/^\d+$/.test(value) && number >= least && number <= most) return number;
  const isBounded = most < Number.MAX_SAFE_INTEGER;
  const range = isBounded ? `from ${least} to ${most}` : `of at least ${least}`;
  throw wrong(object, value, `a whole number ${range}`);
}

/** Reads a 64-bit id in hex. Errors: INVALID. */
export function idOf(object: string, value: string): bigint {
  if (/^[0-9a-fA-F]{1,16}$/.test(value)) return BigInt.asIntN(64, BigInt(`0x${value}`));
  throw wrong(object, value, "a hexadecimal number of at most 16 digits");
}

function wrong(object: string, value: string, wanted: string): QuorateError {
  return fail("INVALID", {
    object,
    what: `${JSON.stringify(value)} is not ${wanted}`,
    remedy: `Give ${wanted}.`,
  });
}

function camel(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
