/**
 * desk is where an approver reads and signs: over the network with a key of their own, on the control
 * server's host with the key there, or in a file that goes from hand to hand. What is read is verified
 * from the genesis root on, whoever handed it over; the commands do not see which desk it is.
 */
import { resolve } from "node:path";
import * as v from "valibot";
import { encodeHex, encodeUtf8 } from "../base/bytes.ts";
import { Fault } from "../base/fault.ts";
import { openControlChannel } from "../client/control-channel.ts";
import type { SigningSecret } from "../crypto/ed25519.ts";
import { addSignature, type Envelope, sealEnvelope } from "../crypto/envelope.ts";
import { explain } from "../membership/explain.ts";
import type { Membership } from "../membership/membership.ts";
import { openProposal, type Proposal } from "../membership/proposal.ts";
import { propose } from "../membership/propose.ts";
import { type Operation, updateType } from "../membership/update.ts";
import { type NodeId, StateRoot, UpdateId } from "../model/ids.ts";
import type { SigningKey } from "../model/keys.ts";
import type { ApproverName } from "../model/names.ts";
import type { Outcome } from "../wire/control-api.ts";
import { Dossier, type OpenedDossier, openDossier } from "../wire/dossier.ts";
import { controlSocketDefault } from "../wire/local-api.ts";
import type { NetworkCard } from "../wire/network-card.ts";
import { ApproverHome } from "./approver-home.ts";
import { openOperatorClient } from "./client.ts";
import type { Arguments, Context } from "./command.ts";
import { openCustody, passphraseOption } from "./custody.ts";
import { wordDossierRefusal } from "./desk-refusal.ts";
import { outcomesIn } from "./desk-file.ts";
import { inPortions } from "./portions.ts";

export const hostPlace = "the control server of this host";

export type Desk = {
  /** In words, for what is said before and after. */
  readonly place: string;
  readonly genesis: StateRoot;
  /** Where the network is; null for a file, which does not say. */
  readonly card: NetworkCard | null;
  /** Whose signature this desk gives; null when it can only look. */
  readonly signer: ApproverName | null;
  /** The key that signs, where it is here; null where the server has it, or this desk can only look. */
  readonly key: SigningKey | null;
  readonly read: () => Promise<{ readonly dossier: Dossier; readonly opened: OpenedDossier }>;
  readonly sign: (proposals: readonly Proposal[]) => Promise<readonly Outcome[]>;
  /** Proposes operations that follow `upon` and one another, with this desk's signature. */
  readonly propose: (
    operations: readonly Operation[],
    upon: Membership,
    lifetimeS: number,
  ) => Promise<readonly Outcome[]>;
  /** Brings what others have signed. */
  readonly submit: (envelopes: readonly Envelope[]) => Promise<readonly Outcome[]>;
  readonly reject: (id: UpdateId, reason: string) => Promise<readonly Outcome[]>;
  readonly rejectRequest: (node: NodeId, reason: string) => Promise<void>;
};

export const deskOptions = {
  file: {
    type: "string",
    valueHint: "FILE",
    description: "Work on this dossier instead of asking the control server",
    completes: "file",
  },
  out: {
    type: "string",
    valueHint: "FILE",
    description: "Where the dossier goes with what was added; --file itself otherwise",
    completes: "file",
  },
  genesis: {
    type: "string",
    valueHint: "ROOT",
    description: "With --file: the genesis root, where this machine knows no network",
  },
  dir: {
    type: "string",
    valueHint: "DIR",
    description: "Where your key is kept (~/.config/rustynet/approver)",
    completes: "file",
  },
  socket: {
    type: "string",
    valueHint: "PATH",
    description: "Ask the control server of this host, and sign with the key there",
    completes: "file",
  },
  ...passphraseOption,
} as const satisfies Arguments;

export type DeskWishes = {
  readonly file: string | undefined;
  readonly out: string | undefined;
  readonly genesis: string | undefined;
  readonly dir: string | undefined;
  readonly socket: string | undefined;
  readonly "passphrase-file": string | undefined;
};

/** With `canSign` false a desk over a file needs no key, and asks for no passphrase. */
export async function openDesk(
  wishes: DeskWishes,
  context: Context,
  canSign = true,
): Promise<Desk> {
  const home = homeOf(wishes, context);
  if (wishes.file !== undefined) return openFileDesk(wishes, wishes.file, home, context, canSign);
  const isApprover = wishes.socket === undefined && home !== null && home.readCard() !== null;
  return isApprover ? openHomeDesk(wishes, home, context) : openHostDesk(wishes, context);
}

function homeOf({ dir }: DeskWishes, { approverDirectory }: Context): ApproverHome | null {
  if (dir !== undefined) return new ApproverHome(resolve(dir));
  return approverDirectory === null ? null : new ApproverHome(approverDirectory);
}

async function unlock(
  home: ApproverHome,
  wishes: DeskWishes,
  context: Context,
): Promise<SigningSecret> {
  const kind = home.readCustodyKind();
  const command = "rustynet membership";
  return home.readSecret(await openCustody(kind, wishes["passphrase-file"], context, command));
}

/** An approver's own machine. */
async function openHomeDesk(
  wishes: DeskWishes,
  home: ApproverHome,
  context: Context,
): Promise<Desk> {
  const card = home.readCard();
  const network = home.readNetwork();
  if (card === null || network === null)
    throw new Fault("not_found", "this machine does not know yet which network you approve for", {
      remedy: "rustynet approver network CARD, with the card from: rustynet membership status",
    });
  const secret = await unlock(home, wishes, context);
  const { url, pin, genesis } = network;
  const { clock, random } = context;
  const channel = openControlChannel({ url, pin, signer: secret, clock, random });
  const submit = (envelopes: readonly Envelope[]) =>
    inPortions(envelopes, async (portion) => {
      const answer = await channel.call("proposalSubmit", { envelopes: portion });
      return answer.outcomes;
    });
  return {
    place: url,
    genesis,
    card: network,
    signer: card.name,
    key: card.key,
    read: async () => {
      const dossier = await channel.call("membershipShow", {});
      const opened = verify(dossier, genesis, context, home);
      return { dossier, opened };
    },
    sign: (proposals) => submit(proposals.map(({ envelope }) => addSignature(envelope, secret))),
    propose: (operations, upon, lifetimeS) =>
      submit(sealAll(operations, upon, lifetimeS, secret, context)),
    submit,
    reject: async (id, reason) => (await channel.call("proposalReject", { id, reason })).outcomes,
    rejectRequest: async (node, reason) =>
      void (await channel.call("requestReject", { node, reason })),
  };
}

/** The control server's host, whose own key may be an approver's. */
async function openHostDesk(wishes: DeskWishes, context: Context): Promise<Desk> {
  const call = openOperatorClient(wishes.socket ?? controlSocketDefault);
  const { genesis, approver, url, pin, network } = await call("networkShow", {});
  return {
    place: hostPlace,
    genesis,
    card: { url, pin, network, genesis },
    signer: approver,
    key: null,
    read: async () => {
      const dossier = await call("membershipShow", {});
      return { dossier, opened: verify(dossier, genesis, context, null) };
    },
    sign: (proposals) =>
      inPortions(
        proposals.map(({ update }) => update.id),
        async (ids) => (await call("proposalSign", { ids })).outcomes,
      ),
    propose: async (operations, { root: upon }, lifetimeS) =>
      (await call("operationDecide", { operations: [...operations], lifetimeS, upon })).outcomes,
    submit: (envelopes) =>
      inPortions(
        envelopes,
        async (portion) => (await call("proposalSubmit", { envelopes: portion })).outcomes,
      ),
    reject: async (id, reason) => (await call("proposalReject", { id, reason })).outcomes,
    rejectRequest: async (node, reason) => void (await call("requestReject", { node, reason })),
  };
}

/** A file: each signer's output is the next one's input, and the last one's goes to the server. */
async function openFileDesk(
  wishes: DeskWishes,
  path: string,
  home: ApproverHome | null,
  context: Context,
  canSign: boolean,
): Promise<Desk> {
  const card = home?.readCard() ?? null;
  const genesis = genesisRootOf(wishes, home);
  // What was seen of one network says nothing of another one.
  const memory = home?.readNetwork()?.genesis === genesis ? home : null;
  const secret =
    canSign && home !== null && card !== null ? await unlock(home, wishes, context) : null;
  let dossier = parseDossier(await readDossier(path, context));
  const put = (envelopes: readonly Envelope[]): readonly Outcome[] => {
    const { next, outcomes } = outcomesIn(dossier, envelopes, genesis, context.clock.nowS());
    dossier = next;
    const target = resolve(wishes.out ?? path);
    context.host.write(target, encodeUtf8(`${JSON.stringify(dossier)}\n`), 0o600);
    return outcomes;
  };
  const needed = (): SigningSecret => {
    if (secret !== null) return secret;
    throw new Fault("not_found", "there is no approver key on this machine", {
      remedy: "make one: rustynet approver init --name NAME; or name its place: --dir DIR",
    });
  };
  return {
    place: path,
    genesis,
    card: memory?.readNetwork() ?? null,
    signer: secret === null ? null : (card?.name ?? null),
    key: secret?.publicKey ?? null,
    read: () => Promise.resolve({ dossier, opened: verify(dossier, genesis, context, memory) }),
    sign: async (proposals) =>
      put(proposals.map(({ envelope }) => addSignature(envelope, needed()))),
    propose: async (operations, upon, lifetimeS) =>
      put(sealAll(operations, upon, lifetimeS, needed(), context)),
    submit: async (envelopes) => put(envelopes),
    reject: () => Promise.reject(onlyOnline()),
    rejectRequest: () => Promise.reject(onlyOnline()),
  };
}

const onlyOnline = (): Fault =>
  new Fault("usage", "a file can only gather signatures", {
    remedy: "leave --file out: what is rejected, the control server has to know",
  });

function genesisRootOf({ genesis }: DeskWishes, home: ApproverHome | null): StateRoot {
  if (genesis === undefined) {
    const network = home?.readNetwork() ?? null;
    if (network !== null) return network.genesis;
  }
  const parsed = v.safeParse(StateRoot, genesis);
  if (parsed.success) return parsed.output;
  throw new Fault("usage", "which network is this file of?", {
    remedy:
      "rustynet approver network CARD, once; or --genesis ROOT, as the network's operator reads it to you",
  });
}

async function readDossier(path: string, { readTextFile }: Context): Promise<string> {
  try {
    return await readTextFile(path);
  } catch (cause) {
    throw new Fault("not_found", `cannot read ${path}`, {
      cause,
      remedy: "rustynet membership export FILE makes one",
    });
  }
}

function parseDossier(text: string): Dossier {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), Dossier), text);
  if (parsed.success) return parsed.output;
  throw new Fault("request_malformed", "the file is no dossier, or of a newer version", {
    remedy: "rustynet membership export FILE makes one; rustynet version on both machines",
  });
}

/** Throws unless the log holds, and goes on from where this machine saw it last. */
function verify(
  dossier: Dossier,
  genesis: StateRoot,
  { clock }: Context,
  home: ApproverHome | null,
): OpenedDossier {
  const seen = home?.readWatermark() ?? null;
  const opened = openDossier(dossier, genesis, clock.nowS(), seen);
  if (!opened.ok) throw wordDossierRefusal(opened.error);
  const { state, root } = opened.value.membership;
  if (home !== null && state.epoch > (seen?.epoch ?? 0))
    home.writeWatermark({ epoch: state.epoch, root });
  return opened.value;
}

function sealAll(
  operations: readonly Operation[],
  upon: Membership,
  lifetimeS: number,
  secret: SigningSecret,
  { clock, random }: Context,
): readonly Envelope[] {
  let membership = upon;
  return operations.map((operation) => {
    const id = v.parse(UpdateId, encodeHex(random(16)));
    const createdAt = Math.max(clock.nowS(), membership.acceptedAt);
    const update = propose(membership, operation, { id, createdAt, lifetimeS });
    if (!update.ok) {
      const { message, remedy } = explain(update.error);
      throw new Fault("membership_rejected", `this change does not apply: ${message}`, { remedy });
    }
    const envelope = sealEnvelope(updateType, update.value, [secret]);
    const opened = openProposal(membership, envelope, createdAt);
    if (!opened.ok) throw new Fault("membership_rejected", explain(opened.error).message);
    membership = opened.value.leadsTo;
    return envelope;
  });
}
