/** Whether the address to serve on is free, and if not, who has it. */
import { createServer } from "node:net";
import { type Check, good } from "./check.ts";

const ASK_MS = 1000;

/** Tries to listen on `listen`, then lets go. */
export async function port(listen: string): Promise<Check> {
  const cut = listen.lastIndexOf(":");
  const host = listen.slice(0, cut).replace(/^\[|\]$/g, "");
  const number = Number(listen.slice(cut + 1));
  const failed = await tryListen(host, number);
  if (failed === undefined) return good("port", `${listen} is free`);
  if (failed !== "EADDRINUSE") {
    const remedy =
      "Give a --listen that is an address of this machine and a port this user may take.";
    return { name: "port", verdict: "fail", found: `${listen}: ${failed}`, remedy };
  }
  const who = await owner(listen);
  if (who === undefined) {
    const remedy = `Stop the program that has it, or serve on another address: --listen ${host}:0.`;
    return {
      name: "port",
      verdict: "warn",
      found: `${listen} is taken by another program`,
      remedy,
    };
  }
  const remedy = `A server runs there already: use it (--url quorate://${listen}), or serve on another address.`;
  return { name: "port", verdict: "warn", found: `${listen} is taken by ${who}`, remedy };
}

async function tryListen(host: string, number: number): Promise<string | undefined> {
  return await new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port: number, exclusive: true }, () =>
      server.close(() => resolve(undefined)),
    );
  });
}

async function owner(listen: string): Promise<string | undefined> {
  try {
    const answer = await fetch(`http://${listen}/version`, { signal: AbortSignal.timeout(ASK_MS) });
    const text = (await answer.text()).slice(0, 200);
    return answer.ok && /quorate/i.test(text) ? `a Quorate server (${text.trim()})` : undefined;
  } catch {
    return undefined;
  }
}
