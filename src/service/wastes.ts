/**
 * Streams that came to nothing, by where they came from: a client whose connection was ended for them and who comes anew
 * finds them counted.
 *
 * Invariants: I1 what is kept is of addresses that lately wasted, and bounded: beyond `ADDRESSES_MAX` the others are
 * counted as one. I2 who has wasted too much is not read for `PENALTY_MS` on a new connection, and no longer: another client
 * may share the address. An address of IPv6 counts by the network that one subscriber has (64 bits).
 */
import { Allowance } from "../base/allowance.ts";

/** As much as two clients waste that give up all their calls (`wire/http2/guard.ts`). */
const AT_ONCE = 20_000;
const PER_SECOND = 2_000;
const PENALTY_MS = 1_000;
const ADDRESSES_MAX = 4_096;
const OTHERS = "others";

class Waste {
  readonly allowance: Allowance = new Allowance(AT_ONCE, PER_SECOND);
  penaltyUntilMs = -Infinity;
}

export class Wastes {
  readonly #byNetwork = new Map<string, Waste>();

  /** Somebody at `address` has wasted a stream. False: too many. */
  wasted(address: string, nowMs: number): boolean {
    const waste = this.#of(address, nowMs);
    if (waste.allowance.spend(nowMs)) return true;
    waste.penaltyUntilMs = nowMs + PENALTY_MS;
    return false;
  }

  /** How long nothing is to be read from a new connection. */
  penaltyMs(address: string, nowMs: number): number {
    const waste = this.#byNetwork.get(networkOf(address)) ?? this.#byNetwork.get(OTHERS);
    return Math.max(0, (waste?.penaltyUntilMs ?? -Infinity) - nowMs);
  }

  #of(address: string, nowMs: number): Waste {
    const network = networkOf(address);
    const known = this.#byNetwork.get(network);
    if (known !== undefined) return known;
    if (this.#byNetwork.size >= ADDRESSES_MAX) this.#forget(nowMs);
    const name = this.#byNetwork.size >= ADDRESSES_MAX ? OTHERS : network;
    const waste = this.#byNetwork.get(name) ?? new Waste();
    this.#byNetwork.set(name, waste);
    return waste;
  }

  /** Those who have regained all that they may waste. */
  #forget(nowMs: number): void {
    for (const [network, { allowance, penaltyUntilMs }] of this.#byNetwork)
      if (penaltyUntilMs <= nowMs && allowance.isWhole(nowMs)) this.#byNetwork.delete(network);
  }
}

/** What one subscriber has: the address of IPv4, the first half of one of IPv6. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:([\d.]+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!address.includes(":")) return address;
  const [front = [], back = []] = address
    .split("::")
    .map((half) => half.split(":").filter(Boolean));
  const zeros = new Array<string>(Math.max(0, 8 - front.length - back.length)).fill("0");
  return [...front, ...zeros, ...back].slice(0, 4).join(":");
}
