/** commands is the tree of everything that can be typed behind `rustynet`. */
import { complete, completion, help, versionCommand } from "./about.ts";
import { approver } from "./approver.ts";
import type { Group } from "./command.ts";
import { down, logout, up } from "./connect.ts";
import { ip, peers, status, whois } from "./observe.ts";
import { membership } from "./membership.ts";
import { audit, credential, node } from "./operator.ts";
import { ping } from "./ping.ts";
import { service } from "./service.ts";

export const commands: Group = {
  kind: "group",
  summary: "A mesh VPN of your own hosts: who belongs is signed, and checked by every node.",
  entries: {
    up,
    down,
    logout,
    status,
    peers,
    ping,
    whois,
    ip,
    credential,
    node,
    membership,
    audit,
    approver,
    service,
    control: { kind: "mode", summary: "Make a network (control init), or serve one" },
    daemon: { kind: "mode", summary: "Run the node daemon, which systemd usually does" },
    version: versionCommand,
    completion,
    complete: complete(() => commands),
    help: help(() => commands),
  },
};
