/** sql lets a migration be imported as text, which is how it gets into the one executable. */
declare module "*.sql" {
  const text: string;
  export = text;
}
