/**
 * The few plain HTTP pages of the server: `/health`, `/livez`, `/readyz`, `/metrics`, `/version`. One request per
 * connection; anything but a GET or HEAD of them is refused.
 */
import type { Socket } from "node:net";
import { VERSION } from "../driver/driver.ts";
import type { StatusResponse } from "../contract/requests.ts";

/** What the pages show. */
export interface HttpSource {
  status(): StatusResponse;
  metrics(): string;
  ready(): boolean;
}

const HEAD_BYTES_MAX = 16 << 10;
const HEAD_MS = 5_000;

/** Answers the HTTP request that begins with `first`. */
export function answerHttp(socket: Socket, first: Buffer, source: HttpSource): void {
  let head = first.toString("latin1");
  const late = setTimeout(() => socket.destroy(), HEAD_MS);
  const finish = (status: string, type: string, body: string, bodiless = false): void => {
    clearTimeout(late);
    const length = Buffer.byteLength(body);
    const lines = [
      `HTTP/1.1 ${status}`,
      `Content-Type: ${type}`,
      `Content-Length: ${length}`,
      "Connection: close",
    ];
    socket.end(`${lines.join("\r\n")}\r\n\r\n${bodiless ? "" : body}`);
  };
  const consider = (): void => {
    if (head.length > HEAD_BYTES_MAX)
      return finish("431 Request Header Fields Too Large", "text/plain", "too large\n");
    if (!head.includes("\r\n\r\n")) {
      socket.once("data", (more: Buffer) => {
        head += more.toString("latin1");
        consider();
      });
      return;
    }
    const [method = "", target = ""] = head.split(" ", 2);
    if (method === "PRI")
      return finish("505 HTTP Version Not Supported", "text/plain", "HTTP/2 is not served here\n");
    if (method !== "GET" && method !== "HEAD")
      return finish("405 Method Not Allowed", "text/plain", "GET or HEAD\n");
    const page = pageOf(target.split("?")[0] ?? "", source);
    finish(page.status, page.type, page.body, method === "HEAD");
  };
  consider();
}

interface Page {
  readonly status: string;
  readonly type: string;
  readonly body: string;
}

function pageOf(path: string, source: HttpSource): Page {
  switch (path) {
    case "/health": {
      const { alarms } = source.status();
      const healthy = source.ready() && !alarms.some((alarm) => alarm !== "CLOCK");
      const reason = alarms.length === 0 ? "" : `ALARM ${alarms.join(",")}`;
      return page(
        healthy,
        "application/json",
        `${JSON.stringify({ health: String(healthy), reason })}\n`,
      );
    }
    case "/livez":
      return page(true, "text/plain", "ok\n");
    case "/readyz":
      return page(source.ready(), "text/plain", source.ready() ? "ok\n" : "draining\n");
    case "/metrics":
      return page(true, "text/plain; version=0.0.4", source.metrics());
    case "/version":
      return page(
        true,
        "application/json",
        `${JSON.stringify({ quorate: VERSION, pid: process.pid })}\n`,
      );
    default:
      return {
        status: "404 Not Found",
        type: "text/plain",
        body: "pages: /health /livez /readyz /metrics /version\n",
      };
  }
}

function page(well: boolean, type: string, body: string): Page {
  return { status: well ? "200 OK" : "503 Service Unavailable", type, body };
}
