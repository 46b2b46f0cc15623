/** status words what is going on for the command line. It decides nothing and asks nobody. */
import { unreachable } from "../base/assert.ts";
import type { Found } from "../dataplane/host-state.ts";
import type { Failure, Lifecycle } from "../dataplane/lifecycle.ts";
import { aliveMaxS } from "../dataplane/path.ts";
import type { Node as Member } from "../membership/state.ts";
import type { InterfaceName } from "../model/names.ts";
import type { PeerState } from "../model/tunnel.ts";
import type { UnixS } from "../model/time.ts";
import { allows } from "../policy/access.ts";
import { compareHeads } from "../trust/heads.ts";
import type { View } from "../trust/view.ts";
import type { DaemonState, Finding, JoinReport, PeerReport, Status } from "../wire/local-api.ts";
import type { Conflict } from "./evidence.ts";
import { findingsOfConflicts, findingsOfHeads } from "./log-findings.ts";
import type { LinkState } from "./control-link.ts";
import { toFinding } from "./failure.ts";
import type { Enrollment } from "./node-state.ts";

export type Snapshot = {
  readonly version: string;
  readonly nowS: UnixS;
  readonly enrollment: Enrollment | null;
  readonly request: JoinReport | null;
  /** Why this host was not let in when it asked last. */
  readonly verdict: Finding | null;
  readonly damage: Finding | null;
  readonly view: View | null;
  readonly conflicts: readonly Conflict[];
  readonly leaseMs: number;
  readonly lifecycle: Lifecycle;
  readonly problem: Failure | null;
  readonly overlap: Failure | null;
  readonly link: LinkState | null;
  readonly backend: { readonly name: string; readonly why: string } | null;
  readonly config: { readonly interface: InterfaceName; readonly listenPort: number };
  readonly found: Found | null;
};

export function renderStatus(snapshot: Snapshot): Status {
  const { view, enrollment, backend, config, found } = snapshot;
  const state = stateOf(snapshot);
  const me = view?.membership.state.nodes.get(view.self);
  const lease = found?.filter.kind === "loaded" ? Math.ceil(found.filter.leaseMs / 1_000) : null;
  return {
    version: snapshot.version,
    state,
    reason: reasonOf(snapshot, state),
    network: enrollment?.network ?? snapshot.request?.network ?? null,
    request: snapshot.request,
    self: me === undefined ? null : memberOf(me),
    tunnel:
      backend === null || found === null || found.link === "absent"
        ? null
        : {
            backend: backend.name,
            why: backend.why,
            interface: config.interface,
            listenPort: config.listenPort,
            leaseS: lease,
          },
    control: enrollment === null ? null : controlOf(enrollment, snapshot.link),
    trust: view === null ? null : trustOf(view, snapshot),
    findings: findingsOf(snapshot, state),
    peers: view === null ? [] : reportPeers(view, found, snapshot.nowS),
  };
}

function stateOf({ enrollment, request, damage, view, lifecycle }: Snapshot): DaemonState {
  if (damage !== null) return "restricted";
  if (enrollment === null && request !== null)
    return request.wanted === "up" ? "waiting" : "stopped";
  if (enrollment === null) return "logged_out";
  if (enrollment.wanted === "down") return "stopped";
  switch (lifecycle.kind) {
    case "fail_closed":
      return lifecycle.failure.area === "trust" ? "closed" : "restricted";
    case "dataplane_applied":
      return "running";
    case "init":
    case "control_trusted":
      return view === null ? "restricted" : "joining";
    default:
      return unreachable(lifecycle);
  }
}

function reasonOf(snapshot: Snapshot, state: DaemonState): Finding | null {
  const { damage, lifecycle, link, request, verdict } = snapshot;
  if (damage !== null) return damage;
  if (state === "waiting" && request !== null) return waitingFor(request);
  if (state === "logged_out" && verdict !== null) return verdict;
  if (lifecycle.kind === "fail_closed") return toFinding(lifecycle.failure);
  if (state === "joining" && link !== null && link.reason !== null) return link.reason;
  return resting[state];
}

function waitingFor({ words, problem, fingerprint }: JoinReport): Finding {
  const asking = "asking the control server who has to approve this host";
  const known = words === null ? [] : [`waiting for approvers: ${words}`];
  const failed = problem === null ? [] : [`the last attempt to ask failed: ${problem.message}`];
  const said = [...known, ...failed];
  return {
    code: "waiting",
    message: said.length === 0 ? asking : said.join("; "),
    remedy: `an approver compares ${fingerprint} and decides: rustynet membership pending`,
  };
}

const resting: Readonly<Record<DaemonState, Finding | null>> = {
  logged_out: {
    code: "logged_out",
    message: "this host belongs to no network",
    remedy: "rustynet up TOKEN",
  },
  waiting: null,
  stopped: { code: "stopped", message: "told to be down", remedy: "rustynet up" },
  joining: { code: "joining", message: "waiting for the first map to be verified" },
  running: null,
  closed: null,
  restricted: {
    code: "store_corrupt",
    message: "a write to the state directory failed, and what is there cannot be read back",
    remedy: "see that the disk works, and start again: systemctl restart rustynet",
  },
};

function findingsOf(snapshot: Snapshot, state: DaemonState): Finding[] {
  const findings: Finding[] = [];
  if (snapshot.request?.problem) findings.push(snapshot.request.problem);
  const { problem, overlap, link, backend, found } = snapshot;
  if (state === "running")
    for (const failure of [problem, overlap])
      if (failure !== null) findings.push(toFinding(failure));
  if (link !== null && link.reason !== null && state !== "joining") findings.push(link.reason);
  if (snapshot.view !== null) findings.push(...findingsOfLog(snapshot.view, snapshot.conflicts));
  if (backend?.name === "userspace" && state === "running")
    findings.push({
      code: "userspace_tunnel",
      message: "every packet passes through a program, which is slower than the kernel",
      remedy: "boot a kernel with the module, or leave it so: it is as safe",
    });
  if (found?.filter.kind === "damaged")
    findings.push({
      code: "filter_damaged",
      message: "somebody changed the packet filter; it is being built anew",
    });
  return findings;
}

/** Once a map was taken: before that nobody was asked how far the log is. */
function findingsOfLog(view: View, conflicts: readonly Conflict[]): Finding[] {
  const heads =
    view.generation === 0
      ? { ahead: [], forked: [] }
      : compareHeads(view, view.advertisements.values());
  return [...findingsOfHeads(view, heads), ...findingsOfConflicts(view, conflicts)];
}

function controlOf(enrollment: Enrollment, link: LinkState | null): Status["control"] {
  const { url } = enrollment;
  return link === null
    ? { url, state: "off", since: 0, reason: null }
    : { url, state: link.state, since: link.since, reason: link.reason };
}

function trustOf(view: View, { nowS, leaseMs }: Snapshot): NonNullable<Status["trust"]> {
  const { state, root } = view.membership;
  return {
    epoch: state.epoch,
    root,
    generation: view.generation,
    signedAt: view.signedAt,
    holdUntil: leaseMs === 0 ? 0 : nowS + Math.floor(leaseMs / 1_000),
  };
}

const memberOf = ({ id, name, owner, tags, ipv4, ipv6 }: Member) => ({
  node: id,
  name,
  owner,
  tags,
  ipv4,
  ipv6,
});

function reportPeers(view: View, found: Found | null, nowS: UnixS): PeerReport[] {
  return [...view.membership.state.nodes.values()]
    .filter((node) => node.id !== view.self && node.status === "active")
    .map((node) => reportPeer(view, node, found, nowS))
    .sort((left, right) => (left.name < right.name ? -1 : 1));
}

function reportPeer(view: View, node: Member, found: Found | null, nowS: UnixS): PeerReport {
  const advertised = view.advertisements.get(node.id)?.advertisement;
  const peer = advertised && found?.tunnel?.peers.get(advertised.tunnelKey);
  const presence = view.presence.get(node.id);
  const { state } = view.membership;
  const isAllowed = allows(state, node.id, view.self) || allows(state, view.self, node.id);
  return {
    ...memberOf(node),
    reach: isAllowed ? reachOf(advertised !== undefined, peer, nowS) : "denied",
    ...trafficOf(peer),
    presence: presence?.state ?? "unknown",
    lastSeenAt: presence?.since ?? null,
    os: advertised?.os ?? null,
  };
}

const trafficOf = (peer: PeerState | undefined) => ({
  endpoint: peer?.endpoint ?? null,
  lastHandshakeAt: peer?.lastHandshakeS ?? null,
  receivedBytes: peer?.receivedBytes ?? 0,
  sentBytes: peer?.sentBytes ?? 0,
});

function reachOf(
  hasAdvertised: boolean,
  peer: PeerState | undefined,
  nowS: UnixS,
): PeerReport["reach"] {
  if (!hasAdvertised) return "silent";
  const handshakeS = peer?.lastHandshakeS ?? null;
  return handshakeS !== null && nowS - handshakeS < aliveMaxS ? "direct" : "connecting";
}
