/** embedded lets files be imported as text, which is how they get into the one executable. */
declare module "*.bash" {
  const text: string;
  export = text;
}
declare module "*.zsh" {
  const text: string;
  export = text;
}
declare module "*.fish" {
  const text: string;
  export = text;
}
declare module "*.service" {
  const text: string;
  export = text;
}
