/** status-text: what `status` says in each state, letter by letter. */
import { expect, test } from "bun:test";
import { renderPeer, renderStatus, wordPath } from "../../src/cli/status-text.ts";
import type { PeerReport, Status } from "../../src/wire/local-api.ts";
import { alpha, beta, joining, loggedOut, running, stopped } from "./samples.ts";
import { nowS } from "./stage.ts";

const textOf = (status: Status) =>
  renderStatus(status, nowS)
    .map((line) => (typeof line === "string" ? line : line.text))
    .join("\n");

test("running: who, where, since when, trusted for how long, and one line a peer", () => {
  expect(textOf(running)).toBe(
    `\
running    gamma, a node of alice
addresses  100.64.0.3  fd7a::3
network    3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f
control    connected for 5 min, https://control.example:8443
trust      epoch 12, map 7 signed 12 s ago, holds until 2026-11-22 03:59 UTC, root efefefefefef
tunnel     rustynet0 at UDP port 51820, lease 58 s, kernel backend (the kernel has it)

ADDRESS     NAME   OWNER  OS         PATH                        RX     TX
100.64.0.1  alpha  alice  linux/x64  direct 192.0.2.1:51820  1.2 MB  999 B
100.64.0.2  beta   alice  -          offline for 2 h            0 B    0 B`,
  );
});

test("logged out: why, and the next step", () => {
  expect(textOf(loggedOut)).toBe(
    `\
logged_out this host belongs to no network
           next: rustynet up TOKEN`,
  );
});

test("stopped: who it would be, and how it comes back", () => {
  expect(textOf({ ...stopped, peers: [] })).toStartWith(
    `\
stopped    gamma, a node of alice
           told to be down
           next: rustynet up
addresses  100.64.0.3  fd7a::3
network    3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f
control    not asked, https://control.example:8443
trust      `,
  );
});

test("joining: what it waits for", () => {
  const control = { ...joining, control: { ...running.control, state: "connecting" } } as Status;
  expect(textOf(control)).toStartWith(
    `\
joining    waiting for the first map to be verified
network    3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f
control    not connected for 5 min, trying https://control.example:8443`,
  );
});

test("closed: trust that ran out is said to hold no longer", () => {
  const reason = {
    code: "map_rejected",
    message: "no map for 24 h",
    remedy: "systemctl restart rustynet-control",
  };
  const trust = running.trust && { ...running.trust, holdUntil: 0 };
  const text = textOf({ ...running, state: "closed", reason, trust, peers: [] });
  expect(text).toContain("closed     gamma, a node of alice\n           no map for 24 h\n");
  expect(text).toContain("map 7 signed 12 s ago, holds no longer, root");
});

test.each(["stopped", "closed", "restricted"] as const)(
  "%s: no paths, for none is taken",
  (state) => {
    expect(textOf({ ...running, state })).not.toContain("direct 192.0.2.1:51820");
  },
);

test.each(["logged_out", "stopped", "joining", "closed", "restricted"] as const)(
  "%s: no path is shown, for nothing passes",
  (state) => {
    expect(textOf({ ...running, state })).not.toContain("direct");
  },
);

test("alone in its network: how another one is invited", () => {
  expect(textOf({ ...running, peers: [] })).toEndWith(
    "\n\nno peers yet; on the control server's host a token is made: rustynet credential create",
  );
});

test("findings come last, behind a mark, each with the command that mends it", () => {
  const findings = [
    { code: "a", message: "the filter was changed", remedy: "rustynet up" },
    { code: "b", message: "a userspace tunnel is used" },
  ];
  expect(textOf({ ...running, findings })).toEndWith(
    "\n\n# the filter was changed\n#     rustynet up\n# a userspace tunnel is used",
  );
});

const paths: readonly (readonly [Partial<PeerReport>, string])[] = [
  [{ reach: "direct" }, "direct 192.0.2.1:51820"],
  [{ reach: "direct", presence: "offline" }, "direct 192.0.2.1:51820"],
  [{ reach: "direct", endpoint: null }, "direct"],
  [{ reach: "connecting" }, "connecting to 192.0.2.1:51820"],
  [{ reach: "connecting", endpoint: null }, "connecting, no endpoint known"],
  [{ reach: "connecting", presence: "offline" }, "offline for 60 min"],
  [{ reach: "connecting", presence: "offline", lastSeenAt: null }, "offline"],
  [{ reach: "silent", presence: "unknown" }, "has not said yet where it is"],
  [{ reach: "denied", presence: "offline" }, "kept apart by policy"],
];

test.each(paths)("the path of %j is in words", (changes, words) => {
  expect(wordPath({ ...alpha, ...changes }, nowS)).toBe(words);
});

test("whois shows all that is known of a node", () => {
  expect(renderPeer(alpha, nowS)).toEqual([
    "name       alpha",
    "owner      alice",
    "tags       web",
    "addresses  100.64.0.1  fd7a::1",
    "os         linux/x64",
    "path       direct 192.0.2.1:51820",
    "heard      12 s ago",
    `node       ${"a".repeat(64)}`,
  ]);
  expect(renderPeer(beta, nowS)).toContain("heard      never");
});
