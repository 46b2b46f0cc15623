import { expect, test } from "bun:test";
import * as v from "valibot";
import { Fault } from "../../src/base/fault.ts";
import { openEnvelope, type Envelope } from "../../src/crypto/envelope.ts";
import { Advertiser } from "../../src/daemon/advertiser.ts";
import type { ControlClient } from "../../src/daemon/control-client.ts";
import { Endpoint } from "../../src/model/ip.ts";
import { openView } from "../../src/trust/view.ts";
import {
  Advertisement,
  advertisementLifetimeS,
  advertisementType,
} from "../../src/wire/advertisement.ts";
import { idOf, Ledger } from "../support/world.ts";
import { HandClock, keysOf, openDirectory, openState } from "./world.ts";

const view = openView(idOf("me"), new Ledger().admit("me").membership);
const near = v.parse(Endpoint, "192.0.2.7:51820");
const far = v.parse(Endpoint, "198.51.100.7:51820");

/** A control server that keeps what it was told, and can be away. */
function mailbox() {
  const taken: Advertisement[] = [];
  const box = { isAway: false, taken };
  const client: Pick<ControlClient, "advertise"> = {
    advertise: (envelope: Envelope) => {
      if (box.isAway) return Promise.reject(new Fault("unavailable", "away"));
      const opened = openEnvelope(envelope, advertisementType);
      if (!opened.ok) throw new Error(opened.error.code);
      taken.push(v.parse(Advertisement, opened.value.value));
      return Promise.resolve({ generation: taken.length });
    },
  };
  return { ...box, box, client: client as ControlClient };
}

function open(path: string, clock: HandClock, endpoints: () => readonly Endpoint[]) {
  const say = () => ({ endpoints: endpoints(), os: "linux/x64", software: "0.1.0" });
  return new Advertiser(openState(path), clock, say);
}

test("what has not changed is said once, and again to every new stream", async () => {
  using directory = openDirectory();
  const { taken, client } = mailbox();
  const advertiser = open(directory.path, new HandClock(), () => [near]);
  for (let i = 0; i < 3; i++) await advertiser.advertise(keysOf("me"), view, client);
  expect(taken.map(({ sequence }) => sequence)).toEqual([1]);
  advertiser.forget();
  await advertiser.advertise(keysOf("me"), view, client);
  expect(taken.map(({ sequence }) => sequence)).toEqual([1, 1]);
  expect(taken[1]).toEqual(taken[0] as never);
});

test("another endpoint is a new statement with a higher number, also after a restart", async () => {
  using directory = openDirectory();
  const { taken, client } = mailbox();
  let endpoints = [near];
  const clock = new HandClock();
  await open(directory.path, clock, () => endpoints).advertise(keysOf("me"), view, client);
  endpoints = [near, far];
  await open(directory.path, clock, () => endpoints).advertise(keysOf("me"), view, client);
  expect(taken.map(({ sequence }) => sequence)).toEqual([1, 2]);
  expect(taken[1]?.endpoints).toEqual([near, far]);
});

test("a statement is renewed long before it runs out", async () => {
  using directory = openDirectory();
  const { taken, client } = mailbox();
  const clock = new HandClock();
  const advertiser = open(directory.path, clock, () => [near]);
  await advertiser.advertise(keysOf("me"), view, client);
  clock.pass(advertisementLifetimeS / 4 - 1);
  await advertiser.advertise(keysOf("me"), view, client);
  expect(taken).toHaveLength(1);
  clock.pass(1);
  await advertiser.advertise(keysOf("me"), view, client);
  expect(taken.map(({ sequence }) => sequence)).toEqual([1, 2]);
});

test("a clock that was set back makes a new statement, not an old number", async () => {
  using directory = openDirectory();
  const { taken, client } = mailbox();
  const clock = new HandClock();
  const advertiser = open(directory.path, clock, () => [near]);
  await advertiser.advertise(keysOf("me"), view, client);
  clock.wallS -= 3_600;
  await advertiser.advertise(keysOf("me"), view, client);
  expect(taken.map(({ sequence }) => sequence)).toEqual([1, 2]);
});

test("what a control server that is away did not take is said again with the same number", async () => {
  using directory = openDirectory();
  const { taken, client, box } = mailbox();
  const advertiser = open(directory.path, new HandClock(), () => [near]);
  box.isAway = true;
  expect(advertiser.advertise(keysOf("me"), view, client)).rejects.toThrow("away");
  box.isAway = false;
  await advertiser.advertise(keysOf("me"), view, client);
  expect(taken.map(({ sequence }) => sequence)).toEqual([1]);
});

test("numbering starts anew under a new identity: the old statement is somebody else's", async () => {
  using directory = openDirectory();
  const { taken, client } = mailbox();
  const advertiser = open(directory.path, new HandClock(), () => [near]);
  await advertiser.advertise(keysOf("me"), view, client);
  await advertiser.advertise(keysOf("peer"), { ...view, self: idOf("peer") }, client);
  expect(taken.map(({ node, sequence }) => [node, sequence])).toEqual([
    [idOf("me"), 1],
    [idOf("peer"), 1],
  ]);
});
