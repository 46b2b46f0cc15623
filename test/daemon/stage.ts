/** stage: a daemon's node on a host in memory, put together from fakes that a test may exchange. */
import * as v from "valibot";
import { silentLog } from "../../src/base/log.ts";
import type { ControlClient } from "../../src/daemon/control-client.ts";
import { Node, type NodeParts } from "../../src/daemon/node.ts";
import { InterfaceName, NodeName } from "../../src/model/names.ts";
import { FakeHost } from "../support/fake-host.ts";
import { tunnelOf } from "../support/world.ts";
import { HandClock, openState, random } from "./world.ts";

/** A control server that answers nothing at all. */
export const silentClient: ControlClient = {
  enroll: () => new Promise(() => {}),
  voucherHistory: () => new Promise(() => {}),
  voucherRedeem: () => new Promise(() => {}),
  advertise: () => new Promise(() => {}),
  leave: () => new Promise(() => {}),
  openMapStream: () => new Promise(() => {}),
};

/** A host on which nothing was ever done. */
export const emptyHost = (tunnelKey = tunnelOf("me").publicKey): FakeHost =>
  new FakeHost(
    {
      link: "absent",
      addresses: new Set(),
      routes: new Set(),
      filter: { kind: "absent" },
      device: null,
      isAdopted: false,
    },
    tunnelKey,
  );

/** A node with its state in this directory, called `me` unless the test says otherwise. */
export function nodeIn(directory: string, parts: Partial<NodeParts> = {}): Node {
  return new Node({
    state: openState(directory),
    custody: { kind: "plain" },
    host: emptyHost(),
    openClient: () => silentClient,
    config: {
      interface: v.parse(InterfaceName, "rustynet0"),
      listenPort: 51_820,
      mtuBytes: 1_420,
      mark: 0,
    },
    endpoints: [],
    holdMs: 3_600_000,
    hostName: v.parse(NodeName, "me"),
    os: "linux/x64",
    software: "0.1.0",
    clock: new HandClock(),
    random,
    log: silentLog,
    ...parts,
  });
}
