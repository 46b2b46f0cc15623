/** side-by-side measures what two tunnels carry, in turn: the product's, and one made by hand. */
import type { Host } from "../lab/host.ts";
import { iperf, type IperfOptions } from "../lab/iperf.ts";
import { alternate, type Bench } from "./bench.ts";
import { type FigureSpec, limits, type Unit } from "./figure.ts";

const datagramBytes = 64;

export type Load = {
  readonly name: string;
  readonly what: string;
  readonly unit: Unit;
  readonly options: IperfOptions;
};

export const loads: readonly Load[] = [
  { name: "tcp_out", what: "one TCP stream", unit: "Mbit/s", options: {} },
  {
    name: "tcp_back",
    what: "one TCP stream from the other end",
    unit: "Mbit/s",
    options: { isReverse: true },
  },
  {
    name: "small_datagrams",
    what: `datagrams of ${datagramBytes} bytes, as many as arrive`,
    unit: "packets/s",
    options: { udpBitsPerSecond: 0, datagramBytes },
  },
];

export function figuresOf(
  { name, what, unit }: Load,
  sized: Pick<FigureSpec, "sizedBy"> = {},
): readonly FigureSpec[] {
  return [
    {
      ...{ name: `${name}_ratio`, unit: "ratio", better: "more", ...sized },
      limit: limits.tunnelRatio,
      about: `${what}: the product's tunnel over the one made by hand, each pair of neighbouring runs`,
    },
    {
      ...{ name: `${name}_product`, unit, better: "more", ...sized },
      about: `${what}, through the product's tunnel`,
    },
    {
      ...{ name: `${name}_by_hand`, unit, better: "more", ...sized },
      about: `${what}, through the one made by hand`,
    },
  ];
}

/** `address` is the server's, in the tunnel. */
export type Way = { readonly client: Host; readonly server: Host; readonly address: string };

export async function measureSideBySide(
  bench: Bench,
  load: Load,
  { product, bare }: { readonly product: Way; readonly bare: Way },
  { rounds, seconds, size }: { rounds: number; seconds: number; size?: number },
): Promise<void> {
  bench.say(`${load.what}: ${rounds} rounds`);
  const over = async ({ client, server, address }: Way): Promise<number> => {
    const options = { ...load.options, seconds };
    const { bitsPerSecond, lostPercent } = await iperf(client, server, address, options);
    if (load.unit === "Mbit/s") return bitsPerSecond / 1e6;
    return (bitsPerSecond * (1 - (lostPercent ?? 0) / 100)) / (8 * datagramBytes);
  };
  const pairs = await alternate(
    rounds,
    () => over(product),
    () => over(bare),
  );
  for (const pair of pairs) {
    bench.record(`${load.name}_product`, pair.product, size);
    bench.record(`${load.name}_by_hand`, pair.bare, size);
    bench.record(`${load.name}_ratio`, pair.product / pair.bare, size);
  }
}
