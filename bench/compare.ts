/**
 * Compares Quorate with etcd under one load: A, B, A, B …, medians. Both servers stay up for all rounds, idle while
 * the other one is measured, and keep their data on the same file system.
 */
import type { LoadResult, LoadShape } from "./drivers.ts";
import { median } from "./drivers.ts";
import { childrenCpuMs, cpuMs } from "./process-usage.ts";
import type { Measured, Row, Setting, Side } from "./rows.ts";
import type { BenchServer } from "./servers.ts";

/** One side of a comparison. */
export interface Contestant {
  readonly server: BenchServer;
  /** Runs the driver once. */
  run(shape: LoadShape): Promise<LoadResult>;
}

async function measure(contestant: Contestant, shape: LoadShape): Promise<Measured> {
  const { server } = contestant;
  const before = {
    flushes: await server.flushes(),
    server: cpuMs(server.pid),
    driver: childrenCpuMs(),
  };
  const load = await contestant.run(shape);
  return {
    load,
    flushes: (await server.flushes()) - before.flushes,
    serverCpuMs: cpuMs(server.pid) - before.server,
    driverCpuMs: childrenCpuMs() - before.driver,
    // The warm-up flushes and burns as well, and its operations are not counted by every driver.
    operations: load.perSecond * (shape.seconds + shape.warmUpS),
  };
}

function side(rounds: readonly Measured[]): Side {
  const of = (what: (round: Measured) => number): number => median(rounds.map(what));
  return {
    rounds: rounds.map((round) => round.load.perSecond),
    p50Ms: of((round) => round.load.p50Ms),
    p99Ms: of((round) => round.load.p99Ms),
    flushesPerOperation: of((round) => round.flushes / round.operations),
    serverCpuUsPerOperation: of((round) => (round.serverCpuMs * 1_000) / round.operations),
    driverCpuUsPerOperation: of((round) => (round.driverCpuMs * 1_000) / round.operations),
  };
}

/** What a comparison is called in the results. */
export interface Labels {
  readonly bench: string;
  readonly driver: string;
  readonly peerName: string;
  readonly setting: Setting;
  readonly note?: string | undefined;
}

export async function compare(
  ours: Contestant,
  peer: Contestant,
  shape: LoadShape,
  labels: Labels,
): Promise<Row> {
  const rounds: { ours: Measured; peer: Measured }[] = [];
  for (let round = 0; round < labels.setting.rounds; round++) {
    rounds.push({ ours: await measure(ours, shape), peer: await measure(peer, shape) });
  }
  const [oursDetail, peerDetail] = [
    side(rounds.map((each) => each.ours)),
    side(rounds.map((each) => each.peer)),
  ];
  const [oursMedian, peerMedian] = [median(oursDetail.rounds), median(peerDetail.rounds)];
  const { bench, driver, peerName, setting, note } = labels;
  const measured = {
    ours: oursMedian,
    peer: peerMedian,
    ratio: oursMedian / peerMedian,
    oursDetail,
    peerDetail,
  };
  return {
    bench,
    inFlight: shape.inFlight,
    driver,
    unit: "operations/s",
    peerName,
    setting,
    note,
    ...measured,
  };
}
