/**
 * tunnel-node is one end of a tunnel: it starts a backend, gives it one peer, an address and routes,
 * and then answers each line of its input with what it observes, until the input ends.
 */
import * as v from "valibot";
import { Secret } from "../../src/base/secret.ts";
import { createBackend } from "../../src/backend/open.ts";
import { addTunnelAddress } from "../../src/host/addresses.ts";
import { setLinkUp } from "../../src/host/links.ts";
import { RouteSocket } from "../../src/host/route-socket.ts";
import { addTunnelRoute } from "../../src/host/routes.ts";
import { Endpoint, hostCidr, IpAddress } from "../../src/model/ip.ts";
import { TunnelKey } from "../../src/model/keys.ts";
import { InterfaceName } from "../../src/model/names.ts";

const NodeSetup = v.strictObject({
  interface: InterfaceName,
  secret: v.string(),
  addresses: v.array(IpAddress),
  peer: v.strictObject({
    key: TunnelKey,
    endpoint: v.nullable(Endpoint),
    addresses: v.array(IpAddress),
  }),
});

if (import.meta.main) {
  const setup = v.parse(NodeSetup, JSON.parse(process.argv[2] ?? ""));
  const { backend } = createBackend("auto");
  const { interface: name, peer } = setup;
  await backend.start({
    interface: name,
    tunnelSecret: new Secret(Uint8Array.fromHex(setup.secret)),
    listenPort: 51_820,
    mtuBytes: 1380,
    mark: 0,
  });
  await backend.configurePeer({ key: peer.key, endpoint: peer.endpoint, keepaliveS: 0 });
  await backend.applyRoutes(
    new Map(peer.addresses.map((address) => [hostCidr(address), peer.key])),
  );
  const socket = new RouteSocket();
  for (const address of setup.addresses) addTunnelAddress(socket, name, address);
  setLinkUp(socket, name, true);
  for (const address of peer.addresses) addTunnelRoute(socket, name, hostCidr(address));
  console.log("ready");
  for await (const _line of console) {
    const state = (await backend.observe()).peers.get(peer.key);
    console.log(JSON.stringify(state));
  }
  await backend.shutdown();
}
