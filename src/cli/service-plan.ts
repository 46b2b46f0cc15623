/**
 * service-plan says what an installed service consists of: files, a user, a key, and what systemd has
 * to be told. It looks at nothing and does nothing.
 */
import { assert } from "../base/assert.ts";
import type { ControlUrl } from "../wire/join-token.ts";
import daemonUnit from "../../systemd/rustynet.service" with { type: "text" };
import controlUnit from "../../systemd/rustynet-control.service" with { type: "text" };

export type ServiceName = "daemon" | "control";

export const binaryPath = "/usr/local/bin/rustynet";
const settingsFolder = "/etc/rustynet";
const unitFolder = "/etc/systemd/system";

/** The systemd credential by which a service gets the passphrase of its keys (store/key-file.ts). */
export const custodyCredential = "rustynet-key";

type Service = {
  readonly user: string;
  readonly about: string;
  readonly unit: string;
  readonly unitText: string;
  readonly stateFolder: string;
  readonly runtimeFolder: string;
};

export const services: Readonly<Record<ServiceName, Service>> = {
  daemon: {
    user: "rustynet",
    about: "Rustynet node daemon",
    unit: "rustynet.service",
    unitText: daemonUnit,
    stateFolder: "/var/lib/rustynet",
    runtimeFolder: "/run/rustynet",
  },
  control: {
    user: "rustynet-control",
    about: "Rustynet control server",
    unit: "rustynet-control.service",
    unitText: controlUnit,
    stateFolder: "/var/lib/rustynet-control",
    runtimeFolder: "/run/rustynet-control",
  },
};

export const otherService = (name: ServiceName): ServiceName =>
  name === "daemon" ? "control" : "daemon";

/** How the passphrase is kept: as it is, or encrypted with the host's key (systemd-creds(1)). */
export type CustodyForm = "plain" | "sealed";

export const custodyPath = (name: ServiceName, form: CustodyForm): string =>
  `${settingsFolder}/${name}.custody-key${form === "sealed" ? ".sealed" : ""}`;

/** What was installed, so that exactly that is removed. */
export const recordPath = (name: ServiceName): string => `${settingsFolder}/${name}.installed.json`;

export type ServiceFile = { readonly path: string; readonly mode: number; readonly text: string };

export function serviceFiles(name: ServiceName, form: CustodyForm): readonly ServiceFile[] {
  const { user, about, unit, stateFolder } = services[name];
  const mode = 0o644;
  return [
    {
      path: `/etc/sysusers.d/${user}.conf`,
      mode,
      text: `u ${user} - "${about}" ${stateFolder} /usr/sbin/nologin\n`,
    },
    {
      path: `/etc/tmpfiles.d/${user}.conf`,
      mode,
      text: `d ${stateFolder} 0700 ${user} ${user} -\n`,
    },
    { path: `${unitFolder}/${unit}`, mode, text: unitTextFor(name, form) },
  ];
}

function unitTextFor(name: ServiceName, form: CustodyForm): string {
  const { unitText } = services[name];
  const plain = `\nLoadCredential=${custodyCredential}:${custodyPath(name, "plain")}\n`;
  assert(unitText.includes(plain), `the unit of the ${name} loads its custody key`);
  if (form === "plain") return unitText;
  const sealed = `\nLoadCredentialEncrypted=${custodyCredential}:${custodyPath(name, "sealed")}\n`;
  return unitText.replace(plain, sealed);
}

/** Programs by path: nothing of the caller's environment decides what runs. */
export const program = {
  systemctl: "/usr/bin/systemctl",
  sysusers: "/usr/bin/systemd-sysusers",
  tmpfiles: "/usr/bin/systemd-tmpfiles",
  creds: "/usr/bin/systemd-creds",
  run: "/usr/bin/systemd-run",
} as const;

/** Where systemd keeps the key of the host. Without it there is nothing to seal with. */
export const hostKeyPath = "/var/lib/systemd/credential.secret";
export const systemdMark = "/run/systemd/system";

/**
 * Seals with the key on disk and not with a TPM, whose measurements a firmware update changes: that
 * would lock the keys away for good.
 */
export const sealArgv: readonly string[] = [
  program.creds,
  "encrypt",
  `--name=${custodyCredential}`,
  "--with-key=host",
  "-",
  "-",
];

export type Start = { readonly isWanted: boolean; readonly hasChanged: boolean };

export type Program = {
  readonly argv: readonly string[];
  /** A file that holds what it says, where that is not on its own output. */
  readonly saysInto?: string;
};

/** What is to be run once the files are there, in this order. */
export function programsAfter(
  name: ServiceName,
  form: CustodyForm,
  url: ControlUrl | null,
  start: Start,
): readonly Program[] {
  const { user, unit } = services[name];
  const begin = start.hasChanged ? "restart" : "start";
  return [
    { argv: [program.sysusers, `/etc/sysusers.d/${user}.conf`] },
    { argv: [program.tmpfiles, "--create", `/etc/tmpfiles.d/${user}.conf`] },
    { argv: [program.systemctl, "daemon-reload"] },
    ...(url === null ? [] : [{ argv: initArgv(form, url), saysInto: initWordsPath }]),
    ...(start.isWanted
      ? [{ argv: [program.systemctl, "enable", unit] }, { argv: [program.systemctl, begin, unit] }]
      : []),
  ];
}

const initWordsPath = "/run/rustynet-control-init.txt";

/**
 * `control init` as the service would run it: as its user, and with its passphrase. A oneshot is
 * waited for in any case; `--wait` and `--pipe` would need D-Bus, which not every host has.
 */
function initArgv(form: CustodyForm, url: ControlUrl): readonly string[] {
  const { user } = services.control;
  const load = form === "sealed" ? "LoadCredentialEncrypted" : "LoadCredential";
  const properties = [
    `User=${user}`,
    `Group=${user}`,
    `${load}=${custodyCredential}:${custodyPath("control", form)}`,
    "WorkingDirectory=/",
    "UMask=0077",
    "Type=oneshot",
    `StandardOutput=truncate:${initWordsPath}`,
  ].map((property) => `--property=${property}`);
  const options = ["--quiet", "--collect", "--unit=rustynet-control-init", ...properties];
  return [program.run, ...options, binaryPath, "control", "init", "--url", url];
}

/** The commands that a person gives next. */
export function nextCommands(
  name: ServiceName,
  url: ControlUrl | null,
  isStarted: boolean,
): readonly string[] {
  const { unit } = services[name];
  const start = isStarted ? [] : [`systemctl enable --now ${unit.replace(".service", "")}`];
  if (name === "daemon") return [...start, "rustynet up -   (and paste the join token)"];
  return url === null
    ? ["rustynet service install control --url https://THIS-HOST:8443 --start"]
    : [...start, "rustynet credential create"];
}
