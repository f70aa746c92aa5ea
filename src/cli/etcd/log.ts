/** The log of `quorate etcd`: one JSON object a line, in the form of etcd's (zap), which tools wait for and read. */
import { appendFileSync } from "node:fs";

const LEVELS = ["debug", "info", "warn", "error", "panic", "fatal"] as const;
export type Level = (typeof LEVELS)[number];

export type Say = (
  level: Level,
  message: string,
  fields?: Readonly<Record<string, unknown>>,
) => void;

/** `outputs`: `stderr`, `stdout`, or paths of files that are appended to. */
export function etcdLog(outputs: readonly string[], least: string): Say {
  const from = LEVELS.findIndex((level) => level === least);
  return (level, msg, fields = {}) => {
    if (LEVELS.indexOf(level) < from) return;
    const ts = new Date().toISOString();
    const line = `${JSON.stringify({ level, ts, caller: "quorate", msg, ...fields })}\n`;
    for (const output of outputs) {
      if (output === "stderr" || output === "stdout") process[output].write(line);
      else appendFileSync(output, line);
    }
  };
}
