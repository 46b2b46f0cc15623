/** machine reads the network of the machine itself, so that a test can show that it is untouched. */
import { execute } from "./tools.ts";

// Lifetimes run down by themselves.
const lifetimes = new Set(["valid_life_time", "preferred_life_time", "expires"]);

/** Addresses, routes, rules and packet filter, as text to be compared. Only reads. */
export async function readMachineNetwork(): Promise<Readonly<Record<string, string>>> {
  const ip = async (...argv: string[]): Promise<string> => {
    const json: unknown = JSON.parse((await execute(["/usr/bin/ip", "-j", ...argv], "")) || "[]");
    return JSON.stringify(json, (key, value: unknown) => (lifetimes.has(key) ? 0 : value), 1);
  };
  return {
    addresses: await ip("address"),
    routes4: await ip("-4", "route", "show", "table", "all"),
    routes6: await ip("-6", "route", "show", "table", "all"),
    rules4: await ip("-4", "rule"),
    rules6: await ip("-6", "rule"),
    filter: await execute(["/usr/sbin/nft", "--stateless", "list", "ruleset"], ""),
  };
}
