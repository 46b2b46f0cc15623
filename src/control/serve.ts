/** serve puts the control server together from opened keys and a database, and runs it. */
import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Log } from "../base/log.ts";
import { version } from "../base/version.ts";
import type { Random, SigningSecret } from "../crypto/ed25519.ts";
import { type PeerHttpServer, servePeerHttp } from "../kernel/peer-http.ts";
import { insertAudit, listAudit } from "../store/control-store-audit.ts";
import type { NodeId } from "../model/ids.ts";
import type { SigningKey } from "../model/keys.ts";
import { putSeen } from "../store/control-store-network.ts";
import type { ControlStore } from "../store/control-store.ts";
import type { Output } from "../wire/control-api.ts";
import type { ControlUrl } from "../wire/join-token.ts";
import { AbuseGuard, type AbuseLimits } from "./abuse.ts";
import { advertise } from "./advertisements.ts";
import { type Handlers, serveCalls } from "./api.ts";
import { ownVoice } from "./changes.ts";
import type { Caller, Control } from "./control.ts";
import {
  createCredential,
  expireDue,
  listAllCredentials,
  revokeOneCredential,
} from "./credentials.ts";
import { enroll } from "./enrollment.ts";
import { listen, type Listener } from "./listener.ts";
import { type MapStreamOptions, MapStreams } from "./map-stream.ts";
import { loadNetwork, type Network } from "./network.ts";
import { leave, listNodes, renameNode, revokeNode } from "./nodes.ts";
import {
  decideOperations,
  expireDueProposals,
  listProposals,
  rejectProposal,
  signProposals,
  submitProposals,
} from "./proposals.ts";
import { checkpointWhenDue } from "./checkpoints.ts";
import { forgetOldNonces } from "./replays.ts";
import { rejectRequest, showMembership } from "./requests.ts";
import { settle } from "./settle.ts";
import { Undecided } from "./undecided.ts";
import { redeemVoucher, showVoucherHistory } from "./vouchers.ts";
import { type TlsMaterial, tlsPinOf } from "./tls-files.ts";

export type ControlKeys = TlsMaterial & {
  /** Null where all approvers keep their keys elsewhere. */
  readonly approver: SigningSecret | null;
  readonly control: SigningSecret;
};

export type ServeOptions = {
  readonly url: ControlUrl;
  readonly hostname: string;
  readonly port: number;
  /** Where operators reach the server; null serves none. */
  readonly socket: string | null;
  readonly limits: AbuseLimits;
  readonly keys: ControlKeys;
  readonly store: ControlStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
};

export type RunningControl = {
  readonly control: Control;
  readonly port: number;
  /** Ends the streams, finishes what is under way, and closes the database. */
  readonly close: () => Promise<void>;
};

const upkeepIntervalMs = 10_000;

/** Throws `store_corrupt` for a log that does not verify, and `key_custody` for keys it does not name. */
export async function startControl(options: ServeOptions): Promise<RunningControl> {
  const { store, clock, random, log, keys, url } = options;
  // Closed again, last first, when a later part does not open; and handed over when all have.
  await using parts = new AsyncDisposableStack();
  parts.defer(() => store.close());
  const network = await loadNetwork(store, clock.nowS());
  refuseStrangeKeys(network, keys);
  const onFork = forkAlarm(options);
  const streams = new MapStreams({ network, control: keys.control, clock, log, onFork });
  parts.defer(() => streams.stop());
  const abuse = new AbuseGuard(options.limits);
  const pin = tlsPinOf(keys.certificate);
  const undecided = new Undecided();
  const core = { url, pin, approver: keys.approver, undecided, network, streams, abuse };
  const control: Control = { ...core, store, clock, random, log };
  parts.defer(() => keepUp(control));
  await settle(control);
  const call = serveCalls(handlersOf(control), log);
  const listener = listenWith(control, call, options);
  parts.defer(() => listener.close());
  const operators = await serveOperators(call, options.socket);
  parts.defer(() => operators?.close());
  const upkeep = setInterval(() => void keepUp(control), upkeepIntervalMs);
  parts.defer(() => clearInterval(upkeep));
  // Before the listener waits for its connections, these have to know that they end.
  parts.defer(() => streams.stop());
  log.notice("serving", { url, port: listener.port, nodes: network.state.nodes.size });
  const opened = parts.move();
  return { control, port: listener.port, close: () => opened.disposeAsync() };
}

/** A node that holds another log than ours is worth an alarm, once for each start. */
function forkAlarm({ store, clock, log }: ServeOptions): MapStreamOptions["onFork"] {
  const alarmed = new Set<NodeId>();
  return (node, { held, head }) => {
    if (alarmed.has(node)) return;
    alarmed.add(node);
    log.error("node_forked", { node, epoch: head.epoch, root: head.root });
    const detail = JSON.stringify({ epoch: head.epoch, generation: held.generation });
    const at = clock.nowS();
    const record = { at, actor: `node:${node}`, event: "node_forked", subject: node, detail };
    store
      .transact((transaction) => insertAudit(transaction, record))
      .catch((error: unknown) => {
        // A member must not be able to end a server whose disk is full.
        if (!(error instanceof Fault)) throw error;
        log.error("alarm_not_written_down", { node, code: error.code, why: error.message });
      });
  };
}

type Call = ReturnType<typeof serveCalls>;

function listenWith(control: Control, call: Call, options: ServeOptions): Listener {
  const { hostname, port, keys } = options;
  return keys.tlsKey.expose((bytes) => {
    const privateKey = new TextDecoder().decode(bytes);
    return listen(control, call, { hostname, port, certificate: keys.certificate, privateKey });
  });
}

/** Root and the service's own user are operators; anybody else who gets this far is anyone. */
function serveOperators(call: Call, path: string | null): Promise<PeerHttpServer> | null {
  if (path === null) return null;
  return servePeerHttp<Caller>({
    path,
    mode: 0o600,
    identify: ({ uid }) => {
      const isOperator = uid === 0 || uid === process.getuid?.();
      const address = `uid:${uid}`;
      return isOperator ? { kind: "operator", uid, address } : { kind: "anyone", address };
    },
    fetch: (request, caller) => call(request, { identify: () => Promise.resolve(caller) }),
  });
}

/** What is written down now and then rather than at once: losing the last few seconds of it is fine. */
async function keepUp(control: Control): Promise<void> {
  try {
    await expireDue(control);
    await expireDueProposals(control);
    await checkpointWhenDue(control);
    // The log moves on by other ways too: by a machine that joins or leaves.
    if (!control.undecided.isOf(control.network.head.root)) await settle(control);
    await forgetOldNonces(control);
    await writeSeen(control);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    control.log.error("upkeep_failed", { code: error.code, why: error.message });
  }
}

async function writeSeen({ streams, store }: Control): Promise<void> {
  const seen = streams.takeSeen();
  if (seen.size === 0) return;
  await store.transact(async (transaction) => {
    for (const [node, row] of seen) await putSeen(transaction, { node, ...row });
  });
}

/** Keys that the network does not name would make a server that nobody believes. */
function refuseStrangeKeys({ state }: Network, { approver, control }: ControlKeys): void {
  const remedy = "restore the key files that belong to this database";
  if (!state.control.includes(control.publicKey))
    throw new Fault("key_custody", "the network does not name this control key", { remedy });
  // One that was revoked lies about until somebody removes it. One that never was is another network's.
  const isKnown = (key: SigningKey) => state.approvers.some((each) => each.key === key);
  if (approver !== null && !isKnown(approver.publicKey))
    throw new Fault("key_custody", "the network does not name this approver key", { remedy });
}

function handlersOf(control: Control): Handlers {
  return {
    health: () => Promise.resolve({ status: "ok", version }),
    enroll: (input, caller) => enroll(control, input, caller),
    advertise: (input, caller) => advertise(control, input, caller),
    leave: (input, caller) => leave(control, input, caller),
    voucherHistory: (input, caller) => showVoucherHistory(control, input, caller),
    voucherRedeem: (input, caller) => redeemVoucher(control, input, caller),
    membershipShow: () => showMembership(control),
    proposalSubmit: (input, caller) => submitProposals(control, input, caller),
    proposalSign: (input, caller) => signProposals(control, input, caller),
    proposalReject: (input, caller) => rejectProposal(control, input, caller),
    proposalList: () => listProposals(control),
    requestReject: (input, caller) => rejectRequest(control, input, caller),
    operationDecide: (input, caller) => decideOperations(control, input, caller),
    networkShow: () => Promise.resolve(networkReport(control)),
    credentialCreate: (input, caller) => createCredential(control, input, caller),
    credentialList: () => listAllCredentials(control),
    credentialRevoke: (input, caller) => revokeOneCredential(control, input, caller),
    nodeList: () => listNodes(control),
    nodeRevoke: (input, caller) => revokeNode(control, input, caller),
    nodeRename: (input, caller) => renameNode(control, input, caller),
    auditList: () => control.store.transact(listAudit),
  };
}

function networkReport(control: Control): Output<"networkShow"> {
  const { network, streams, url, pin } = control;
  const voice = ownVoice(control);
  const approver = network.state.approvers.find(({ key }) => key === voice?.publicKey);
  const nodes = [...network.state.nodes.values()].filter(({ status }) => status === "active");
  return {
    network: network.state.network,
    genesis: network.genesisRoot,
    url,
    pin,
    approver: approver?.name ?? null,
    head: network.head,
    generation: network.generation,
    nodes: nodes.length,
    connected: streams.connected,
  };
}
