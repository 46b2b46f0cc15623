/** samples are the answers that the tests of the command line start from. */
import * as v from "valibot";
import { Credential, NodeReport } from "../../src/wire/control-api.ts";
import { encodeJoinToken, JoinToken } from "../../src/wire/join-token.ts";
import { PeerReport, Status } from "../../src/wire/local-api.ts";
import { nowS } from "./stage.ts";

const hex = (digits: number, text: string) => text.repeat(digits / text.length);

export const token = encodeJoinToken(
  v.parse(JoinToken, {
    url: "https://control.example:8443",
    pin: hex(64, "ab"),
    network: hex(32, "3f"),
    genesis: hex(64, "cd"),
    secret: hex(43, "A"),
  }),
);

const self = {
  node: hex(64, "11"),
  name: "gamma",
  owner: "alice",
  tags: [],
  ipv4: "100.64.0.3",
  ipv6: "fd7a::3",
};

export const alpha: PeerReport = v.parse(PeerReport, {
  node: hex(64, "aa"),
  name: "alpha",
  owner: "alice",
  tags: ["web"],
  ipv4: "100.64.0.1",
  ipv6: "fd7a::1",
  reach: "direct",
  endpoint: "192.0.2.1:51820",
  lastHandshakeAt: nowS - 12,
  receivedBytes: 1_234_567,
  sentBytes: 999,
  presence: "online",
  lastSeenAt: nowS - 3_600,
  os: "linux/x64",
});

export const beta: PeerReport = v.parse(PeerReport, {
  ...alpha,
  node: hex(64, "bb"),
  name: "beta",
  tags: [],
  ipv4: "100.64.0.2",
  ipv6: "fd7a::2",
  reach: "connecting",
  endpoint: null,
  lastHandshakeAt: null,
  receivedBytes: 0,
  sentBytes: 0,
  presence: "offline",
  lastSeenAt: nowS - 7_200,
  os: null,
});

export const running: Status = v.parse(Status, {
  version: "0.1.0",
  state: "running",
  reason: null,
  request: null,
  network: hex(32, "3f"),
  self,
  tunnel: {
    backend: "kernel",
    why: "the kernel has it",
    interface: "rustynet0",
    listenPort: 51_820,
    leaseS: 58,
  },
  control: {
    url: "https://control.example:8443",
    state: "connected",
    since: nowS - 300,
    reason: null,
  },
  trust: {
    epoch: 12,
    root: hex(64, "ef"),
    generation: 7,
    signedAt: nowS - 12,
    holdUntil: nowS + 86_388,
  },
  findings: [],
  peers: [alpha, beta],
});

export const loggedOut: Status = v.parse(Status, {
  version: "0.1.0",
  state: "logged_out",
  reason: {
    code: "logged_out",
    message: "this host belongs to no network",
    remedy: "rustynet up TOKEN",
  },
  request: null,
  network: null,
  self: null,
  tunnel: null,
  control: null,
  trust: null,
  findings: [],
  peers: [],
});

export const stopped: Status = {
  ...running,
  state: "stopped",
  reason: { code: "stopped", message: "told to be down", remedy: "rustynet up" },
  tunnel: null,
  control: { url: "https://control.example:8443", state: "off", since: 0, reason: null },
};

export const joining: Status = {
  ...running,
  state: "joining",
  reason: { code: "joining", message: "waiting for the first map to be verified" },
  self: null,
  tunnel: null,
  trust: null,
  peers: [],
};

export const waiting: Status = v.parse(Status, {
  ...loggedOut,
  state: "waiting",
  network: hex(32, "3f"),
  reason: {
    code: "waiting",
    message: "waiting for approvers: 2 of 3: alice signed; missing bob, carol; expires in 23 h",
    remedy: "an approver compares ABCD-EFGH-JKLM and decides: rustynet membership pending",
  },
  request: {
    url: "https://control.example:8443",
    network: hex(32, "3f"),
    name: "gamma",
    fingerprint: "ABCD-EFGH-JKLM",
    askedAt: nowS - 120,
    wanted: "up",
    approvals: {
      need: 2,
      signed: ["alice"],
      missing: ["bob", "carol"],
      expiresAt: nowS + 23 * 3_600,
    },
    words: "2 of 3: alice signed; missing bob, carol; expires in 23 h",
    problem: null,
  },
  control: null,
});

export const credential: Credential = v.parse(Credential, {
  id: hex(16, "5e"),
  owner: "alice",
  tags: ["web"],
  state: "created",
  usesMax: 1,
  uses: 0,
  createdAt: nowS,
  expiresAt: nowS + 3_600,
  createdBy: "uid 0",
});

export const nodeReport: NodeReport = v.parse(NodeReport, {
  node: {
    id: hex(64, "aa"),
    key: hex(64, "ab"),
    name: "alpha",
    owner: "alice",
    tags: ["web"],
    ipv4: "100.64.0.1",
    ipv6: "fd7a::1",
    status: "active",
  },
  presence: "offline",
  lastSeenAt: nowS - 300,
  appliedGeneration: 7,
  os: "linux/x64",
  software: "0.1.0",
});
