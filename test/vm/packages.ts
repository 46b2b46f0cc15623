/**
 * packages brings Debian's kernel and the guest's programs, as files: apt resolves and proves them as
 * for an empty system, and nothing is installed. What was chosen once stays until it is renewed.
 */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { Archive, type Release, unavailable } from "./archive.ts";

/** The programs that the suites and the product use, and a shell for people. */
const wanted = [
  ...["bash", "dash", "coreutils", "findutils", "grep", "sed", "tar", "hostname", "mawk", "less"],
  ...["util-linux", "mount", "procps", "kmod", "libcap2-bin", "openssl", "ncurses-base"],
  ...["iproute2", "nftables", "iputils-ping", "tcpdump", "iperf3", "conntrack", "socat"],
  ...["wireguard-tools", "wireguard-go"],
];
const kernelName = "linux-image-cloud-amd64";

const Choice = v.strictObject({
  wanted: v.array(v.string()),
  /** Such as 6.1.0-56-cloud-amd64. */
  kernelRelease: v.string(),
  kernelArchive: v.string(),
  archives: v.array(v.string()),
});
/** Names of files in `folder`. */
export type Packages = v.InferOutput<typeof Choice> & { readonly folder: string };

/** Returns the packages of a release once all of them are in `home`. `isRenewing` asks apt for newer ones. */
export async function bringPackages(
  release: Release,
  home: string,
  isRenewing: boolean,
): Promise<Packages> {
  const folder = join(home, "archives");
  mkdirSync(join(folder, "partial"), { recursive: true });
  const file = Bun.file(join(home, "packages.json"));
  const kept = (await file.exists()) ? v.safeParse(Choice, await file.json()) : null;
  if (!isRenewing && kept?.success && isWhole(kept.output, folder)) {
    return { ...kept.output, folder };
  }
  const archive = await Archive.open(release, home, isRenewing);
  const chosen = await choose(archive, folder);
  if (!isWhole(chosen, folder)) {
    console.log(`  downloading ${chosen.archives.length + 1} Debian packages ...`);
    await archive.get(folder, "--download-only", "-y", ...installed);
    await archive.get(folder, "download", kernelPackage(chosen.kernelRelease));
  }
  if (!isWhole(chosen, folder)) throw unavailable("apt-get brought other packages than it named");
  await Bun.write(file, `${JSON.stringify(chosen, null, 2)}\n`);
  return { ...chosen, folder };
}

const installed = ["--no-install-recommends", "install", ...wanted];
const kernelPackage = (release: string): string => `linux-image-${release}`;

function isWhole(
  { wanted: asked, archives, kernelArchive }: v.InferOutput<typeof Choice>,
  folder: string,
): boolean {
  if (asked.join() !== wanted.join()) return false;
  return [...archives, kernelArchive].every((name) => existsSync(join(folder, name)));
}

async function choose(archive: Archive, folder: string): Promise<v.InferOutput<typeof Choice>> {
  const depends = await archive.ask("depends", "--important", kernelName);
  const kernelRelease = /Depends: linux-image-(\S+-cloud-amd64)/.exec(depends)?.[1];
  if (kernelRelease === undefined) throw unavailable(`apt knows no ${kernelName}`);
  const [kernelArchive] = namesIn(
    await archive.get(folder, "--print-uris", "download", kernelPackage(kernelRelease)),
  );
  // What is in the folder already would not be named, so an empty one is asked about.
  const empty = join(folder, "empty");
  mkdirSync(join(empty, "partial"), { recursive: true });
  const archives = namesIn(await archive.get(empty, "--print-uris", "-y", ...installed));
  if (kernelArchive === undefined) throw unavailable(`apt has no file of ${kernelRelease}`);
  return { wanted, kernelRelease, kernelArchive, archives: [...archives].sort() };
}

/** Of `'URI' name size hash`, one a line. */
const namesIn = (text: string): readonly string[] =>
  [...text.matchAll(/^'[^']+' (\S+\.deb) /gm)].map(([, name = ""]) => name);
