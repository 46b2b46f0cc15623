/** terminal: what is typed at a hidden question is read and not shown, and the echo is back whatever happens. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { waitFor } from "../lab/wait-for.ts";

const module = JSON.stringify(join(import.meta.dir, "../../src/kernel/terminal.ts"));
const program = `
  const { readHidden } = await import(${module});
  const line = await readHidden("Passphrase: ");
  const text = line?.expose((bytes) => new TextDecoder().decode(bytes));
  console.log("read " + JSON.stringify(text ?? null));
  // The runtime puts a terminal right when it ends: whether we did is seen before.
  if (line !== null) setInterval(() => {}, 60_000);`;
const argv = [process.execPath, "-e", program];

const echo = 0x8;

/** Runs the program at a terminal of its own, does this at its question, and waits for what follows. */
async function atTerminal(act: (child: Bun.Subprocess, terminal: Bun.Terminal) => void) {
  let shown = "";
  const child = Bun.spawn(argv, {
    env: {},
    terminal: { data: (_, bytes) => void (shown += new TextDecoder().decode(bytes)) },
  });
  const { terminal } = child;
  if (terminal === undefined) throw new Error("there is no terminal");
  const before = terminal.localFlags;
  await waitFor("the question", () => shown.endsWith("Passphrase: "));
  const asking = terminal.localFlags;
  act(child, terminal);
  await waitFor(
    "the answer or the end",
    () => child.signalCode !== null || /read ".*"/.test(shown),
  );
  const after = terminal.localFlags;
  const signal = child.signalCode;
  child.kill("SIGKILL");
  await child.exited;
  terminal.close();
  expect([before & echo, asking & echo]).toEqual([echo, 0]);
  expect(after).toBe(before);
  return { shown, signal };
}

const typing = (text: string) => (_: Bun.Subprocess, terminal: Bun.Terminal) =>
  void terminal.write(text);

test.each([
  ["a line", "correct horse\r", "correct horse"],
  ["a line with a slip that was taken back", "corrupt\u007f\u007f\u007fect\r", "correct"],
  ["a line begun anew", "wrong\u0015right\r", "right"],
  ["nothing", "\r", ""],
  ["the end of the input", "\u0004", ""],
  ["letters of several bytes", "größe\r", "größe"],
])("%s is read as it was meant", async (_, typed, read) => {
  const { shown } = await atTerminal(typing(typed));
  expect(shown).toContain(`read ${JSON.stringify(read)}`);
});

test("nothing that is typed is seen", async () => {
  const { shown } = await atTerminal(typing("hunter2\r"));
  expect(shown.slice(0, shown.indexOf("read"))).toBe("Passphrase: \r\n");
});

test("Ctrl-Z is a letter like any other, so that no shell is left without its echo", async () => {
  const { shown } = await atTerminal(typing("a\u001ab\r"));
  expect(shown).toContain(String.raw`read "a\u001ab"`);
});

test.each([
  ["Ctrl-C", typing("half\u0003"), "SIGINT"],
  ["Ctrl-\\", typing("half\u001c"), "SIGQUIT"],
  ["kill", (child: Bun.Subprocess) => child.kill("SIGTERM"), "SIGTERM"],
  ["a terminal that hangs up", (child: Bun.Subprocess) => child.kill("SIGHUP"), "SIGHUP"],
] as const)("%s ends the program by its signal, with the echo back on", async (_, act, signal) => {
  const ended = await atTerminal(act);
  expect(ended.signal).toBe(signal);
  expect(ended.shown).not.toContain("half");
});

test("without a terminal nobody is asked", async () => {
  // setsid(1) takes the terminal of whoever runs the tests away too.
  const child = Bun.spawn(["/usr/bin/setsid", "--wait", ...argv], { env: {}, stdout: "pipe" });
  expect(await child.stdout.text()).toBe("read null\n");
});
