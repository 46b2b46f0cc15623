/** embedded lets a unit be imported as text, which is how it gets into the one executable. */
declare module "*.service" {
  const text: string;
  export = text;
}
