/** catalogue is every case there is, in the order of a full run. */
import type { Case } from "./bench.ts";
import { binary } from "./cases/binary.ts";
import { change } from "./cases/change.ts";
import { core } from "./cases/core.ts";
import { flood } from "./cases/flood.ts";
import { fleet, multitude } from "./cases/fleet.ts";
import { idle } from "./cases/idle.ts";
import { join } from "./cases/join.ts";
import { log } from "./cases/log.ts";
import { reconnect } from "./cases/reconnect.ts";
import { revoke } from "./cases/revoke.ts";
import { start } from "./cases/start.ts";
import { throughput } from "./cases/throughput.ts";
import { tunnel } from "./cases/tunnel.ts";

export const catalogue: readonly Case[] = [
  binary,
  join,
  change,
  revoke,
  reconnect,
  throughput,
  idle,
  fleet,
  multitude,
  core,
  log,
  start,
  tunnel,
  flood,
];
