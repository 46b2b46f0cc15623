/** lines cuts what a program says into lines, as they come. */

/** Hears each whole line, without its end; what follows the last end is not heard. */
export async function readLines(
  bytes: ReadableStream<Uint8Array>,
  hear: (line: string) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of bytes) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) hear(line);
  }
}
