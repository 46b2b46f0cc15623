/** ping: goes on until the path is direct, and its end says whether it is. */
import { describe, expect, test } from "bun:test";
import type { EchoOutcome, EchoRequest } from "../../src/kernel/icmp-echo.ts";
import type { PeerReport } from "../../src/wire/local-api.ts";
import { alpha, beta, running } from "./samples.ts";
import { Stage } from "./stage.ts";

const answered: EchoOutcome = { kind: "answered", roundTripUs: 1_234 };
const timeout: EchoOutcome = { kind: "timeout" };

/** A daemon that reports this peer, with each of these reaches in turn; the last one stays. */
function daemonWith(stage: Stage, ...reaches: readonly PeerReport["reach"][]): Stage {
  const left = [...reaches];
  return stage.serveDaemon({
    status: () => {
      const reach = (left.length > 1 ? left.shift() : left[0]) ?? "direct";
      return { ...running, peers: [{ ...alpha, reach }, beta] };
    },
  });
}

test("it shows the path change, and stops when it is direct", async () => {
  using stage = daemonWith(new Stage(), "connecting", "connecting", "direct");
  expect(await stage.run(["ping", "alpha"])).toEqual({
    exit: 0,
    out:
      "answer 1 from alpha (100.64.0.1) in 1.23 ms, connecting to 192.0.2.1:51820\n" +
      "answer 2 from alpha (100.64.0.1) in 1.23 ms, direct 192.0.2.1:51820\n",
    err: "",
  });
});

test("the requests are numbered, of one identifier, and to the address of the node", async () => {
  using stage = daemonWith(new Stage(), "direct");
  const requests: EchoRequest[] = [];
  const echo = (request: EchoRequest) => {
    requests.push(request);
    return answered;
  };
  await stage.run(["ping", "alpha", "-c", "3", "--timeout", "2s"], { echo });
  await stage.run(["ping", "-6", "alpha", "-c", "1"], { echo });
  await stage.run(["ping", "fd7a::1", "-c", "1"], { echo });
  expect(requests.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 1, 1]);
  expect(new Set(requests.slice(0, 3).map(({ identifier }) => identifier)).size).toBe(1);
  expect(requests.map(({ address }) => address.length)).toEqual([4, 4, 4, 16, 16]);
  expect(requests[0]).toMatchObject({ address: Uint8Array.of(100, 64, 0, 1), timeoutMs: 2_000 });
});

test("with a count every answer will do", async () => {
  using stage = daemonWith(new Stage(), "connecting");
  const { exit, out } = await stage.run(["ping", "alpha", "-c", "2"]);
  expect(exit).toBe(0);
  expect(out.split("\n").length).toBe(3);
});

test("answers that never become direct are not enough by themselves", async () => {
  using stage = daemonWith(new Stage(), "connecting");
  const { exit, out, err } = await stage.run(["ping", "alpha"]);
  expect(exit).toBe(75);
  expect(out.match(/answer/g)?.length).toBe(10);
  expect(err).toBe(
    "alpha answers, but not on a direct path\n  rustynet status shows the path, here and there\n",
  );
});

test("silence fails, and says what to look at", async () => {
  using stage = daemonWith(new Stage(), "direct");
  const { exit, out, err } = await stage.run(["ping", "beta", "-c", "2"], { echo: () => timeout });
  expect(exit).toBe(75);
  expect(out).toBe(
    "no answer 1 from beta (100.64.0.2), offline for 2 h\n" +
      "no answer 2 from beta (100.64.0.2), offline for 2 h\n",
  );
  expect(err).toBe(
    "rustynet: beta answered none of 2 requests\n" +
      "  it is offline: see that it is switched on, and its daemon running\n",
  );
});

test("what the kernel says about it is passed on", async () => {
  using stage = daemonWith(new Stage(), "direct");
  const why = "the packet filter of this host drops it";
  const { out } = await stage.run(["ping", "alpha", "-c", "1"], {
    echo: () => ({ kind: "unreachable", why }),
  });
  expect(out).toBe(`no answer 1 from alpha (100.64.0.1): ${why}\n`);
});

test("a node that policy keeps apart is not even asked", async () => {
  using stage = daemonWith(new Stage(), "denied");
  const echo = () => {
    throw new Error("it was asked");
  };
  expect(await stage.run(["ping", "alpha"], { echo })).toEqual({
    exit: 77,
    out: "",
    err:
      "rustynet: policy keeps this host and alpha apart\n" +
      "  nodes reach each other when they have the same owner: rustynet peers\n",
  });
});

test("this host answers itself", async () => {
  using stage = daemonWith(new Stage(), "direct");
  expect((await stage.run(["ping", "gamma"])).out).toBe(
    "answer 1 from gamma (100.64.0.3) in 1.23 ms, this host itself\n",
  );
});

describe("for programs", () => {
  test("it is one document, also when nobody answers", async () => {
    using stage = daemonWith(new Stage(), "direct");
    const { exit, out, err } = await stage.run(["ping", "alpha", "-c", "1", "--json"], {
      echo: () => timeout,
    });
    expect([exit, err]).toEqual([75, ""]);
    expect(JSON.parse(out)).toEqual({
      node: alpha.node,
      name: "alpha",
      address: "100.64.0.1",
      sent: 1,
      answered: 0,
      isDirect: false,
      answers: [{ sequence: 1, reach: "direct", kind: "timeout" }],
    });
  });
});
