/** start-and-die starts a tunnel with one peer and kills itself: a daemon that crashes. */
import * as v from "valibot";
import { Secret } from "../../src/base/secret.ts";
import { createBackend } from "../../src/backend/open.ts";
import { Cidr } from "../../src/model/ip.ts";
import { TunnelKey } from "../../src/model/keys.ts";
import { InterfaceName } from "../../src/model/names.ts";

const { backend } = createBackend("userspace");
const key = v.parse(TunnelKey, "ab".repeat(32));
await backend.start({
  interface: v.parse(InterfaceName, process.argv[2]),
  tunnelSecret: new Secret(new Uint8Array(32).fill(9)),
  listenPort: 51_820,
  mtuBytes: 1400,
  mark: 0,
});
await backend.configurePeer({ key, endpoint: null, keepaliveS: 0 });
await backend.moveRoute(v.parse(Cidr, "100.64.0.1/32"), key);
process.kill(process.pid, "SIGKILL");
