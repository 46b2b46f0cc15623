/** reconnect: how long traffic and the map stream take to come back after an interruption. */
import type { NodeHost } from "../../e2e/node-host.ts";
import type { Host } from "../../lab/host.ts";
import { waitFor } from "../../lab/wait-for.ts";
import type { Bench, Case } from "../bench.ts";
import { limits } from "../figure.ts";
import { wallMs } from "../fleet.ts";
import { TimedPing } from "../timed-ping.ts";
import { ipv4Underlay, nodeNamed, withMesh } from "../grounds.ts";

const awayMs = 3_000;

export const reconnect: Case = {
  name: "reconnect",
  about: "Two nodes talk, and one of them loses its link, or gets another address.",
  figures: [
    {
      name: "flap_to_first_answer",
      unit: "ms",
      better: "less",
      limit: limits.reconnectMs,
      about: "the link was down for 3 s; from its being up again to the first answer",
    },
    {
      name: "flap_to_map_stream",
      unit: "ms",
      better: "less",
      limit: limits.reconnectMs,
      about: "the same, until the daemon is connected to the control server",
    },
    {
      name: "move_to_first_answer",
      unit: "ms",
      better: "less",
      limit: limits.reconnectMs,
      about: "from another address on the same network to the first answer",
    },
    {
      name: "move_to_map_stream",
      unit: "ms",
      better: "less",
      limit: limits.reconnectMs,
      about: "the same, until the daemon has a stream from its new address",
    },
  ],
  run: async (bench) => {
    const rounds = bench.isQuick ? 3 : 10;
    await withMesh(
      ["alice", "bob"],
      async ({ mesh }) => {
        const [alice, bob] = [nodeNamed(mesh, "alice"), nodeNamed(mesh, "bob")];
        await mesh.untilReached(bob, alice);
        for (let round = 0; round < rounds; round++) {
          bench.say(`round ${round + 1} of ${rounds}`);
          await flap(bench, alice, bob);
          await move(bench, alice, bob, mesh.control.host, round);
        }
      },
      ipv4Underlay,
    );
    bench.note("A ping is sent every 10 ms. The control server is away as long as the link is.");
  },
};

async function flap(bench: Bench, alice: NodeHost, bob: NodeHost): Promise<void> {
  const ping = await startPing(bob, alice);
  await bob.host.linkDown();
  await Bun.sleep(awayMs);
  const startedMs = wallMs();
  await bob.host.linkUp();
  const connected = bob.untilConnected().then(wallMs);
  bench.record("flap_to_first_answer", (await firstAnswerAfter(ping, startedMs)) - startedMs);
  bench.record("flap_to_map_stream", (await connected) - startedMs);
  await ping.stop();
}

async function move(
  bench: Bench,
  alice: NodeHost,
  bob: NodeHost,
  control: Host,
  round: number,
): Promise<void> {
  const ping = await startPing(bob, alice);
  const { interface: name } = bob.host.on();
  const address = `192.0.2.${100 + round}`;
  const startedMs = wallMs();
  await bob.host.ip(
    `address flush dev ${name} scope global`,
    `address add ${address}/24 dev ${name}`,
  );
  const connected = untilStreamFrom(address, control, bob).then(wallMs);
  bench.record("move_to_first_answer", (await firstAnswerAfter(ping, startedMs)) - startedMs);
  bench.record("move_to_map_stream", (await connected) - startedMs);
  await ping.stop();
}

/** The old stream may look alive for a while: what counts is one that comes from there. */
async function untilStreamFrom(address: string, control: Host, bob: NodeHost): Promise<void> {
  const listed = ["/usr/bin/ss", "-Htn", "state", "established", "dst", address];
  const isThere = async (): Promise<boolean> => (await control.output(listed)) !== "";
  await waitFor("a stream from the new address", isThere, { deadlineMs: 30_000, pollMs: 10 });
  await bob.untilConnected();
}

const startPing = async (from: NodeHost, to: NodeHost): Promise<TimedPing> =>
  TimedPing.open(from.host, (await to.self()).ipv4, 0.01);

function firstAnswerAfter(ping: TimedPing, startedMs: number): Promise<number> {
  const first = (): number => ping.answersMs.find((at) => at >= startedMs) ?? 0;
  return waitFor("an answer", first, { deadlineMs: 30_000, pollMs: 5 });
}
