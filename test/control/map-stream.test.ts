/** map-stream: one map at a time for each node, the newest for who was slow, and nobody waits for another. */
import { afterEach, expect, test } from "bun:test";
import * as v from "valibot";
import { silentLog } from "../../src/base/log.ts";
import { MapStreams, type StreamSocket } from "../../src/control/map-stream.ts";
import { Envelope, openEnvelope } from "../../src/crypto/envelope.ts";
import { closeCode, type Held, Map as PeerMap, mapType } from "../../src/wire/map.ts";
import { waitFor } from "../lab/wait-for.ts";
import { LiveNetwork } from "../support/network.ts";
import { idOf, nowS, signerOf, unwrap } from "../support/world.ts";

/** A socket that a test fills and drains by hand. */
class TestSocket implements StreamSocket {
  readonly maps: PeerMap[] = [];
  readonly closed: number[] = [];
  isFull = false;

  send(text: string): number {
    const envelope = v.parse(Envelope, JSON.parse(text));
    this.maps.push(v.parse(PeerMap, unwrap(openEnvelope(envelope, mapType)).value));
    return this.isFull ? -1 : text.length;
  }

  close(code: number): void {
    this.closed.push(code);
  }
}

const clock = { now: nowS, nowS: () => clock.now, monotonicMs: () => performance.now() };
const forks: string[] = [];
const running: MapStreams[] = [];
afterEach(() => {
  for (const streams of running.splice(0)) streams.stop();
  forks.length = 0;
  clock.now = nowS;
});

function streamsOver(live: LiveNetwork): MapStreams {
  const { network } = live;
  const onFork = (node: string) => forks.push(node);
  const control = signerOf("control");
  const streams = new MapStreams({ network, control, clock, log: silentLog, onFork });
  running.push(streams);
  return streams;
}

function connect(
  streams: MapStreams,
  live: LiveNetwork,
  label: string,
  held: Held = { epoch: 0, generation: 0 },
): TestSocket {
  const socket = new TestSocket();
  streams.open(idOf(label), socket);
  const head = live.network.headAt(held.epoch) ?? live.network.head;
  streams.report(idOf(label), socket, { kind: "hello", held, head });
  return socket;
}

const presentHeld = ({ network }: LiveNetwork): Held => ({
  epoch: network.state.epoch,
  generation: network.generation,
});
const last = (socket: TestSocket) => socket.maps.at(-1);

test("a node is told everything when it connects, and each change after that", async () => {
  const live = new LiveNetwork().admit("n1").admit("n2").advertise("n2");
  const streams = streamsOver(live);
  const socket = connect(streams, live, "n1");
  expect(socket.maps).toHaveLength(1);
  expect(last(socket)?.entries).toHaveLength(2);
  live.admit("n3");
  await waitFor("the change", () => last(socket)?.head.epoch === 3);
  live.advertise("n3");
  await waitFor("the advertisement", () => last(socket)?.generation === live.network.generation);
  expect(last(socket)?.advertisements).toHaveLength(1);
});

test("a node that has everything gets one map all the same: it needs a fresh one", () => {
  const live = new LiveNetwork().admit("n1");
  const socket = connect(streamsOver(live), live, "n1", presentHeld(live));
  expect(socket.maps).toHaveLength(1);
  expect(last(socket)).toMatchObject({ entries: [], advertisements: [], signedAt: nowS });
});

test("many changes in a row are one map", async () => {
  const live = new LiveNetwork().admit("n1").admit("n2");
  const socket = connect(streamsOver(live), live, "n1");
  for (let i = 0; i < 20; i++) live.advertise("n2");
  await waitFor("the last change", () => last(socket)?.generation === live.network.generation);
  expect(socket.maps).toHaveLength(2);
  expect(last(socket)?.advertisements).toHaveLength(1);
});

test("a node that does not read has one map under way, and gets only the newest afterwards", async () => {
  const live = new LiveNetwork().admit("n1").admit("n2");
  const streams = streamsOver(live);
  const slow = connect(streams, live, "n1");
  const quick = connect(streams, live, "n2");
  slow.isFull = true;
  live.admit("n3");
  await waitFor("the quick one", () => last(quick)?.head.epoch === 3);
  const sent = slow.maps.length;
  for (let i = 0; i < 50; i++) live.advertise("n3");
  await waitFor("the quick one", () => last(quick)?.generation === live.network.generation);
  expect(slow.maps).toHaveLength(sent);
  slow.isFull = false;
  streams.drained(idOf("n1"), slow);
  expect(slow.maps).toHaveLength(sent + 1);
  expect(last(slow)?.generation).toBe(live.network.generation);
  expect(last(slow)?.advertisements).toHaveLength(1);
});

test("a socket that drops what it is given is not sent to in a circle", () => {
  const live = new LiveNetwork().admit("n1");
  const socket = new TestSocket();
  socket.send = () => 0;
  const streams = streamsOver(live);
  streams.open(idOf("n1"), socket);
  const { head } = live.network;
  const held = { epoch: 0, generation: 0 };
  const begun = { epoch: 0, root: live.network.genesisRoot };
  streams.report(idOf("n1"), socket, { kind: "hello", held, head: begun });
  expect(head.epoch).toBe(1);
});

test("the stream that a node opens last is the one it has", () => {
  const live = new LiveNetwork().admit("n1");
  const streams = streamsOver(live);
  const first = connect(streams, live, "n1");
  const second = connect(streams, live, "n1");
  expect(first.closed).toEqual([closeCode.replaced]);
  streams.closed(idOf("n1"), first);
  expect(streams.isConnected(idOf("n1"))).toBe(true);
  expect(second.closed).toEqual([]);
});

test("an expelled node is told so, and then nothing", async () => {
  const live = new LiveNetwork().admit("n1").admit("n2").advertise("n2");
  const streams = streamsOver(live);
  const socket = connect(streams, live, "n1");
  live.revoke("n1");
  await waitFor("the end", () => socket.closed.length > 0);
  expect(socket.closed).toEqual([closeCode.revoked]);
  expect(last(socket)?.entries).toHaveLength(1);
  const sent = socket.maps.length;
  const other = connect(streams, live, "n2");
  live.advertise("n2");
  live.admit("n3");
  await waitFor("the other one", () => last(other)?.head.epoch === live.network.state.epoch);
  expect(socket.maps).toHaveLength(sent);
});

test("an expelled node that connects once more is told of its end, and of nothing after it", () => {
  const live = new LiveNetwork().admit("n1").admit("n2").advertise("n2");
  const held = presentHeld(live);
  live.revoke("n1").admit("n3").advertise("n3");
  const socket = connect(streamsOver(live), live, "n1", held);
  expect(socket.maps).toHaveLength(1);
  expect(last(socket)).toMatchObject({ head: live.network.headAt(3), advertisements: [] });
  expect(last(socket)?.entries).toHaveLength(1);
  expect(socket.closed).toEqual([closeCode.revoked]);
});

test("an expelled node that knows its end already is told nothing", () => {
  const live = new LiveNetwork().admit("n1").admit("n2").revoke("n1");
  const socket = connect(streamsOver(live), live, "n1", presentHeld(live));
  expect(socket.maps).toEqual([]);
  expect(socket.closed).toEqual([closeCode.revoked]);
});

test("a node that holds another log is refused and an alarm is raised", () => {
  const live = new LiveNetwork().admit("n1");
  const other = new LiveNetwork().admit("n2").admit("n1").admit("n3");
  const streams = streamsOver(live);
  const { head } = other.network;
  for (const [held, claimed] of [
    [presentHeld(other), head],
    [{ epoch: 1, generation: 1 }, other.network.headAt(1) ?? head],
  ] as const) {
    const socket = new TestSocket();
    streams.open(idOf("n1"), socket);
    streams.report(idOf("n1"), socket, { kind: "hello", held, head: claimed });
    expect(socket.closed).toEqual([closeCode.forked]);
    expect(socket.maps).toEqual([]);
    streams.closed(idOf("n1"), socket);
  }
  expect(forks).toEqual([idOf("n1"), idOf("n1")]);
});

test("a node that heard a higher generation than there is raises an alarm, and is told all from the start", () => {
  const live = new LiveNetwork().admit("n1").admit("n2").advertise("n2");
  const socket = connect(streamsOver(live), live, "n1", { epoch: 1, generation: 2 ** 48 });
  expect(forks).toEqual([idOf("n1")]);
  expect(socket.closed).toEqual([]);
  const { generation } = live.network;
  expect(socket.maps).toMatchObject([{ since: { epoch: 1, generation: 0 }, generation }]);
  expect(socket.maps[0]).toMatchObject({ entries: [{}], advertisements: [{}] });
});

test("whoever proved a key that was rotated since is told nothing more", () => {
  const live = new LiveNetwork().admit("n1").admit("n2");
  const streams = streamsOver(live);
  const socket = connect(streams, live, "n1");
  const told = socket.maps.length;
  live.decide({ kind: "rotate_node_key", node: idOf("n1"), key: signerOf("n1-2").publicKey });
  streams.drained(idOf("n1"), socket);
  expect(socket.closed).toEqual([closeCode.revoked]);
  expect(socket.maps).toHaveLength(told);
  const late = new TestSocket();
  streams.open(idOf("n1"), late, signerOf("n1").publicKey);
  const hello = { kind: "hello", held: { epoch: 0, generation: 0 } } as const;
  const head = live.network.headAt(0) ?? live.network.head;
  streams.report(idOf("n1"), late, { ...hello, head });
  expect([late.closed, late.maps]).toEqual([[closeCode.revoked], []]);
});

test("a node whose record was removed is told the log up to that, and no further", () => {
  const live = new LiveNetwork().admit("n1").admit("n2");
  const streams = streamsOver(live);
  const socket = connect(streams, live, "n1");
  live.decide({ kind: "remove_node", node: idOf("n1") }).admit("n3");
  streams.drained(idOf("n1"), socket);
  expect(socket.maps.at(-1)).toMatchObject({ head: { epoch: 3 } });
  expect(socket.closed).toEqual([closeCode.revoked]);
});

test("a second hello, or one that contradicts itself, ends the stream", () => {
  const live = new LiveNetwork().admit("n1");
  const streams = streamsOver(live);
  const socket = connect(streams, live, "n1");
  const { head } = live.network;
  streams.report(idOf("n1"), socket, { kind: "hello", held: presentHeld(live), head });
  expect(socket.closed).toEqual([closeCode.malformed]);
  const torn = new TestSocket();
  streams.open(idOf("n1"), torn);
  streams.report(idOf("n1"), torn, { kind: "hello", held: { epoch: 0, generation: 0 }, head });
  expect(torn.closed).toEqual([closeCode.malformed]);
});

test("who is online is told to those who may see it, once for many changes", async () => {
  const live = new LiveNetwork().admit("n1").admit("n2").admit("n3").admit("n4", "bob");
  const streams = streamsOver(live);
  const watcher = connect(streams, live, "n1");
  const blind = connect(streams, live, "n4");
  connect(streams, live, "n2");
  const third = connect(streams, live, "n3");
  streams.closed(idOf("n3"), third);
  const told = () => watcher.maps.flatMap(({ presence }) => presence);
  await waitFor("the changes", () => told().length >= 2);
  expect(told().map(({ node, state }) => [node, state])).toEqual([
    [idOf("n2"), "online"],
    [idOf("n3"), "offline"],
  ]);
  expect(blind.maps.flatMap(({ presence }) => presence)).toEqual([]);
  const late = connect(streams, live, "n3");
  const seen = last(late)?.presence.map(({ node, state }) => `${node} ${state}`);
  expect(seen?.sort()).toEqual([`${idOf("n1")} online`, `${idOf("n2")} online`].sort());
});

test("signing times never go back, as long as the clock is not far off", async () => {
  const live = new LiveNetwork().admit("n1").admit("n2");
  const socket = connect(streamsOver(live), live, "n1");
  clock.now = nowS - 30;
  live.advertise("n2");
  await waitFor("the change", () => socket.maps.length === 2);
  expect(last(socket)?.signedAt).toBe(nowS);
  // So far ahead that no node believed it: going back is the only way on.
  clock.now = nowS - 86_400;
  live.advertise("n2");
  await waitFor("the change", () => socket.maps.length === 3);
  expect(last(socket)?.signedAt).toBe(nowS - 86_400);
});

test("what a node says it has applied is kept, up to what there is", () => {
  const live = new LiveNetwork().admit("n1");
  const streams = streamsOver(live);
  const socket = connect(streams, live, "n1");
  const { epoch } = live.network.state;
  streams.report(idOf("n1"), socket, { kind: "applied", generation: 1, epoch });
  expect(streams.appliedGeneration(idOf("n1"))).toBe(1);
  streams.report(idOf("n1"), socket, { kind: "applied", generation: 999, epoch });
  expect(streams.appliedGeneration(idOf("n1"))).toBe(live.network.generation);
  expect(streams.takeSeen().get(idOf("n1"))).toMatchObject({ lastSeenAt: nowS });
});

test("when the server ends, every node is told that it comes back", () => {
  const live = new LiveNetwork().admit("n1").admit("n2");
  const streams = streamsOver(live);
  const sockets = ["n1", "n2"].map((label) => connect(streams, live, label));
  streams.stop();
  expect(sockets.map(({ closed }) => closed)).toEqual([[4004], [4004]]);
});
