/** The adapters keep the contract, each in a network of its own: the kernel's where there is one. */
import { expect, test } from "bun:test";
import { existsSync, readFileSync, readdirSync, readlinkSync } from "node:fs";
import * as v from "valibot";
import { Fault } from "../../src/base/fault.ts";
import { Secret } from "../../src/base/secret.ts";
import { createBackend } from "../../src/backend/open.ts";
import { kernelDevice, probeKernel } from "../../src/backend/wireguard/kernel.ts";
import { DeviceTunnel } from "../../src/backend/wireguard/tunnel.ts";
import { defaultPlaces, userspaceDevice } from "../../src/backend/wireguard/userspace.ts";
import { Cidr } from "../../src/model/ip.ts";
import { TunnelKey } from "../../src/model/keys.ts";
import { InterfaceName } from "../../src/model/names.ts";
import { allCapabilities } from "../support/fake-backend.ts";
import { isInPrivateNamespace, run } from "../support/private-namespace.ts";
import { backendSuite, type World } from "./backend.suite.ts";

const world = (create: World["create"]) => async (): Promise<World> => ({
  create,
  addForeign: (name) => void run("/sbin/ip", "link", "add", name, "type", "veth"),
  removeDevice: (name) => void run("/sbin/ip", "link", "delete", name),
  close: async () => {
    for (const name of linkNames()) run("/sbin/ip", "link", "delete", name);
  },
});

/** One end of each pair: the other goes with it. */
function linkNames(): readonly string[] {
  const text = run("/sbin/ip", "-o", "link", "show");
  return [...text.matchAll(/^\d+: (rn\w+)/gm)].map(([, name = ""]) => name);
}

const name = v.parse(InterfaceName, "rntest0");
const key = v.parse(TunnelKey, "ab".repeat(32));
const socket = `/run/wireguard/${name}.sock`;
const context = (changes = {}) => ({
  interface: name,
  tunnelSecret: new Secret(new Uint8Array(32).fill(9)),
  listenPort: 51_820,
  mtuBytes: 1400,
  mark: 0,
  ...changes,
});
const userspace = (places = {}) =>
  new DeviceTunnel(userspaceDevice({ ...defaultPlaces, ...places }));

/** The processes that run the tunnel program in this network namespace. */
function programs(): readonly string[] {
  return readdirSync("/proc").filter((entry) => {
    if (!/^\d+$/.test(entry)) return false;
    try {
      if (readlinkSync(`/proc/${entry}/ns/net`) !== readlinkSync("/proc/self/ns/net")) return false;
      return readFileSync(`/proc/${entry}/cmdline`, "utf8").includes(`-f\0${name}\0`);
    } catch {
      return false;
    }
  });
}

async function faultOf(call: Promise<unknown>): Promise<Fault> {
  try {
    await call;
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error("it was done");
}

if (isInPrivateNamespace(import.meta.path)) {
  backendSuite("userspace", world(userspace), allCapabilities);
  const hasKernel = probeKernel("rnprobe").isAvailable;
  if (hasKernel)
    backendSuite(
      "kernel",
      world(() => new DeviceTunnel(kernelDevice)),
      allCapabilities,
    );

  test("the choice is the kernel's tunnel where there is one, else userspace, and says why", () => {
    const { backend, reason } = createBackend("auto");
    expect(backend.name()).toBe(hasKernel ? "kernel" : "userspace");
    expect(reason).toContain(hasKernel ? "kernel" : "because this kernel has no");
    expect(createBackend("userspace").backend.name()).toBe("userspace");
    expect(linkNames()).toEqual([]);
  });

  test("with no tunnel at all the fault names what to install", () => {
    const none = { program: "/nowhere/tunnel", socketDirectory: "/run/none" };
    const choose = () => createBackend(hasKernel ? "userspace" : "auto", none);
    expect(choose).toThrow("no tunnel can be made here");
    expect(choose).toThrow(expect.objectContaining({ code: "backend_unavailable" }));
    try {
      choose();
    } catch (error) {
      expect(error).toHaveProperty("remedy", expect.stringContaining("apt-get install"));
    }
  });

  test("the link is down, has the wanted MTU and is marked as ours", async () => {
    const backend = userspace();
    await backend.start(context());
    const shown = run("/sbin/ip", "-d", "link", "show", name);
    expect(shown).toContain("state DOWN");
    expect(shown).toContain("mtu 1400");
    expect(shown).toContain("alias rustynet tunnel");
    await backend.shutdown();
  });

  test("the program leads a session of its own, so that no signal to ours reaches it", async () => {
    const backend = userspace();
    await backend.start(context());
    const [pid = ""] = programs();
    // proc(5): after the name in parentheses come state, parent, process group and session.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    expect([stat[2], stat[3]]).toEqual([pid, pid]);
    await backend.shutdown();
  });

  test("a shutdown ends the program and takes its socket along", async () => {
    const backend = userspace();
    await backend.start(context());
    expect(programs().length).toBe(1);
    await backend.shutdown();
    expect([existsSync(socket), linkNames()]).toEqual([false, []]);
    await backend.start(context());
    expect(programs().length).toBe(1);
    await backend.shutdown();
  });

  test("a program that was killed is missed, and start makes a new one beside its old socket", async () => {
    const backend = userspace();
    await backend.start(context());
    await backend.configurePeer({ key, endpoint: null, keepaliveS: 0 });
    for (const pid of programs()) process.kill(Number(pid), "SIGKILL");
    while (linkNames().length > 0) await Bun.sleep(2);
    expect(existsSync(socket)).toBe(true);
    expect((await faultOf(backend.observe())).code).toBe("backend_not_running");
    await backend.shutdown();
    await backend.start(context());
    expect((await backend.observe()).peers.size).toBe(0);
    await backend.shutdown();
  });

  test("the tunnel outlives the process that made it", async () => {
    const child = Bun.spawn([process.execPath, `${import.meta.dir}/start-and-die.ts`, name], {
      env: {},
      stdio: ["ignore", "pipe", "inherit"],
    });
    expect(await child.exited).not.toBe(0);
    expect(child.signalCode).toBe("SIGKILL");
    const backend = userspace();
    await backend.start(context({ mtuBytes: 1300 }));
    const { peers, owners } = await backend.observe();
    expect([...peers.keys()]).toEqual([key]);
    expect([...owners]).toEqual([[v.parse(Cidr, "100.64.0.1/32"), key]]);
    expect(run("/sbin/ip", "link", "show", name)).toContain("mtu 1300");
    await backend.shutdown();
  });

  test("a long change that fails half way is undone", async () => {
    const device = userspaceDevice(defaultPlaces);
    let isBroken = false;
    const backend = new DeviceTunnel({
      ...device,
      async write(of, change) {
        if (!isBroken) return device.write(of, change);
        isBroken = false;
        await device.write(of, { ...change, peers: change.peers.slice(0, 1) });
        throw new Fault("backend_internal", "told to fail half way");
      },
    });
    await backend.start(context());
    const [one, two] = [v.parse(Cidr, "10.0.0.1/32"), v.parse(Cidr, "10.0.0.2/32")];
    await backend.configurePeer({ key, endpoint: null, keepaliveS: 0 });
    await backend.moveRoute(one, key);
    const before = await backend.observe();
    isBroken = true;
    const fault = await faultOf(backend.applyRoutes(new Map([[two, key]])));
    expect(fault.message).toContain("told to fail");
    expect(isBroken).toBe(false);
    expect(await backend.observe()).toEqual(before);
    await backend.shutdown();
  });

  test("a start that fails half way leaves no link and no program", async () => {
    const device = userspaceDevice(defaultPlaces);
    const failing = async () => {
      throw new Fault("backend_internal", "told to fail");
    };
    const backend = new DeviceTunnel({ ...device, write: failing });
    expect((await faultOf(backend.start(context()))).message).toContain("told to fail");
    expect([linkNames(), programs(), existsSync(socket)]).toEqual([[], [], false]);
    const other = userspace();
    await other.start(context());
    expect((await faultOf(backend.start(context({ mtuBytes: 1500, mark: 1 })))).message).toContain(
      "told to fail",
    );
    expect(run("/sbin/ip", "link", "show", name)).toContain("mtu 1400");
    await other.shutdown();
  });

  test("a taken UDP port is named before anything is made", async () => {
    const other = await Bun.udpSocket({ port: 51_820, hostname: "127.0.0.1" });
    const fault = await faultOf(userspace().start(context()));
    other.close();
    expect(fault.message).toContain("51820 is taken");
    expect(linkNames()).toEqual([]);
  });

  test("a program that ends at once is reported with what to run by hand", async () => {
    const fault = await faultOf(userspace({ program: "/bin/false" }).start(context()));
    expect(fault.message).toContain("/bin/false ended with code 1");
    expect(fault.remedy).toContain(`/bin/false -f ${name}`);
  });

  test("a program that is gone by now is a fault and no crash", async () => {
    const fault = await faultOf(userspace({ program: "/nowhere/tunnel" }).start(context()));
    expect(fault.code).toBe("backend_unavailable");
    expect(linkNames()).toEqual([]);
  });
}
