/** open chooses the backend: the kernel's own when there is one, a program outside it otherwise. */
import { Fault } from "../base/fault.ts";
import type { TunnelBackend } from "./contract.ts";
import { kernelDevice, probeKernel } from "./wireguard/kernel.ts";
import { DeviceTunnel } from "./wireguard/tunnel.ts";
import {
  defaultPlaces,
  probeUserspace,
  type UserspacePlaces,
  userspaceDevice,
} from "./wireguard/userspace.ts";

export type BackendPreference = "auto" | "kernel" | "userspace";

export type BackendChoice = {
  readonly backend: TunnelBackend;
  /** Why this one, as a sentence for people. */
  readonly reason: string;
};

/**
 * Returns the backend that this host can run and the preference allows; nothing is started. `auto`
 * falls back on the userspace one. Throws Fault `backend_unavailable`, saying what to install.
 */
export function createBackend(
  preference: BackendPreference,
  places: UserspacePlaces = defaultPlaces,
): BackendChoice {
  const kernel = () => new DeviceTunnel(kernelDevice);
  const userspace = () => new DeviceTunnel(userspaceDevice(places));
  if (preference === "userspace") {
    const probe = probeUserspace(places);
    if (!probe.isAvailable) throw unavailable([probe]);
    return { backend: userspace(), reason: "a userspace tunnel carries packets, as asked for" };
  }
  const inKernel = probeKernel(`rnprobe${process.pid}`);
  if (inKernel.isAvailable)
    return { backend: kernel(), reason: "the kernel itself carries packets" };
  if (preference === "kernel") throw unavailable([inKernel]);
  const outside = probeUserspace(places);
  if (!outside.isAvailable) throw unavailable([inKernel, outside]);
  const reason = `a userspace tunnel carries packets, because ${inKernel.why}`;
  return { backend: userspace(), reason };
}

function unavailable(probes: readonly { readonly why: string; readonly remedy: string }[]): Fault {
  const why = probes.map((probe) => probe.why).join(", and ");
  const remedy = probes.map((probe) => probe.remedy).join("; or ");
  return new Fault("backend_unavailable", `no tunnel can be made here: ${why}`, { remedy });
}
