/** service: what install writes and runs, that twice is like once, and that uninstall takes back exactly that. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Host, hostBelow, openHost } from "../../src/cli/service-host.ts";
import { Stage } from "./stage.ts";

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "rustynet-service-"));
});
afterEach(() => rmSync(root, { recursive: true }));

const binary = "the built program";

/** A host whose files are below `root`, and whose programs only remember that they were called. */
function fakeHost(changes: Partial<Host> = {}): Host & { readonly ran: string[] } {
  const ran: string[] = [];
  return {
    ...hostBelow(openHost({ path: "/opt/rustynet", isBuilt: true }), root),
    readProgramFile: () => new TextEncoder().encode(binary),
    runsPrograms: true,
    run: (argv) => {
      ran.push(argv.join(" "));
      return Promise.resolve({ exitCode: 0, stdout: "", stderr: "" });
    },
    ran,
    ...changes,
  };
}

async function runOn(host: Host, ...argv: readonly string[]) {
  using stage = new Stage();
  return await stage.runAsIs(["service", ...argv], { host });
}

function put(path: string, text = ""): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}
const textOf = (path: string) => readFileSync(join(root, path), "utf8");
const modeOf = (path: string) => (statSync(join(root, path)).mode & 0o7777).toString(8);
const filesBelow = () =>
  readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((path) => statSync(join(root, path)).isFile())
    .map((path) => `/${path}`)
    .sort();

const daemonFiles = [
  "/etc/rustynet/daemon.custody-key",
  "/etc/rustynet/daemon.installed.json",
  "/etc/systemd/system/rustynet.service",
  "/etc/sysusers.d/rustynet.conf",
  "/etc/tmpfiles.d/rustynet.conf",
  "/usr/local/bin/rustynet",
];

beforeEach(() => mkdirSync(join(root, "run/systemd/system"), { recursive: true }));

describe("install", () => {
  test("writes the files, each with its mode, and says what it did and what is next", async () => {
    const host = fakeHost();
    const { exit, out, err } = await runOn(host, "install");
    expect([exit, err]).toEqual([0, ""]);
    expect(filesBelow()).toEqual(daemonFiles);
    expect(textOf("/usr/local/bin/rustynet")).toBe(binary);
    expect(modeOf("/usr/local/bin/rustynet")).toBe("755");
    expect(modeOf("/etc/systemd/system/rustynet.service")).toBe("644");
    expect(modeOf("/etc/rustynet/daemon.custody-key")).toBe("600");
    expect(textOf("/etc/rustynet/daemon.custody-key")).toMatch(/^[0-9a-f]{64}$/);
    expect(out).toBe(
      `\
wrote /usr/local/bin/rustynet
wrote /etc/sysusers.d/rustynet.conf
wrote /etc/tmpfiles.d/rustynet.conf
wrote /etc/systemd/system/rustynet.service
wrote /etc/rustynet/daemon.custody-key (for root alone)
ran /usr/bin/systemd-sysusers /etc/sysusers.d/rustynet.conf
ran /usr/bin/systemd-tmpfiles --create /etc/tmpfiles.d/rustynet.conf
ran /usr/bin/systemctl daemon-reload
next: systemctl enable --now rustynet
next: rustynet up -   (and paste the join token)
`,
    );
  });

  test("done twice changes nothing, and keeps the custody key", async () => {
    const host = fakeHost();
    await runOn(host, "install");
    const before = filesBelow().map(textOf);
    const { out } = await runOn(host, "install", "--start");
    expect(filesBelow().map(textOf)).toEqual(before);
    expect(out).not.toContain("wrote");
    expect(host.ran.slice(-2)).toEqual([
      "/usr/bin/systemctl enable rustynet.service",
      "/usr/bin/systemctl start rustynet.service",
    ]);
  });

  test("an upgrade replaces the program and restarts the service", async () => {
    await runOn(fakeHost(), "install");
    const host = fakeHost({ readProgramFile: () => new TextEncoder().encode("newer") });
    const { out } = await runOn(host, "install", "--start");
    expect(textOf("/usr/local/bin/rustynet")).toBe("newer");
    expect(out).toStartWith("wrote /usr/local/bin/rustynet\nkept /etc/sysusers.d");
    expect(host.ran.at(-1)).toBe("/usr/bin/systemctl restart rustynet.service");
  });

  test("a program that runs from its place is neither copied nor taken away later", async () => {
    put("/usr/local/bin/rustynet", binary);
    const host = fakeHost({ program: { path: "/usr/local/bin/rustynet", isBuilt: true } });
    expect((await runOn(host, "install")).out).not.toContain("/usr/local/bin/rustynet");
    await runOn(host, "uninstall", "--purge");
    expect(filesBelow()).toEqual(["/usr/local/bin/rustynet"]);
  });

  test("a wrong mode is put right", async () => {
    const host = fakeHost();
    await runOn(host, "install");
    host.write("/usr/local/bin/rustynet", new TextEncoder().encode(binary), 0o777);
    await runOn(host, "install");
    expect(modeOf("/usr/local/bin/rustynet")).toBe("755");
  });

  test("a dry run says the same and does nothing", async () => {
    const host = fakeHost();
    const { out } = await runOn(host, "install", "--dry-run");
    expect(filesBelow()).toEqual([]);
    expect(host.ran).toEqual([]);
    expect(out).toContain("would write /usr/local/bin/rustynet\n");
    expect(out).toContain("would run /usr/bin/systemctl daemon-reload\n");
  });

  test("where the host has a key of its own, the custody key is sealed with it", async () => {
    put("/usr/bin/systemd-creds");
    put("/var/lib/systemd/credential.secret");
    const given: string[] = [];
    const host = fakeHost({
      run: (argv, stdin) => {
        if (stdin !== undefined) given.push(new TextDecoder().decode(stdin));
        const stdout = argv[1] === "encrypt" ? "c2VhbGVk\n" : "";
        return Promise.resolve({ exitCode: 0, stdout, stderr: "not on encrypted media" });
      },
    });
    const { out } = await runOn(host, "install");
    expect(out).toContain("wrote /etc/rustynet/daemon.custody-key.sealed (sealed with the key of");
    expect(textOf("/etc/rustynet/daemon.custody-key.sealed")).toBe("c2VhbGVk\n");
    expect(given).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/)]);
    const unit = textOf("/etc/systemd/system/rustynet.service");
    expect(unit).toContain(
      "\nLoadCredentialEncrypted=rustynet-key:/etc/rustynet/daemon.custody-key.sealed\n",
    );
    expect(unit).not.toContain("\nLoadCredential=");
  });

  test("a plain custody key stays plain when a host key appears: it seals what is there", async () => {
    await runOn(fakeHost(), "install");
    put("/usr/bin/systemd-creds");
    put("/var/lib/systemd/credential.secret");
    expect((await runOn(fakeHost(), "install")).out).not.toContain("wrote");
  });

  test("the control server gets files of its own, and with a URL its network", async () => {
    const host = fakeHost();
    const url = "https://vpn.example.org:8443";
    const { exit, out } = await runOn(host, "install", "control", "--url", url, "--start");
    expect(exit).toBe(0);
    expect(filesBelow()).toContain("/etc/systemd/system/rustynet-control.service");
    expect(filesBelow()).not.toContain("/etc/systemd/system/rustynet.service");
    expect(host.ran.slice(-3)).toEqual([
      "/usr/bin/systemd-run --quiet --collect --unit=rustynet-control-init " +
        "--property=User=rustynet-control --property=Group=rustynet-control " +
        "--property=LoadCredential=rustynet-key:/etc/rustynet/control.custody-key " +
        "--property=WorkingDirectory=/ --property=UMask=0077 --property=Type=oneshot " +
        "--property=StandardOutput=truncate:/run/rustynet-control-init.txt " +
        `/usr/local/bin/rustynet control init --url ${url}`,
      "/usr/bin/systemctl enable rustynet-control.service",
      "/usr/bin/systemctl restart rustynet-control.service",
    ]);
    expect(out).toEndWith("next: rustynet credential create\n");
  });

  test("a network that cannot be made ends it, in the words of the control server", async () => {
    const host = fakeHost({
      run: (argv) => {
        const isInit = argv.includes("init");
        if (isInit) put("/run/rustynet-control-init.txt", "another network is here\n  remove it\n");
        return Promise.resolve({ exitCode: isInit ? 1 : 0, stdout: "", stderr: "Job failed." });
      },
    });
    const url = "https://vpn.example.org:8443";
    const { exit, err } = await runOn(host, "install", "control", "--url", url);
    expect(exit).toBe(75);
    expect(err).toContain(" failed: another network is here; remove it\n");
    expect(err).not.toContain("Job failed.");
    expect(existsSync(join(root, "run/rustynet-control-init.txt"))).toBe(false);
  });

  test("a program that fails ends it, in that program's words", async () => {
    const host = fakeHost({
      run: () => Promise.resolve({ exitCode: 1, stdout: "", stderr: "No such\n  unit\u001b[2J\n" }),
    });
    const { exit, err } = await runOn(host, "install");
    expect(exit).toBe(75);
    expect(err).toBe(
      "rustynet: /usr/bin/systemd-sysusers /etc/sysusers.d/rustynet.conf failed: No such; unit\\u{1b}[2J\n" +
        "  mend that and run this command again: what is done already is kept\n",
    );
  });

  const refused: readonly (readonly [readonly string[], Partial<Host>, number, string])[] = [
    [["install"], { userId: 1_000 }, 77, "only root installs a service"],
    [["install"], { exists: () => false }, 75, "this host is not run by systemd"],
    [
      ["install"],
      { program: { path: "/usr/local/bin/bun", isBuilt: false } },
      64,
      "/usr/local/bin/bun is not the built program",
    ],
    [["install", "relay"], {}, 64, '"relay" is no service: it is daemon or control'],
    [["install", "--url", "https://a.example"], {}, 64, "--url is for the control server alone"],
    [
      ["install", "control", "--url", "http://a.example"],
      {},
      64,
      '"http://a.example" is no address',
    ],
    [["uninstall"], {}, 64, "no daemon was installed by this program"],
  ];
  test.each(refused)("%j with %j changes nothing", async (argv, changes, exit, words) => {
    const host = fakeHost(changes);
    const said = await runOn(host, ...argv);
    expect(said.exit).toBe(exit);
    expect(said.err).toStartWith(`rustynet: ${words}`);
    expect(filesBelow()).toEqual([]);
    expect(host.ran).toEqual([]);
  });

  test("below another root it writes files, runs nothing, and wants no root", async () => {
    const host = fakeHost({ userId: 1_000 });
    const other = join(root, "image");
    put("/image/usr/bin/systemd-creds");
    put("/image/var/lib/systemd/credential.secret");
    const { exit, out } = await runOn(host, "install", "--root", other, "--start");
    expect(exit).toBe(0);
    expect(out).toContain("left for that host to run: /usr/bin/systemctl daemon-reload\n");
    expect(out).not.toContain("ran ");
    rmSync(join(other, "usr/bin"), { recursive: true });
    rmSync(join(other, "var"), { recursive: true });
    expect(host.ran).toEqual([]);
    expect(filesBelow()).toEqual(daemonFiles.map((path) => `/image${path}`));
  });
});

describe("uninstall", () => {
  test("takes back exactly what was written, and keeps state and keys", async () => {
    const host = fakeHost();
    put("/etc/systemd/system/other.service", "of somebody else");
    await runOn(host, "install");
    put("/var/lib/rustynet/identity.key");
    host.ran.length = 0;
    const { exit, out } = await runOn(host, "uninstall");
    expect(exit).toBe(0);
    expect(filesBelow()).toEqual([
      "/etc/rustynet/daemon.custody-key",
      "/etc/systemd/system/other.service",
      "/var/lib/rustynet/identity.key",
    ]);
    expect(host.ran).toEqual([
      "/usr/local/bin/rustynet down",
      "/usr/bin/systemctl disable --now rustynet.service",
      "/usr/bin/systemctl daemon-reload",
    ]);
    expect(out).toContain("kept /var/lib/rustynet (--purge removes it too)\n");
  });

  test("with --purge nothing of ours is left", async () => {
    const host = fakeHost();
    await runOn(host, "install");
    put("/var/lib/rustynet/identity.key");
    put("/run/rustynet/daemon.sock");
    await runOn(host, "uninstall", "--purge");
    expect(filesBelow()).toEqual([]);
    expect(existsSync(join(root, "etc/rustynet"))).toBe(false);
  });

  test("what somebody changed is kept and named", async () => {
    const host = fakeHost();
    await runOn(host, "install");
    put("/etc/systemd/system/rustynet.service", "[Service]\nmine=yes\n");
    const { out } = await runOn(host, "uninstall", "--purge");
    expect(out).toContain("kept /etc/systemd/system/rustynet.service (somebody changed it)\n");
    expect(textOf("/etc/systemd/system/rustynet.service")).toContain("mine=yes");
  });

  test("the program stays while the other service needs it", async () => {
    const host = fakeHost();
    await runOn(host, "install", "daemon");
    await runOn(host, "install", "control");
    const first = await runOn(host, "uninstall", "daemon", "--purge");
    expect(first.out).toContain("kept /usr/local/bin/rustynet (the control server needs it)\n");
    expect(filesBelow()).toContain("/etc/systemd/system/rustynet-control.service");
    await runOn(host, "uninstall", "control", "--purge");
    expect(filesBelow()).toEqual([]);
  });

  test("a dry run says the same and does nothing", async () => {
    const host = fakeHost();
    await runOn(host, "install");
    host.ran.length = 0;
    const { out } = await runOn(host, "uninstall", "--purge", "--dry-run");
    expect(out).toContain("would remove /etc/systemd/system/rustynet.service\n");
    expect(filesBelow()).toEqual(daemonFiles);
    expect(host.ran).toEqual([]);
  });

  test("a record that cannot be read is not guessed at", async () => {
    const host = fakeHost();
    await runOn(host, "install");
    put("/etc/rustynet/daemon.installed.json", '{"files":["/etc/passwd"]}');
    const { exit } = await runOn(host, "uninstall", "--purge");
    expect(exit).toBe(65);
    expect(filesBelow()).toEqual(daemonFiles);
  });
});

test("for programs install is one document", async () => {
  const { out } = await runOn(fakeHost(), "install", "--json");
  expect(JSON.parse(out)).toMatchObject({
    service: "daemon",
    isDryRun: false,
    deeds: expect.arrayContaining([
      { action: "write", what: "/etc/systemd/system/rustynet.service" },
    ]),
  });
});
