/**
 * `quorate etcd`: the server under etcd's flags, variables and log, for what starts an etcd of its own.
 *
 * Invariants: I1 "ready to serve client requests" is logged once it is. I2 the first signal drains, the second ends the
 * process at once.
 */
import { QuorateError } from "../../base/errors.ts";
import { VERSION } from "../../driver/driver.ts";
import type { RunningServer } from "../../server/index.ts";
import { ETCD_VERSION, startServer } from "../../server/index.ts";
import type { Context } from "../context.ts";
import { ETCD_FLAGS } from "../etcd/flags.ts";
import type { Say } from "../etcd/log.ts";
import { etcdLog } from "../etcd/log.ts";
import type { EtcdSettings } from "../etcd/settings.ts";
import {
  etcdSettings,
  memberOf,
  minLeaseTtlS,
  retentionOf,
  unknownVariables,
} from "../etcd/settings.ts";
import { EXIT, type ExitCode, exitCodeOf } from "../exit-codes.ts";
import type { Flags } from "../flags.ts";
import { tellManager } from "../service-manager.ts";
import { prepareProcess } from "../serving-process.ts";

export async function run(
  context: Context,
  _operands: readonly string[],
  flags: Flags,
): Promise<ExitCode> {
  if (flags.on("version")) return version(context);
  const { environment, interrupt } = context;
  const given = ETCD_FLAGS.map(
    ({ name }) => [name, flags.text(name) ?? (flags.on(name) ? true : undefined)] as const,
  );
  const settings = etcdSettings({ flags: Object.fromEntries(given), environment });
  const say = etcdLog(settings.logOutputs, settings.logLevel);
  for (const name of unknownVariables(environment))
    say("warn", "unrecognized environment variable", { "environment-variable": name });
  if (!settings.listen.secure && settings.certFile !== undefined)
    say("warn", "the scheme of the client urls is http: the certificate files are not used");
  const warn = (message: string): void => say("warn", message);
  prepareProcess();
  const server = await start(settings, warn);
  const stopped = new Promise<ExitCode>((resolve) => {
    server.onStopped((failure) => {
      say("fatal", "the server has stopped", { error: new QuorateError(failure).message });
      resolve(exitCodeOf(failure));
    });
  });
  announce(say, settings, server);
  const told = tellManager("READY=1", environment, warn);
  const asked = new Promise<undefined>((resolve) => {
    if (interrupt.aborted) resolve(undefined);
    interrupt.addEventListener("abort", () => resolve(undefined), { once: true });
  });
  const code = await Promise.race([stopped, asked]);
  if (code === undefined) say("info", "received signal; shutting down");
  const stopping = told.then(() => tellManager("STOPPING=1", environment, warn));
  await Promise.all([stopping, server.close()]);
  say("info", "closed etcd server", { name: settings.name, "data-dir": settings.dataDir });
  return code ?? EXIT.ok;
}

function version({ terminal }: Context): ExitCode {
  terminal.line(`etcd Version: ${ETCD_VERSION}`);
  terminal.line(`Quorate Version: ${VERSION}`);
  terminal.line(`Node Version: ${process.version}`);
  terminal.line(`OS/Arch: ${process.platform}/${process.arch}`);
  return EXIT.ok;
}

function start(settings: EtcdSettings, warn: (message: string) => void): Promise<RunningServer> {
  const { listen, dataDir, quotaBytes, insecureBind, watchProgressMs } = settings;
  const { certFile, keyFile, trustedCaFile, clientCrlFile, clientCertAuth } = settings;
  // As etcd does: over TLS it listens anywhere, whether or not anybody says who they are.
  const anywhere = insecureBind || listen.secure;
  const tls = { certFile, keyFile, trustedCaFile, clientCrlFile, clientCertAuth };
  return startServer({
    listen: listen.addresses,
    ...(listen.secure ? tls : {}),
    warn,
    authToken: settings.authToken,
    authTokenTtlS: settings.authTokenTtlS,
    dataDir,
    quotaBytes,
    insecureBind: anywhere,
    watchProgressMs,
    ...retentionOf(settings),
    minLeaseTtlS: minLeaseTtlS(settings),
    ...memberOf(settings),
    memberName: settings.name,
    advertise: settings.advertise,
    reportVersion: settings.reportVersion,
  });
}

/** What tools wait for, in etcd's words. */
function announce(say: Say, settings: EtcdSettings, { driver, clientUrls }: RunningServer): void {
  const { clusterId, memberId } = driver.status();
  const ids = { "cluster-id": hex(clusterId), "local-member-id": hex(memberId) };
  const version = (settings.reportVersion ?? ETCD_VERSION).replace(/\.\d+$/, "");
  say("info", "starting etcd server", {
    "quorate-version": VERSION,
    name: settings.name,
    "data-dir": settings.dataDir,
    ...ids,
  });
  say("info", "set initial cluster version", { ...ids, "cluster-version": version });
  say("info", "enabled capabilities for version", { "cluster-version": version });
  say("info", "published local member to cluster through raft", ids);
  say("info", "ready to serve client requests");
  const how = settings.listen.secure
    ? "serving client traffic securely"
    : "serving client traffic insecurely; this is strongly discouraged!";
  for (const url of clientUrls) say("info", how, { address: url.replace(/^.*:\/\//, "") });
}

function hex(id: bigint): string {
  return BigInt.asUintN(64, id).toString(16);
}
