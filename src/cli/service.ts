/** service: the commands that install the services on a host with systemd, and remove them. */
import * as v from "valibot";
import { Fault } from "../base/fault.ts";
import { ControlUrl } from "../wire/join-token.ts";
import { type Arguments, defineCommand, type Group, type Report } from "./command.ts";
import { type Host, hostBelow } from "./service-host.ts";
import { type Deed, install, uninstall } from "./service-install.ts";
import { nextCommands, type ServiceName, systemdMark } from "./service-plan.ts";
import { type Line, quoted } from "./text.ts";

const shared = {
  service: {
    type: "positional",
    required: false,
    description: "daemon (if nothing is said) or control",
  },
  root: {
    type: "string",
    valueHint: "DIR",
    description: "Work on the files below DIR, and run nothing",
    completes: "file",
  },
  "dry-run": { type: "boolean", description: "Say what would be done, and do nothing" },
} as const satisfies Arguments;

const installCommand = defineCommand({
  summary: "Install the daemon or the control server as a service",
  details: [
    "Copies this program to /usr/local/bin, makes a system user, a random passphrase for the keys",
    "and the unit, and says what it did. Run it again with a newer program to upgrade.",
  ],
  args: {
    ...shared,
    url: {
      type: "string",
      valueHint: "URL",
      description: "Of a control server: also make the network, reached there",
    },
    start: { type: "boolean", description: "Start the service, now and at every boot" },
  },
  run: async (given, { host }) => {
    const name = parseService(given.service);
    const url = given.url === undefined ? null : parseUrl(name, given.url);
    const isDryRun = given["dry-run"];
    const place = hostFor(host, given.root, isDryRun);
    const isStarted = given.start;
    const deeds = await install(place, { name, url, isStarted, isDryRun });
    return reportOf(name, deeds, isDryRun, nextCommands(name, url, isStarted));
  },
});

const uninstallCommand = defineCommand({
  summary: "Remove what install made",
  details: [
    "State and keys stay unless --purge is given, and files that somebody changed stay anyway.",
    "System users stay too: their numbers must not come to mean somebody else.",
  ],
  args: { ...shared, purge: { type: "boolean", description: "Remove state and keys as well" } },
  run: async (given, { host }) => {
    const name = parseService(given.service);
    const isDryRun = given["dry-run"];
    const place = hostFor(host, given.root, isDryRun);
    const deeds = await uninstall(place, { name, isPurge: given.purge, isDryRun });
    return reportOf(name, deeds, isDryRun, []);
  },
});

function parseService(word: string | undefined): ServiceName {
  if (word === undefined || word === "daemon") return "daemon";
  if (word === "control") return "control";
  throw new Fault("usage", `${quoted(word)} is no service: it is daemon or control`);
}

function parseUrl(name: ServiceName, text: string): ControlUrl {
  if (name !== "control") throw new Fault("usage", "--url is for the control server alone");
  const parsed = v.safeParse(ControlUrl, text);
  if (parsed.success) return parsed.output;
  throw new Fault("usage", `${quoted(text)} is no address of a control server`, {
    remedy: "for example: --url https://vpn.example.org:8443",
  });
}

function hostFor(host: Host, root: string | undefined, isDryRun: boolean): Host {
  if (root !== undefined) return hostBelow(host, root);
  if (isDryRun) return host;
  if (!host.exists(systemdMark))
    throw new Fault("host_failed", "this host is not run by systemd", {
      remedy: "start rustynet daemon from its own init system; --root DIR only writes the files",
    });
  if (host.userId !== 0)
    throw new Fault("permission_denied", "only root installs a service", {
      remedy: "sudo rustynet service install",
    });
  return host;
}

const leave = "left for that host to run:";
const verb = { write: "wrote", keep: "kept", remove: "removed", run: "ran", leave };
const verbDry = {
  write: "would write",
  keep: "would keep",
  remove: "would remove",
  run: "would run",
  leave,
};

function reportOf(
  service: ServiceName,
  deeds: readonly Deed[],
  isDryRun: boolean,
  next: readonly string[],
): Report {
  const verbs = isDryRun ? verbDry : verb;
  const lines = deeds.flatMap(({ action, what, detail }): Line[] => [
    `${verbs[action]} ${what}${detail === undefined || action === "run" ? "" : ` (${detail})`}`,
    ...(action === "run" && detail !== undefined
      ? detail.split("\n").map((text) => `    ${text}`)
      : []),
  ]);
  return {
    document: { service, isDryRun, deeds, next },
    lines: [...lines, ...next.map((command) => `next: ${command}`)],
  };
}

export const service: Group = {
  kind: "group",
  summary: "Install the daemon or the control server on a host with systemd",
  entries: { install: installCommand, uninstall: uninstallCommand },
};
