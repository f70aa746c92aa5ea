/** What both sides are asked to do: the same key and value, so that neither moves more bytes than the other. */
export const KEY = "bench/key";
export const VALUE_BYTES = 128;
export const VALUE: string = "x".repeat(VALUE_BYTES);

/** Watchers of one key, and the connections that they are spread over. */
export const WATCHERS = 1_000;
export const WATCH_CONNECTIONS = 10;

/** The name of the lock of one worker: workers do not wait for each other. */
export function lockName(worker: number): string {
  return `bench/lock/${worker}`;
}
