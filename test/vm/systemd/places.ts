/** places says where the guest with systemd has what the lab brought, and what it takes home. */

/** The lab's own disk: driver, tests, their runtime and the builds to install. Off every PATH. */
export const visitFolder = "/media/visit";

/** What is in here comes out. It is on the root disk, and so outlives a reboot. */
export const visitResults = "/var/lib/visit";

/** The tests of each boot, in order. */
export const boots = ["first-boot", "second-boot"] as const;

/** The build to install, and the one to upgrade to, in `visitFolder`. */
export const builds = { first: "rustynet-linux-x64", next: "next/rustynet-linux-x64" } as const;

export const nextVersion = "0.1.1";
