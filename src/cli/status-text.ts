/** status-text words the daemon's status: what holds, one line a peer, and what wants mending. */
import { unreachable } from "../base/assert.ts";
import type { Finding, PeerReport, Status } from "../wire/local-api.ts";
import {
  type Line,
  plural,
  renderField,
  renderMoment,
  renderSize,
  renderSpan,
  renderTable,
  type Tone,
} from "./text.ts";

/** How many digits of a hash are shown where it only has to be recognised. */
const digestDigits = 12;

export function renderStatus(status: Status, nowS: number): readonly Line[] {
  return [
    ...renderSummary(status, nowS),
    // Where nothing passes nobody is reached, and a table of paths would say otherwise.
    ...(status.state === "running" ? ["", ...renderPeers(status.peers, nowS)] : []),
    ...renderFindings(status.findings),
  ];
}

/** One line: who this host is in the network, as `up` ends with. */
export function renderSelf({ self, peers }: Status): string {
  if (self === null) return "this host has no place in a network yet";
  return `${self.name} is up at ${self.ipv4} and ${self.ipv6}, with ${plural(peers.length, "peer")}`;
}

const stateTone = {
  logged_out: "warning",
  waiting: "warning",
  stopped: "warning",
  joining: "warning",
  running: "good",
  closed: "bad",
  restricted: "bad",
} as const satisfies Record<Status["state"], Tone>;

function renderSummary(status: Status, nowS: number): readonly Line[] {
  const { state, reason, self, network } = status;
  const who =
    self === null
      ? (reason?.message ?? "")
      : `${self.name}, a node of ${self.owner}${tagged(self)}`;
  const lines: Line[] = [{ tone: stateTone[state], text: renderField(state, who).trimEnd() }];
  if (reason !== null && self !== null) lines.push(renderField("", reason.message));
  if (reason?.remedy !== undefined) lines.push(renderField("", `next: ${reason.remedy}`));
  if (status.request !== null) lines.push(...renderRequest(status.request, nowS));
  if (self !== null) lines.push(renderField("addresses", `${self.ipv4}  ${self.ipv6}`));
  if (network !== null) lines.push(renderField("network", network));
  if (status.control !== null)
    lines.push(renderField("control", wordControl(status.control, nowS)));
  if (status.trust !== null) lines.push(renderField("trust", wordTrust(status.trust, nowS)));
  if (status.tunnel !== null) lines.push(renderField("tunnel", wordTunnel(status.tunnel)));
  return lines;
}

function renderRequest(request: NonNullable<Status["request"]>, nowS: number): readonly Line[] {
  const { url, fingerprint, name, askedAt } = request;
  return [
    renderField("asked", `to join as ${name}, ${renderSpan(nowS - askedAt)} ago, at ${url}`),
    renderField("fingerprint", fingerprint),
  ];
}

const tagged = ({ tags }: { readonly tags: readonly string[] }): string =>
  tags.length === 0 ? "" : `, tagged ${tags.join(" ")}`;

function wordControl({ state, since, url }: NonNullable<Status["control"]>, nowS: number): string {
  const age = renderSpan(nowS - since);
  switch (state) {
    case "connected":
      return `connected for ${age}, ${url}`;
    case "connecting":
      return `not connected for ${age}, trying ${url}`;
    case "refused":
      return `refused for ${age} by ${url}`;
    case "off":
      return `not asked, ${url}`;
    default:
      return unreachable(state);
  }
}

function wordTrust(trust: NonNullable<Status["trust"]>, nowS: number): string {
  const { epoch, generation, signedAt, holdUntil, root } = trust;
  const held = holdUntil > nowS ? `holds until ${renderMoment(holdUntil)}` : "holds no longer";
  const map = `map ${generation} signed ${renderSpan(nowS - signedAt)} ago`;
  return `epoch ${epoch}, ${map}, ${held}, root ${root.slice(0, digestDigits)}`;
}

function wordTunnel(tunnel: NonNullable<Status["tunnel"]>): string {
  const { backend, why, leaseS, listenPort } = tunnel;
  const lease = leaseS === null ? "" : `, lease ${leaseS} s`;
  return `${tunnel.interface} at UDP port ${listenPort}${lease}, ${backend} backend (${why})`;
}

export function renderPeers(peers: readonly PeerReport[], nowS: number): readonly Line[] {
  if (peers.length === 0)
    return [
      "no peers yet; on the control server's host a token is made: rustynet credential create",
    ];
  return renderTable(
    [
      { title: "ADDRESS" },
      { title: "NAME" },
      { title: "OWNER" },
      { title: "OS" },
      { title: "PATH" },
      { title: "RX", align: "right" },
      { title: "TX", align: "right" },
    ],
    peers.map((peer) => [
      peer.ipv4,
      peer.name,
      peer.owner,
      peer.os ?? "",
      wordPath(peer, nowS),
      renderSize(peer.receivedBytes),
      renderSize(peer.sentBytes),
    ]),
  );
}

/** How packets reach a peer, or why they do not. */
export function wordPath(peer: PeerReport, nowS: number): string {
  const { reach, endpoint, presence, lastSeenAt } = peer;
  if (reach === "denied") return "kept apart by policy";
  if (reach === "direct") return endpoint === null ? "direct" : `direct ${endpoint}`;
  if (presence === "offline")
    return lastSeenAt === null ? "offline" : `offline for ${renderSpan(nowS - lastSeenAt)}`;
  if (reach === "silent") return "has not said yet where it is";
  return endpoint === null ? "connecting, no endpoint known" : `connecting to ${endpoint}`;
}

/** At the end and behind `#`, so that what reads the table can leave them out. */
export function renderFindings(findings: readonly Finding[]): readonly Line[] {
  if (findings.length === 0) return [];
  return [
    "",
    ...findings.flatMap(({ message, remedy }): Line[] => [
      { tone: "warning", text: `# ${message}` },
      ...(remedy === undefined ? [] : [`#     ${remedy}`]),
    ]),
  ];
}

/** Everything that is known of one node, as `whois` shows it. */
export function renderPeer(peer: PeerReport, nowS: number): readonly Line[] {
  const { name, owner, tags, ipv4, ipv6, node, os } = peer;
  const seen = peer.lastHandshakeAt;
  return [
    renderField("name", name),
    renderField("owner", owner),
    renderField("tags", tags.length === 0 ? "-" : tags.join(" ")),
    renderField("addresses", `${ipv4}  ${ipv6}`),
    renderField("os", os ?? "-"),
    renderField("path", wordPath(peer, nowS)),
    renderField("heard", seen === null ? "never" : `${renderSpan(nowS - seen)} ago`),
    renderField("node", node),
  ];
}
