/** qr-code draws a text as a QR code (ISO/IEC 18004): in a terminal, and as a picture to print or send. */
import { renderSVG, renderUnicodeCompact } from "uqr";

/** The standard asks for four modules of white around it. Two are what a terminal has room for. */
const quietTerminal = 2;
const quietPicture = 4;

/** Two rows of modules to a line. White is drawn, so it reads rightly where letters are bright on dark. */
export const renderQrLines = (text: string): readonly string[] =>
  renderUnicodeCompact(text, { border: quietTerminal }).split("\n");

export const renderQrSvg = (text: string): string =>
  `${renderSVG(text, { border: quietPicture })}\n`;
