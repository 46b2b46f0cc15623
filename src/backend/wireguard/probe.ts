/** probe is what is found out about a kind of device before one is made. */

export type Probe =
  | { readonly isAvailable: true }
  | { readonly isAvailable: false; readonly why: string; readonly remedy: string };
