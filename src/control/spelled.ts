/** spelled is an answer that is JSON already: what thousands ask for is worded once. */

export class Spelled<Answer extends object> {
  readonly text: string;
  /** What it spells; for the compiler alone. */
  declare readonly answer: Answer;

  constructor(text: string) {
    this.text = text;
  }
}

/** The same answer with a few fields more, whose names are plain. */
export function spelledWith<Fields extends Record<string, string>, Answer extends object>(
  fields: Fields,
  { text }: Spelled<Answer>,
): Spelled<Fields & Answer> {
  return new Spelled(`${JSON.stringify(fields).slice(0, -1)},${text.slice(1)}`);
}
