/** Raft machines that speak over real sockets: storage is simulated and instant, the network between them is not. */
import assert from "node:assert/strict";
import type { PeerAddress } from "../../src/driver/peers.ts";
import { FORMATS } from "../../src/contract/formats.ts";
import { hostClock } from "../../src/host/clock.ts";
import { hostEntropy } from "../../src/host/entropy.ts";
import { registry } from "../../src/host/meter.ts";
import type { Admitted } from "../../src/protocols/agreement/raft/inputs.ts";
import type { PeerTlsOptions } from "../../src/server/cluster/peer-sockets.ts";
import { peerDialler, PeerListener } from "../../src/server/cluster/peer-sockets.ts";
import type { DialPeer } from "../../src/service/peers/peer-dial.ts";
import { PeerLinks } from "../../src/service/peers/peer-links.ts";
import { Turns } from "../../src/service/turns.ts";
import { blank, SimMember } from "../../src/verify/raft/sim-member.ts";
import type { Refusal } from "../../src/wire/native/peer-handshake.ts";
import { until } from "../until.ts";

export const CLUSTER = "77";
const TICK_MS = 20;

export interface SocketMemberOptions {
  readonly identity?: string | undefined;
  readonly cluster?: string | undefined;
  readonly tls?: PeerTlsOptions | undefined;
  /** Stands between the member and its sockets. */
  readonly dial?: ((dial: DialPeer) => DialPeer) | undefined;
}

export class SocketMember {
  readonly id: number;
  readonly address: PeerAddress;
  readonly links: PeerLinks;
  readonly sim: SimMember;
  readonly refusals: { readonly member: number; readonly refusal: Refusal }[] = [];
  readonly lost: number[] = [];
  readonly identified = new Map<number, string>();
  readonly #listener: PeerListener;
  #ticking: ReturnType<typeof setInterval> | undefined;

  static async open(
    id: number,
    voters: readonly number[],
    options: SocketMemberOptions = {},
  ): Promise<SocketMember> {
    const tls = options.tls ?? {};
    const turns = new Turns(hostClock);
    const warn = (): void => {};
    const where = [{ host: "127.0.0.1", port: 0 }];
    const listener = await PeerListener.open(where, tls, { insecureBind: false, turns, warn });
    return new SocketMember(id, voters, listener, options);
  }

  private constructor(
    id: number,
    voters: readonly number[],
    listener: PeerListener,
    options: SocketMemberOptions,
  ) {
    this.id = id;
    this.#listener = listener;
    const identity = options.identity ?? String(1_000 + id);
    const scheme = options.tls?.peerCertFile === undefined ? "http" : "https";
    const peerUrls = [`${scheme}://${listener.authorities[0]}`];
    const shown = { name: `m${id}`, peerUrls, clientUrls: [] };
    this.address = { ...shown, id, learner: false, identity: "" };
    const dial = peerDialler(options.tls ?? {});
    this.links = new PeerLinks({
      self: { ...shown, id, cluster: options.cluster ?? CLUSTER, formats: FORMATS },
      dial: options.dial?.(dial) ?? dial,
      clock: hostClock,
      entropy: hostEntropy,
      meter: registry(),
      onRefused: (member, refusal) => this.refusals.push({ member, refusal }),
    });
    const random = (bound: number): number => hostEntropy.u32() % bound;
    this.sim = new SimMember({ id, random }, blank(voters));
    this.links.attach({
      received: (message) => this.step(() => this.sim.step({ kind: "message", message })),
      lost: (member) => {
        this.lost.push(member);
        this.step(() => this.sim.step({ kind: "connectionLost", member }));
      },
      identified: (member, { identity: shownIdentity }) => {
        this.identified.set(member, shownIdentity);
      },
    });
    this.links.begin(identity);
    listener.serve(this.links);
  }

  get isLeader(): boolean {
    return this.sim.raft.role === "leader";
  }
  get state(): string {
    const { role, term, log } = this.sim.raft;
    return `m${this.id} ${role} term ${term} commit ${log.commit}`;
  }

  start(members: readonly SocketMember[]): void {
    this.links.members(members.map(({ address }) => address));
    this.#ticking = setInterval(
      () => this.step(() => this.sim.step({ kind: "tick", count: 1 })),
      TICK_MS,
    );
  }

  propose(text: string): Admitted | undefined {
    const data = new TextEncoder().encode(text);
    return this.step(() => this.sim.step({ kind: "propose", data }));
  }

  step<T>(act: () => T): T {
    const result = act();
    this.sim.flushAll();
    this.links.send(this.sim.out.splice(0));
    return result;
  }

  async close(): Promise<void> {
    clearInterval(this.#ticking);
    await this.links.close();
    await this.#listener.close();
  }
}

/** The leader, once there is one and the others follow it. */
export async function elected(members: readonly SocketMember[]): Promise<SocketMember> {
  const leads = (): SocketMember | undefined =>
    members.find(
      (each) =>
        each.isLeader &&
        members.every(({ sim }) => sim.raft.leader === each.id && sim.raft.log.commit > 0),
    );
  await until(
    () => leads() !== undefined,
    () => members.map(({ state }) => state).join(", "),
  );
  return leads() ?? assert.fail("it led");
}
