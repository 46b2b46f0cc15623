/** What a newcomer sees: plain lines in a file, a moving line on a terminal, colours only where wanted. */
import { expect, test } from "bun:test";
import { screenOf, Transcript } from "../../scripts/transcript.ts";

/** Times differ from run to run. */
const settled = (text: string): string => text.replaceAll(/\d+\.\d s/g, "0.0 s");

function record(stream: { isTTY?: boolean; columns?: number }, env: Record<string, string> = {}) {
  const written: string[] = [];
  const write = (text: string): void => void written.push(text);
  const transcript = new Transcript(screenOf({ ...stream, write }, env));
  return { transcript, text: () => settled(written.join("")) };
}

async function tell(transcript: Transcript): Promise<void> {
  transcript.heading("1  A network");
  await transcript.step(
    "making it",
    async () => {
      transcript.command("control", "rustynet control init");
      transcript.output("Made it.\nTwice.\n");
      return 2;
    },
    (times) => `made ${times} times`,
  );
}

test("a file gets plain lines", async () => {
  const { transcript, text } = record({});
  await tell(transcript);
  expect(text()).toBe(
    [
      "",
      "1  A network",
      "  control$ rustynet control init",
      "    Made it.",
      "    Twice.",
      "  ✓ made 2 times (0.0 s)",
      "",
    ].join("\n"),
  );
});

const colour = /\u001b\[\d+m/;

test.each([
  { what: "a terminal", stream: { isTTY: true }, env: {}, isLive: true, isColoured: true },
  {
    what: "a terminal with NO_COLOR",
    stream: { isTTY: true },
    env: { NO_COLOR: "1" },
    isLive: true,
    isColoured: false,
  },
  {
    what: "an empty NO_COLOR",
    stream: { isTTY: true },
    env: { NO_COLOR: "" },
    isLive: true,
    isColoured: true,
  },
  {
    what: "a dumb terminal",
    stream: { isTTY: true },
    env: { TERM: "dumb" },
    isLive: false,
    isColoured: false,
  },
  { what: "a pipe", stream: {}, env: {}, isLive: false, isColoured: false },
])(
  "$what: moving line $isLive, colours $isColoured",
  async ({ stream, env, isLive, isColoured }) => {
    const { transcript, text } = record(stream, env);
    await tell(transcript);
    expect(text().includes("\r")).toBe(isLive);
    expect(colour.test(text())).toBe(isColoured);
  },
);

test("a moving line fits into a narrow terminal, so that it can be drawn over", async () => {
  const { transcript, text } = record({ isTTY: true, columns: 20 }, { NO_COLOR: "1" });
  await transcript.step(
    "a title that is much too long for it",
    async () => {},
    () => "done",
  );
  const drawn =
    text()
      .split("\r\u001b[2K")
      .find((line) => line.includes("a title")) ?? "";
  expect(drawn).toBe("  ⠋ a title that is");
  expect(drawn.length).toBeLessThan(20);
});

test("what fails gets a cross, and the failure goes on", async () => {
  const { transcript, text } = record({});
  const failing = transcript.step(
    "trying",
    () => Promise.reject(new Error("no")),
    () => "done",
  );
  expect(failing).rejects.toThrow("no");
  await failing.catch(() => {});
  expect(text()).toBe("  ✗ trying (0.0 s)\n");
});

test("after the last words nothing is shown", async () => {
  const { transcript, text } = record({ isTTY: true }, { NO_COLOR: "1" });
  transcript.end("stopped");
  await tell(transcript);
  expect(text()).toBe("stopped\n");
});
