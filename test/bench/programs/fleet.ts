/**
 * fleet is many nodes in one process: each has its own keys and keeps its own map stream, as a daemon
 * does, and changes nothing of its host. It is told what to do over a Unix socket: `fleet SOCKET`.
 */
import * as v from "valibot";
import { encodeHex, encodeUtf8 } from "../../../src/base/bytes.ts";
import { openLog } from "../../../src/base/log.ts";
import { keygen, type SigningSecret } from "../../../src/crypto/ed25519.ts";
import { sealEnvelope } from "../../../src/crypto/envelope.ts";
import { tunnelKeygen } from "../../../src/crypto/tunnel-key.ts";
import { openControlClient } from "../../../src/daemon/control-client.ts";
import { ControlLink } from "../../../src/daemon/control-link.ts";
import { type PinnedTls, probePin } from "../../../src/client/tls-pin.ts";
import { nodeIdOf } from "../../../src/membership/membership.ts";
import { Nonce } from "../../../src/model/ids.ts";
import { Counter } from "../../../src/model/time.ts";
import { NodeName } from "../../../src/model/names.ts";
import {
  type Advertisement,
  advertisementLifetimeS,
  advertisementType,
  Head,
} from "../../../src/wire/advertisement.ts";
import { calls } from "../../../src/wire/control-api.ts";
import { enrollmentType } from "../../../src/wire/enrollment.ts";
import { type JoinToken, parseJoinToken } from "../../../src/wire/join-token.ts";
import { signRequest } from "../../../src/wire/request-signature.ts";
import { waitFor } from "../../lab/wait-for.ts";
import { type Answer, type Order, Order as OrderSchema } from "../fleet.ts";

const random = (sizeBytes: number): Uint8Array => crypto.getRandomValues(new Uint8Array(sizeBytes));
const clock = { nowS: () => Math.floor(Date.now() / 1_000), monotonicMs: () => performance.now() };
const log = openLog(() => {}, Date.now, "error");
const wallMs = (): number => performance.timeOrigin + performance.now();
const Told = v.object({ generation: Counter, head: Head });

class SimulatedNode {
  readonly name: string;
  readonly identity: SigningSecret = keygen(random);
  readonly tunnelKey = tunnelKeygen(random).publicKey;
  readonly #token: JoinToken;
  #link: ControlLink | null = null;
  #held = { epoch: 0, generation: 0 };
  #head: Head;
  /** When it was told of each epoch first, in milliseconds since 1970. */
  readonly toldAtMs = new Map<number, number>();

  constructor(name: string, token: JoinToken) {
    this.name = name;
    this.#token = token;
    this.#head = { epoch: 0, root: token.genesis };
  }

  get epoch(): number {
    return this.#head.epoch;
  }

  get isConnected(): boolean {
    return this.#link?.state.state === "connected";
  }

  connect(head: Head): void {
    // What came with the answer to its request, which nobody here reads.
    if (this.#link === null) {
      this.#head = head;
      this.#held = { epoch: head.epoch, generation: 0 };
    }
    const { url, pin } = this.#token;
    const client = openControlClient({ url, pin, signer: this.identity, clock, random });
    const hooks = {
      held: () => ({ held: this.#held, head: this.#head }),
      onMap: (text: string) => Promise.resolve(this.#take(text)),
      onOpen: () => Promise.resolve(),
    };
    this.#link ??= new ControlLink(client, hooks, clock, log);
    this.#link.start();
  }

  /** Believes everything: what verifying costs a daemon is a figure of its own. */
  #take(text: string): null {
    const now = wallMs();
    const { payload } = v.parse(v.object({ payload: v.string() }), JSON.parse(text));
    const told: unknown = JSON.parse(Buffer.from(payload, "base64").toString());
    const { generation, head } = v.parse(Told, told);
    this.#held = { epoch: head.epoch, generation };
    this.#head = head;
    if (!this.toldAtMs.has(head.epoch)) this.toldAtMs.set(head.epoch, now);
    this.#link?.report({ kind: "applied", generation, epoch: head.epoch });
    return null;
  }

  async enroll(tls: PinnedTls): Promise<void> {
    const { network, secret } = this.#token;
    const request = {
      network,
      key: this.identity.publicKey,
      name: v.parse(NodeName, this.name),
      nonce: v.parse(Nonce, encodeHex(random(16))),
      issuedAt: clock.nowS(),
    };
    const envelope = sealEnvelope(enrollmentType, request, [this.identity]);
    await this.#post(calls.enroll.path, { secret, request: envelope }, tls, {});
  }

  /** Without endpoints: a member that nobody reaches. */
  async advertise(tls: PinnedTls): Promise<void> {
    const now = clock.nowS();
    const advertisement: Advertisement = {
      network: this.#token.network,
      node: nodeIdOf(this.identity.publicKey),
      sequence: 1,
      issuedAt: now,
      expiresAt: now + advertisementLifetimeS,
      tunnelKey: this.tunnelKey,
      endpoints: [],
      routes: [],
      exit: "none",
      head: this.#head,
      os: "linux/x64",
      software: "simulated",
    };
    const envelope = sealEnvelope(advertisementType, advertisement, [this.identity]);
    const body = { envelope };
    const { path } = calls.advertise;
    const signature = signRequest({
      method: "POST",
      url: this.#token.url + path,
      body: encodeUtf8(JSON.stringify(body)),
      identity: this.identity,
      nowS: now,
      nonce: v.parse(Nonce, encodeHex(random(16))),
    });
    await this.#post(path, body, tls, signature);
  }

  async #post(
    path: string,
    body: unknown,
    tls: PinnedTls,
    headers: Record<string, string>,
  ): Promise<void> {
    const response = await fetch(this.#token.url + path, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
      tls,
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
  }
}

const nodes: SimulatedNode[] = [];
let tls: PinnedTls | null = null;
const waitMaxMs = 300_000;

async function inTurns<T>(
  items: readonly T[],
  atOnce: number,
  act: (item: T) => Promise<void>,
): Promise<void> {
  const waiting = [...items];
  const work = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await act(item);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}

async function obey(order: Order): Promise<Answer> {
  const startedAtMs = wallMs();
  switch (order.kind) {
    case "enroll": {
      const token = parseJoinToken(order.token);
      if (token === null) throw new Error("no token");
      const own = tls ?? (await probePin(token.url, token.pin));
      tls = own;
      const fresh = Array.from(
        { length: order.count },
        (_, i) => new SimulatedNode(`${order.prefix}-${i}`, token),
      );
      await inTurns(fresh, order.atOnce, async (node) => {
        await node.enroll(own);
        if (order.advertises) await node.advertise(own);
      });
      nodes.push(...fresh);
      break;
    }
    case "connect":
      for (const node of nodes) node.connect(order.head);
      await waitFor(
        "all to be connected",
        () => nodes.every((node) => node.isConnected && node.epoch >= order.head.epoch),
        { deadlineMs: waitMaxMs, pollMs: 5 },
      );
      break;
    case "lost":
      await waitFor(
        "all to have lost their stream",
        () => nodes.every((node) => !node.isConnected),
        {
          deadlineMs: waitMaxMs,
        },
      );
      break;
    case "await": {
      const isTold = (node: SimulatedNode): boolean => node.epoch >= order.epoch;
      await waitFor("all to be told", () => nodes.every(isTold), {
        deadlineMs: waitMaxMs,
        pollMs: 2,
      });
      break;
    }
  }
  const epoch = order.kind === "await" ? order.epoch : 0;
  const toldAtMs = nodes.flatMap((node) =>
    [...node.toldAtMs].flatMap(([at, ms]) => (epoch > 0 && at >= epoch ? [ms] : [])).slice(0, 1),
  );
  return { nodes: nodes.length, startedAtMs, endedAtMs: wallMs(), toldAtMs };
}

const [socket = ""] = process.argv.slice(2);
Bun.serve({
  unix: socket,
  fetch: async (request) => {
    try {
      return Response.json(await obey(v.parse(OrderSchema, await request.json())));
    } catch (error) {
      return Response.json({ error: Bun.inspect(error) }, { status: 500 });
    }
  },
});
process.stdout.write("ready\n");
