/**
 * The flags of one command, read with their meaning checked.
 *
 * Invariants: I1 a value that cannot be meant is INVALID and names the flag. I2 nothing is read
 * twice in two ways.
 */
import { fail, type QuorateError } from "../base/errors.ts";

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
  integer(name: string, least = 0): number | undefined {
    const value = this.text(name);
    return value === undefined ? undefined : integerOf(`--${name}`, value, least);
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
export function integerOf(object: string, value: string, least: number): number {
  const number = Number(value);
  if (/^\d+$/.test(value) && Number.isSafeInteger(number) && number >= least) return number;
  throw wrong(object, value, `a whole number of at least ${least}`);
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
