/** about: the commands that tell about the program itself, and complete what is typed. */
import { Fault } from "../base/fault.ts";
import { commit, version } from "../base/version.ts";
import { daemonOption, openDaemonClient } from "./client.ts";
import { type Command, defineCommand, type Entry, type Group } from "./command.ts";
import { completionsOf, type Offer } from "./completion.ts";
import { completionScripts } from "./completion-scripts.ts";
import { describeEntry, renderHelp } from "./help.ts";
import { findEntry } from "./tree.ts";

/** Completion must not make a shell wait. */
const completionMaxMs = 500;

export const versionCommand = defineCommand({
  summary: "Say which version this is, and which one the daemon runs",
  args: daemonOption,
  run: async ({ socket }) => {
    const daemon = await daemonVersion(socket);
    const platform = `${process.platform}-${process.arch}`;
    return {
      document: { version, commit, platform, runtime: Bun.version, daemon },
      lines: [
        `rustynet ${version} (commit ${commit}, ${platform}, Bun ${Bun.version})`,
        ...(daemon === null ? [] : [`daemon   ${daemon}`]),
      ],
    };
  },
});

/** Null when none answers, which is no reason to fail. */
async function daemonVersion(socket: string): Promise<string | null> {
  try {
    return (await openDaemonClient(socket)("status", {}, completionMaxMs)).version;
  } catch (error) {
    if (error instanceof Fault) return null;
    throw error;
  }
}

export const completion = defineCommand({
  summary: "Print what makes a shell complete rustynet's words",
  details: [
    "bash:  source <(rustynet completion bash)",
    "zsh:   source <(rustynet completion zsh)",
    "fish:  rustynet completion fish | source",
  ],
  args: {
    shell: { type: "positional", description: "bash, zsh or fish" },
  },
  run: ({ shell }) => {
    if (shell !== "bash" && shell !== "zsh" && shell !== "fish")
      throw new Fault("usage", "the shell is one of: bash, zsh, fish");
    const script = completionScripts[shell];
    return { document: { shell, script }, raw: script };
  },
});

/** What the scripts ask. `root` is a function because the tree holds this command itself. */
export const complete = (root: () => Entry): Command =>
  defineCommand({
    summary: "Offer what may come next on a command line",
    isHidden: true,
    args: daemonOption,
    rest: "WORD",
    run: async ({ socket }, _context, words) => {
      const { offers, wants } = completionsOf(root(), words);
      const nodes = wants === "node" ? await nodeOffers(socket, words.at(-1) ?? "") : [];
      const all = [...offers, ...nodes];
      return {
        document: { offers: all, wants },
        raw: [
          ...all.map(({ word, meaning }) => `${word}${meaning === "" ? "" : `\t${meaning}`}\n`),
          ...(wants === "file" ? [":file\n"] : []),
        ].join(""),
      };
    },
  });

async function nodeOffers(socket: string, beginning: string): Promise<readonly Offer[]> {
  try {
    const { peers, self } = await openDaemonClient(socket)("status", {}, completionMaxMs);
    return [...(self === null ? [] : [self]), ...peers]
      .filter(({ name }) => name.startsWith(beginning))
      .map(({ name, ipv4 }) => ({ word: name, meaning: ipv4 }));
  } catch (error) {
    if (error instanceof Fault) return [];
    throw error;
  }
}

export const help = (root: () => Group): Command =>
  defineCommand({
    summary: "Explain a command",
    args: {},
    rest: "COMMAND",
    run: (_given, _context, words) => {
      const { path, entry } = findEntry(root(), words);
      return { document: describeEntry(path, entry), lines: renderHelp(path, entry) };
    },
  });
