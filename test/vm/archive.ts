/**
 * archive asks Debian's archive through apt, as a system of one of its releases on which nothing is installed: by
 * the lists of this machine if it is of that release, and otherwise by lists of its own, proved by Debian's keys.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../src/base/fault.ts";
import { run } from "../../scripts/run.ts";

/** The releases that there are guests of, by number: the users' minimum, and the one after it. */
export const releases = { "12": "bookworm", "13": "trixie" } as const;
export type Release = keyof typeof releases;

/** Throws Fault `usage` for a release that there is no guest of. */
export function parseRelease(word: string): Release {
  if (isRelease(word)) return word;
  const remedy = Object.keys(releases).map((each) => `--debian ${each}`);
  throw new Fault("usage", `there is no guest of Debian ${word}`, { remedy: remedy.join(", ") });
}

const isRelease = (word: string): word is Release => Object.hasOwn(releases, word);

const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

export class Archive {
  readonly #options: readonly string[];

  private constructor(options: readonly string[]) {
    this.#options = options;
  }

  /** `home`: where lists are kept that are not this machine's. `isRenewing` brings those up to date. */
  static async open(release: Release, home: string, isRenewing: boolean): Promise<Archive> {
    if (codenameHere() === releases[release]) return new Archive([]);
    const sources = join(home, "debian.sources");
    const lists = join(home, "lists");
    const archive = new Archive([
      ...[`Dir::Etc::sourcelist=${sources}`, "Dir::Etc::sourceparts=/dev/null"],
      // What this machine keeps of its own lists would be taken for these.
      ...[`Dir::State::lists=${lists}`, "Dir::Cache::pkgcache=", "Dir::Cache::srcpkgcache="],
    ]);
    if (isRenewing || !existsSync(lists)) {
      console.log(`  asking for the lists of Debian ${release} ...`);
      mkdirSync(join(lists, "partial"), { recursive: true });
      writeFileSync(sources, sourcesOf(releases[release]));
      await archive.get(home, "--error-on=any", "update");
    }
    return archive;
  }

  /** apt-get(8), with `folder` for what it downloads. */
  get(folder: string, ...args: readonly string[]): Promise<string> {
    return this.#run("apt-get", ["-q", ...args], [`Dir::Cache::archives=${folder}`], folder);
  }

  /** apt-cache(8). */
  ask(...args: readonly string[]): Promise<string> {
    return this.#run("apt-cache", args, [], "/");
  }

  async #run(
    program: string,
    args: readonly string[],
    more: readonly string[],
    cwd: string,
  ): Promise<string> {
    const options = [...asIfEmpty, ...this.#options, ...more].flatMap((option) => ["-o", option]);
    const { exitCode, stdout, stderr } = await run([program, ...options, ...args], { cwd });
    if (exitCode !== 0) throw unavailable(`${program} ${args.join(" ")}:\n${stderr.trim()}`);
    return stdout;
  }
}

/** The guest has nothing but what is resolved here. */
const asIfEmpty = [
  ...["Dir::State::status=/dev/null", "Debug::NoLocking=1", "APT::Sandbox::User=root"],
  ...["APT::Architecture=amd64", "APT::Get::AllowUnauthenticated=false"],
];

export const unavailable = (message: string): Fault =>
  new Fault("unavailable", message, {
    remedy:
      "bring the package lists up to date (sudo apt-get update, scripts/lab-vm --renew), or look at sources.list",
  });

function codenameHere(): string | undefined {
  const path = "/etc/os-release";
  const text = existsSync(path) ? readFileSync(path, "utf8") : "";
  return /^VERSION_CODENAME=(\w+)$/m.exec(text)?.[1];
}

const sourcesOf = (codename: string): string => `Types: deb
URIs: http://deb.debian.org/debian
Suites: ${codename} ${codename}-updates
Components: main
Signed-By: ${keyring}

Types: deb
URIs: http://deb.debian.org/debian-security
Suites: ${codename}-security
Components: main
Signed-By: ${keyring}
`;
