/** operator: the commands that an operator gives on the control server's host. */
import * as v from "valibot";
import { exitCode, Fault } from "../base/fault.ts";
import { CredentialId } from "../model/ids.ts";
import { Owner, Tag } from "../model/names.ts";
import { credentialLifetimeMaxS, type Output } from "../wire/control-api.ts";
import { daemonOption, openDaemonClient, openOperatorClient, operatorOption } from "./client.ts";
import type { LocalOutput } from "../wire/local-api.ts";
import { defineCommand, type Group } from "./command.ts";
import { parseNodeName } from "./connect.ts";
import { renderAudit, renderCredentials, renderNodeAudit, renderNodes } from "./operator-text.ts";
import { parseCount, parseDurationS } from "./quantity.ts";
import { plural, quoted, renderMoment } from "./text.ts";

const usesMax = 1_000;

const credentialCreate = defineCommand({
  summary: "Make a token with which a machine may join",
  details: [
    "The token alone goes to standard output, and is shown only this once: what is kept of it",
    "cannot be turned back. Nodes of one owner reach each other.",
  ],
  args: {
    owner: {
      type: "string",
      valueHint: "OWNER",
      description: "Whose the nodes will be; you, by your login name, otherwise",
    },
    tag: {
      type: "string",
      valueHint: "TAG",
      description: "Tag that the nodes will carry; may be repeated",
      repeats: true,
    },
    lifetime: {
      type: "string",
      valueHint: "TIME",
      description: "How long it can be used",
      default: "1h",
    },
    uses: {
      type: "string",
      valueHint: "N",
      description: "How many machines may join with it",
      default: "1",
    },
    ...operatorOption,
  },
  run: async (given, { login }) => {
    const owner = given.owner === undefined ? ownerOfLogin(login) : parseOwner(given.owner);
    const tags = given.tag === undefined ? [] : given.tag.split(",").map(parseTag);
    const lifetimeS = parseDurationS("--lifetime", given.lifetime);
    if (lifetimeS > credentialLifetimeMaxS)
      throw new Fault("usage", `--lifetime is at most ${credentialLifetimeMaxS / 86_400}d`);
    const call = openOperatorClient(given.socket);
    const made = await call("credentialCreate", {
      owner,
      tags: [...new Set(tags)].sort(),
      lifetimeS,
      usesMax: parseCount("--uses", given.uses, 1, usesMax),
    });
    return { document: made, lines: [made.token], notes: wordCredential(made.credential) };
  },
});

type Credential = Output<"credentialCreate">["credential"];

const wordCredential = ({ id, owner, usesMax: uses, expiresAt, tags }: Credential) => [
  `# for ${plural(uses, "machine")} of ${owner}${tags.length === 0 ? "" : `, tagged ${tags.join(" ")}`}, ` +
    `until ${renderMoment(expiresAt)}; shown only now`,
  "# on the new machine, with the token on its standard input: rustynet up -",
  `# to take it back: rustynet credential revoke ${id}`,
];

function ownerOfLogin(login: string | null): Owner {
  const parsed = v.safeParse(Owner, login);
  if (parsed.success) return parsed.output;
  const why =
    login === null ? "nobody is logged in" : `the login name ${quoted(login)} is no owner`;
  throw new Fault("usage", `whose nodes will these be? ${why}`, {
    remedy: "name the owner: rustynet credential create --owner NAME",
  });
}

function parseOwner(text: string): Owner {
  const parsed = v.safeParse(Owner, text);
  if (parsed.success) return parsed.output;
  throw new Fault("name_invalid", `${quoted(text)} cannot be an owner`, {
    remedy: "use an account name or e-mail address: a-z, 0-9 and . _ + @ -",
  });
}

function parseTag(text: string): Tag {
  const parsed = v.safeParse(Tag, text);
  if (parsed.success) return parsed.output;
  throw new Fault("name_invalid", `${quoted(text)} cannot be a tag`, {
    remedy: "use up to 63 of a-z, 0-9 and -, with a letter or digit at both ends",
  });
}

const credentialList = defineCommand({
  summary: "List the credentials, used and unused",
  args: operatorOption,
  run: async ({ socket }, { clock }) => {
    const { credentials } = await openOperatorClient(socket)("credentialList", {});
    return { document: { credentials }, lines: renderCredentials(credentials, clock.nowS()) };
  },
});

const credentialRevoke = defineCommand({
  summary: "Take a credential back",
  details: ["Machines that joined with it stay: rustynet node revoke takes those out."],
  args: {
    id: { type: "positional", description: "As rustynet credential list shows it" },
    ...operatorOption,
  },
  run: async ({ id, socket }) => {
    const parsed = v.safeParse(CredentialId, id);
    if (!parsed.success)
      throw new Fault("usage", `${quoted(id)} is no credential's id, which has 16 hex digits`, {
        remedy: "rustynet credential list shows them; the token itself is not needed",
      });
    const call = openOperatorClient(socket);
    const { credential } = await call("credentialRevoke", { id: parsed.output });
    return { document: { credential }, lines: [`credential ${credential.id} is revoked`] };
  },
});

const nodeList = defineCommand({
  summary: "List the nodes of the network",
  args: operatorOption,
  run: async ({ socket }, { clock }) => {
    const { nodes } = await openOperatorClient(socket)("nodeList", {});
    return { document: { nodes }, lines: renderNodes(nodes, clock.nowS()) };
  },
});

const nodeArgument = {
  type: "positional",
  description: "Name, id, or at least 8 digits of its beginning",
} as const;

const nodeRevoke = defineCommand({
  summary: "Take a node out of the network, for good",
  details: ["Every other node cuts it off. Its name is free again, its addresses are not."],
  args: { node: nodeArgument, ...operatorOption },
  run: async ({ node, socket }) => {
    const revoked = await openOperatorClient(socket)("nodeRevoke", { node: parseReference(node) });
    const { name, id } = revoked.node;
    return {
      document: revoked,
      lines: [`${name} is revoked (node ${id}, epoch ${revoked.head.epoch})`],
    };
  },
});

const nodeRename = defineCommand({
  summary: "Give a node another name",
  args: {
    node: nodeArgument,
    name: { type: "positional", description: "The new name" },
    ...operatorOption,
  },
  run: async ({ node, name, socket }) => {
    const input = { node: parseReference(node), name: parseNodeName(name) };
    const renamed = await openOperatorClient(socket)("nodeRename", input);
    return {
      document: renamed,
      lines: [`node ${renamed.node.id} is now called ${renamed.node.name}`],
    };
  },
});

/** Only what could be a name or an id is sent at all. */
function parseReference(text: string): string {
  if (/^[a-z0-9-]{1,64}$/.test(text)) return text;
  throw new Fault("not_found", `no node of this network is called ${quoted(text)}`, {
    remedy: "rustynet node list shows them",
  });
}

export const audit = defineCommand({
  summary: "Show what was changed in the network, by whom and when",
  details: [
    "On the control server's host each record carries the hash of the one before, and a broken chain",
    "exits with 65. On any other host it shows what this node has seen of the membership: the changes",
    "that it took, who signed them, and what it did not believe.",
  ],
  args: {
    ...operatorOption,
    "daemon-socket": {
      ...daemonOption.socket,
      description: "Where the daemon listens, if no control server does",
    },
  },
  run: async ({ socket, "daemon-socket": daemonSocket }) => {
    const found = await readAudit(socket, daemonSocket);
    if ("intact" in found)
      return {
        document: found,
        lines: renderAudit(found.records, found.intact),
        exit: found.intact ? 0 : exitCode.corrupt,
      };
    return { document: found, lines: renderNodeAudit(found.records) };
  },
});

/** Of the control server, and where there is none of the node. Who can ask neither hears of both. */
async function readAudit(
  socket: string,
  daemonSocket: string,
): Promise<Output<"auditList"> | LocalOutput<"auditList">> {
  try {
    return await openOperatorClient(socket)("auditList", {});
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "unavailable") throw error;
    try {
      return await openDaemonClient(daemonSocket)("auditList", {});
    } catch (second) {
      if (second instanceof Fault && second.code !== "unavailable") throw second;
      throw error;
    }
  }
}

export const credential: Group = {
  kind: "group",
  summary: "Make and take back the tokens with which machines join",
  entries: { create: credentialCreate, list: credentialList, revoke: credentialRevoke },
};

export const node: Group = {
  kind: "group",
  summary: "List, rename and revoke the nodes of the network",
  entries: { list: nodeList, rename: nodeRename, revoke: nodeRevoke },
};
