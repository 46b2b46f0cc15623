/**
 * control-harness runs a control server inside the test: on loopback, in a directory of its own, with
 * its keys in the open, so that a test can also be a server that somebody has stolen.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import type { Clock } from "../../src/base/clock.ts";
import { encodeHex } from "../../src/base/bytes.ts";
import { type Log, openLog } from "../../src/base/log.ts";
import { type AbuseLimits, abuseLimitsDefault } from "../../src/control/abuse.ts";
import { type ControlChannel, openControlChannel } from "../../src/client/control-channel.ts";
import { makeCertificate } from "../../src/control/certificate.ts";
import { foundNetwork } from "../../src/control/founding.ts";
import { type ControlKeys, type RunningControl, startControl } from "../../src/control/serve.ts";
import { tlsPinOf } from "../../src/control/tls-files.ts";
import { keygen, type Random, type SigningSecret } from "../../src/crypto/ed25519.ts";
import { tunnelKeygen } from "../../src/crypto/tunnel-key.ts";
import { type Envelope, sealEnvelope } from "../../src/crypto/envelope.ts";
import { type ControlClient, openControlClient } from "../../src/daemon/control-client.ts";
import { ipv4RangeDefault } from "../../src/membership/addresses.ts";
import { nodeIdOf } from "../../src/membership/membership.ts";
import { Nonce, type NodeId, type StateRoot } from "../../src/model/ids.ts";
import type { TlsPin } from "../../src/model/keys.ts";
import { ApproverName, NodeName, Owner } from "../../src/model/names.ts";
import { openControlStore } from "../../src/store/control-store.ts";
import {
  type Advertisement,
  advertisementLifetimeS,
  advertisementType,
} from "../../src/wire/advertisement.ts";
import { type CallName, calls, type Input, type Output } from "../../src/wire/control-api.ts";
import {
  type Admission,
  type EnrollmentOutput,
  type EnrollmentRequest,
  enrollmentType,
} from "../../src/wire/enrollment.ts";
import { ControlUrl, type JoinToken, parseJoinToken } from "../../src/wire/join-token.ts";

export const random: Random = (sizeBytes) => crypto.getRandomValues(new Uint8Array(sizeBytes));
export const nonce = (): Nonce => v.parse(Nonce, encodeHex(random(16)));

/** Real time, moved by `offsetS`. */
export class ShiftedClock implements Clock {
  offsetS = 0;
  readonly nowS = () => Math.floor(Date.now() / 1_000) + this.offsetS;
  readonly monotonicMs = () => performance.now();
}

/** So many tests come from one address that limits are for the tests of limits. */
export const limitsForTests: AbuseLimits = {
  ...abuseLimitsDefault,
  address: { burst: 1_000_000, refillPerMinute: 1_000_000 },
  identity: { burst: 1_000_000, refillPerMinute: 1_000_000 },
  lockout: { firstS: 0, maxS: 0 },
};

export class Harness {
  readonly directory = mkdtempSync(join(tmpdir(), "rustynet-control-"));
  readonly clock = new ShiftedClock();
  /** Every line that the server logged. */
  readonly lines: string[] = [];
  readonly log: Log = openLog(
    (_level, line) => this.lines.push(line),
    () => Date.now(),
    "debug",
  );
  readonly limits: AbuseLimits;
  keys: ControlKeys;
  genesisRoot: StateRoot | undefined;
  #running: RunningControl | null = null;
  readonly #port = freePort();

  private constructor(keys: ControlKeys, limits: AbuseLimits) {
    this.keys = keys;
    this.limits = limits;
  }

  /** Founds a network and serves it. */
  static async start(limits: AbuseLimits = limitsForTests): Promise<Harness> {
    const approver = keygen(random);
    const control = keygen(random);
    const now = Math.floor(Date.now() / 1_000);
    const tls = await makeCertificate("127.0.0.1", now, random);
    const harness = new Harness({ approver, control, ...tls }, limits);
    const founding = {
      ipv4Range: ipv4RangeDefault,
      approverName: v.parse(ApproverName, "owner"),
      approver,
      control: control.publicKey,
    };
    const { root } = await foundNetwork(harness.databasePath, founding, now, random);
    harness.genesisRoot = root;
    await harness.serve();
    return harness;
  }

  get databasePath(): string {
    return join(this.directory, "control.db");
  }

  get socketPath(): string {
    return join(this.directory, "operator.sock");
  }

  get pin(): TlsPin {
    return tlsPinOf(this.keys.certificate);
  }

  /** The key of the first approver, which the server holds until a test takes it away. */
  get approver(): SigningSecret {
    if (this.keys.approver === null) throw new Error("the control server holds no approver key");
    return this.keys.approver;
  }

  get running(): RunningControl {
    if (this.#running === null) throw new Error("the control server does not run");
    return this.#running;
  }

  get url(): ControlUrl {
    return v.parse(ControlUrl, `https://127.0.0.1:${this.#port}`);
  }

  /** Starts over what is on disk, at the same port as before. */
  async serve(): Promise<void> {
    const store = await openControlStore(this.databasePath);
    this.#running = await startControl({
      url: this.url,
      hostname: "127.0.0.1",
      port: this.#port,
      socket: this.socketPath,
      limits: this.limits,
      keys: this.keys,
      store,
      clock: this.clock,
      random,
      log: this.log,
    });
  }

  /** Ends the server; what is on disk stays. */
  async halt(): Promise<void> {
    await this.#running?.close();
    this.#running = null;
  }

  async stop(): Promise<void> {
    await this.halt();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** A call over the operator's socket, with the answer as it came. */
  async ask(name: CallName, input: unknown = {}): Promise<{ status: number; body: unknown }> {
    const { method, path } = calls[name];
    const init = { unix: this.socketPath, method: method.toUpperCase() };
    const body = method === "post" ? { body: JSON.stringify(input) } : {};
    const response = await fetch(`http://local${path}`, { ...init, ...body });
    return { status: response.status, body: await response.json() };
  }

  async operate<N extends CallName>(name: N, input: Input<N>): Promise<Output<N>> {
    const { status, body } = await this.ask(name, input);
    if (status !== 200) throw new Error(`${name}: ${status} ${JSON.stringify(body)}`);
    return v.parse(calls[name].output, body) as Output<N>;
  }

  async token(terms: Partial<Input<"credentialCreate">> = {}): Promise<JoinToken> {
    const owner = v.parse(Owner, "alice");
    const input = { owner, tags: [], lifetimeS: 3_600, usesMax: 1, ...terms };
    const { token } = await this.operate("credentialCreate", input);
    const parsed = parseJoinToken(token);
    if (parsed === null) throw new Error("the server made a token that is none");
    return parsed;
  }

  /** A node of this network, admitted and without an advertisement. */
  async join(name = "node", terms: Partial<Input<"credentialCreate">> = {}): Promise<TestNode> {
    const node = new TestNode(this, keygen(random));
    await node.enroll(await this.token(terms), name);
    return node;
  }
}

/** Known before the server starts, because tokens and certificates name it. */
function freePort(): number {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  probe.stop(true);
  return probe.port;
}

/** A node as the control server sees one: keys, signatures, and nothing behind them. */
export class TestNode {
  readonly harness: Harness;
  readonly identity: SigningSecret;
  readonly clock: ShiftedClock;
  readonly tunnelKey = tunnelKeygen(random).publicKey;
  sequence = 0;

  constructor(harness: Harness, identity: SigningSecret) {
    this.harness = harness;
    this.identity = identity;
    this.clock = harness.clock;
  }

  get id(): NodeId {
    return nodeIdOf(this.identity.publicKey);
  }

  client(changes: Partial<Parameters<typeof openControlClient>[0]> = {}): ControlClient {
    const { clock, identity, harness } = this;
    const { url } = harness;
    const { pin } = harness;
    return openControlClient({ url, pin, signer: identity, clock, random, ...changes });
  }

  channel(changes: Partial<Parameters<typeof openControlChannel>[0]> = {}): ControlChannel {
    const { clock, identity, harness } = this;
    const { url, pin } = harness;
    return openControlChannel({ url, pin, signer: identity, clock, random, ...changes });
  }

  enrollment(token: JoinToken, name = "node", changes: Partial<EnrollmentRequest> = {}) {
    const request: EnrollmentRequest = {
      network: token.network,
      key: this.identity.publicKey,
      name: v.parse(NodeName, name),
      nonce: nonce(),
      issuedAt: this.clock.nowS(),
      ...changes,
    };
    return {
      secret: token.secret,
      request: sealEnvelope(enrollmentType, request, [this.identity]),
    };
  }

  /** Asks to join, and is let in at once. */
  async enroll(token: JoinToken, name = "node"): Promise<Admission> {
    const answer = await this.ask(token, name);
    if (answer.status === "admitted") return answer;
    throw new Error(`${name} has to wait for ${answer.approvals.missing.join(", ")}`);
  }

  /** Asks to join, and may be told to wait. */
  ask(token: JoinToken, name = "node"): Promise<EnrollmentOutput> {
    return this.client().enroll(this.enrollment(token, name));
  }

  /** The next advertisement of this node, signed with its key. */
  advertisement(changes: Partial<Advertisement> = {}): Envelope {
    const { network } = this.harness.running.control;
    const now = this.clock.nowS();
    this.sequence += 1;
    const advertisement: Advertisement = {
      network: network.state.network,
      node: this.id,
      sequence: this.sequence,
      issuedAt: now,
      expiresAt: now + advertisementLifetimeS,
      tunnelKey: this.tunnelKey,
      endpoints: [],
      routes: [],
      exit: "none",
      head: network.head,
      os: "linux/x64",
      software: "test",
      ...changes,
    };
    return sealEnvelope(advertisementType, advertisement, [this.identity]);
  }

  advertise(changes: Partial<Advertisement> = {}) {
    return this.client().advertise(this.advertisement(changes));
  }
}
