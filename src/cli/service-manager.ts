/**
 * Tells the service manager that started this process how far it is: systemd's `Type=notify`.
 *
 * The protocol is a datagram to the unix socket that `NOTIFY_SOCKET` names. Node cannot send one, so systemd's own
 * `systemd-notify` does. As root it speaks in this process's name; otherwise it is another process of the unit, to which
 * systemd listens only with `NotifyAccess=all`.
 *
 * Invariants: I1 without the variable nothing is run. I2 telling is bounded in time, and what goes wrong is a warning: the
 * service is the same.
 * Source: sd_notify(3), systemd-notify(1).
 */
import { execFile } from "node:child_process";

export type ManagerState = "READY=1" | "STOPPING=1";

/** The program waits up to 5 s for systemd to have read it. */
const PATIENCE_MS = 8_000;

/** Tells `state` if anybody wants to know; `warn` hears why that was not possible. Never throws. */
export function tellManager(
  state: ManagerState,
  environment: Readonly<Record<string, string | undefined>>,
  warn: (message: string) => void,
): Promise<void> {
  const socket = environment["NOTIFY_SOCKET"];
  if (socket === undefined || socket === "") return Promise.resolve();
  const env = { PATH: environment["PATH"] ?? "", NOTIFY_SOCKET: socket };
  return new Promise((resolve) => {
    execFile("systemd-notify", [state], { env, timeout: PATIENCE_MS }, (error, _, said) => {
      if (error !== null) warn(`the service manager was not told ${state}: ${why(error, said)}`);
      resolve();
    });
  });
}

function why(error: Error & { readonly code?: unknown }, said: string): string {
  if (error.code === "ENOENT")
    return "NOTIFY_SOCKET is set and the program systemd-notify is not there; Type=exec needs neither";
  const line = said.trim();
  return line === "" ? error.message : line;
}
