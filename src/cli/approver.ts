/** approver: the commands of a person whose key decides who belongs, on their own machine. */
import { resolve } from "node:path";
import * as v from "valibot";
import { encodeUtf8 } from "../base/bytes.ts";
import { Fault } from "../base/fault.ts";
import { fingerprintOf } from "../crypto/fingerprint.ts";
import { ApproverName } from "../model/names.ts";
import { type ApproverCard, encodeApproverCard } from "../wire/approver-card.ts";
import { type NetworkCard, parseNetworkCard } from "../wire/network-card.ts";
import { ApproverHome, networkChangeOf } from "./approver-home.ts";
import { type Approver, describeApprover, renderApprover, wordExport } from "./approver-text.ts";
import { type Arguments, type Context, defineCommand, type Group } from "./command.ts";
import { chooseCustody, newKeyOptions } from "./custody.ts";
import { renderQrSvg } from "./qr-code.ts";
import { quoted } from "./text.ts";

const homeOption = {
  dir: {
    type: "string",
    valueHint: "DIR",
    description: "Where the key is kept (~/.config/rustynet/approver)",
    completes: "file",
  },
} as const satisfies Arguments;

function homeOf(dir: string | undefined, { approverDirectory }: Context): ApproverHome {
  const directory = dir === undefined ? approverDirectory : resolve(dir);
  if (directory !== null) return new ApproverHome(directory);
  throw new Fault("usage", "this user has no home directory to keep a key in", {
    remedy: "name a directory: --dir DIR",
  });
}

const init = defineCommand({
  summary: "Make your approver key, on this machine",
  details: [
    "An approver's key signs who belongs to a network. It is made here and never leaves this machine;",
    "its public half goes to those who admit you: rustynet approver export. The passphrase is asked",
    "for. Doing it twice does no harm, and a key is never overwritten.",
  ],
  args: {
    name: {
      type: "string",
      valueHint: "NAME",
      description: "What the network will call you",
    },
    network: {
      type: "string",
      valueHint: "CARD",
      description: "Remember this network too, as rustynet approver network does",
    },
    ...newKeyOptions,
    ...homeOption,
  },
  run: async (given, context) => {
    const name = given.name === undefined ? undefined : parseName(given.name);
    const card = given.network === undefined ? undefined : parseCard(given.network);
    const home = homeOf(given.dir, context);
    const found = home.readCard();
    if (found !== null) refuseOtherAnswers(home, found, name, given["plain-keys"]);
    if (card !== undefined) refuseOtherNetwork(home, card, false);
    if (found === null) await makeKey(home, name, given, context);
    if (card !== undefined) home.writeNetwork(card);
    const approver = readApprover(home);
    return {
      document: { ...describeApprover(approver), made: found === null },
      lines: renderApprover(approver),
      notes: found === null ? wordNewKey(home) : ["# it was there already; no key was made"],
    };
  },
});

async function makeKey(
  home: ApproverHome,
  name: ApproverName | undefined,
  given: {
    readonly "passphrase-file": string | undefined;
    readonly "plain-keys": boolean;
    readonly dir: string | undefined;
  },
  context: Context,
): Promise<void> {
  if (name === undefined) throw new Fault("usage", "--name is missing");
  const wishes = { passphraseFile: given["passphrase-file"], isPlain: given["plain-keys"] };
  const place = given.dir === undefined ? "" : ` --dir ${given.dir}`;
  const command = `rustynet approver init --name ${name}${place}`;
  home.makeKey(name, await chooseCustody(wishes, context, command), context.random);
}

const wordNewKey = ({ directory }: ApproverHome): readonly string[] => [
  `# keep a copy of ${directory} where only you can read it: a lost key cannot be made again`,
  "# hand its public half to those who admit you: rustynet approver export",
];

/** What was not asked for now does not differ from what was chosen then. */
function refuseOtherAnswers(
  home: ApproverHome,
  found: ApproverCard,
  name: ApproverName | undefined,
  isPlain: boolean,
): void {
  const isSealed = home.readCustodyKind() === "passphrase";
  const difference =
    name !== undefined && name !== found.name
      ? `is the key of ${found.name}`
      : isPlain && isSealed
        ? "is under a passphrase"
        : null;
  if (difference === null) return;
  throw new Fault("already_exists", `${home.keyPath} ${difference}`, {
    remedy: "use it, or name another directory with --dir; nothing was changed",
  });
}

function refuseOtherNetwork(home: ApproverHome, card: NetworkCard, isReplacing: boolean): void {
  const held = home.readNetwork();
  const change = networkChangeOf(held, card);
  if (change === "other")
    throw new Fault("network_mismatch", `this approver is one of network ${held?.network}`, {
      remedy: "keep a key for each network: rustynet approver init --dir DIR --network CARD",
    });
  if (change === "moved" && !isReplacing)
    throw new Fault(
      "network_mismatch",
      `the card has another address or TLS key than ${held?.url}`,
      {
        remedy:
          "ask the network's operator; if the server was moved: rustynet approver network --replace CARD",
      },
    );
}

const network = defineCommand({
  summary: "Remember which network you approve for",
  details: ["A network card is public: the network's operator hands it out. It admits nobody."],
  args: {
    card: { type: "positional", description: "The network's card, which starts with rnnet1." },
    replace: { type: "boolean", description: "Take the network's new address and TLS key" },
    ...homeOption,
  },
  run: (given, context) => {
    const card = parseCard(given.card);
    const home = homeOf(given.dir, context);
    refuseOtherNetwork(home, card, given.replace);
    home.writeNetwork(card);
    return { document: { network: card }, lines: [`network ${card.network} at ${card.url}`] };
  },
});

const exportCommand = defineCommand({
  summary: "Print the public half of your key, for those who admit you",
  details: ["The card alone goes to standard output; on a terminal its QR code is shown besides."],
  args: {
    svg: {
      type: "string",
      valueHint: "FILE",
      description: "Write the QR code as a picture too",
      completes: "file",
    },
    ...homeOption,
  },
  run: ({ dir, svg }, context) => {
    const { card } = readApprover(homeOf(dir, context));
    const text = encodeApproverCard(card);
    const picture = svg === undefined ? null : resolve(svg);
    if (picture !== null) context.host.write(picture, encodeUtf8(renderQrSvg(text)), 0o644);
    return {
      document: { ...card, card: text, fingerprint: fingerprintOf(card.key), svg: picture },
      lines: [text],
      notes: wordExport(card, context.stderr.isTerminal),
    };
  },
});

const show = defineCommand({
  summary: "Show your approver key, how it is kept, and which network it is for",
  details: ["The passphrase is not needed: nothing of this is secret."],
  args: homeOption,
  run: ({ dir }, context) => {
    const approver = readApprover(homeOf(dir, context));
    return { document: describeApprover(approver), lines: renderApprover(approver) };
  },
});

function readApprover(home: ApproverHome): Approver {
  const card = home.readCard();
  if (card === null)
    throw new Fault("not_found", `there is no approver key in ${home.directory}`, {
      remedy: "make one: rustynet approver init --name NAME; or name another place: --dir DIR",
    });
  const { keyPath } = home;
  return { card, network: home.readNetwork(), keyPath, custody: home.readCustodyKind() };
}

function parseName(text: string): ApproverName {
  const parsed = v.safeParse(ApproverName, text);
  if (parsed.success) return parsed.output;
  throw new Fault("name_invalid", `${quoted(text)} cannot be an approver's name`, {
    remedy: "use up to 63 of a-z, 0-9 and -, with a letter or digit at both ends",
  });
}

/** Somebody may paste a join token here, whose secret is then not repeated. */
function parseCard(text: string): NetworkCard {
  const card = parseNetworkCard(text);
  if (card !== null) return card;
  throw new Fault("request_malformed", "this is not a network card, or not the whole of one", {
    remedy: "copy it again from whoever gave it to you; it starts with rnnet1.",
  });
}

export const approver: Group = {
  kind: "group",
  summary: "Make and show your own approver key, which decides who belongs",
  entries: { init, export: exportCommand, network, show },
};
