/** version says what this build is. The build replaces both names; run from source they stay unset. */

declare const RUSTYNET_VERSION: string | undefined;
declare const RUSTYNET_COMMIT: string | undefined;

export const version = typeof RUSTYNET_VERSION === "string" ? RUSTYNET_VERSION : "0.1.0";

/** The commit that was built, with `-dirty` behind it when the tree held more than the commit. */
export const commit = typeof RUSTYNET_COMMIT === "string" ? RUSTYNET_COMMIT : "unknown";
