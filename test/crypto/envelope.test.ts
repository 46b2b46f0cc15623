import { expect, test } from "bun:test";
import * as v from "valibot";
import { decodeUtf8, encodeBase64, encodeUtf8 } from "../../src/base/bytes.ts";
import { keygen, type SigningSecret, sign } from "../../src/crypto/ed25519.ts";
import {
  addSignature,
  Envelope,
  openEnvelope,
  payloadMaxBytesDefault,
  preAuthEncoding,
  sealEnvelope,
  signaturesMax,
} from "../../src/crypto/envelope.ts";
import { forEachSeed, Prng } from "../support/prng.ts";
import { secondSpellings, torsionPoints } from "../support/torsion.ts";

const type = "application/vnd.rustynet.thing.v1+json";
const payload = { kind: "add_node", name: "alpha" };
const prng = new Prng(11);
const signer = (): SigningSecret => keygen((n) => prng.bytes(n));
const [alice, bob, mallory] = [signer(), signer(), signer()];
const sealed = sealEnvelope(type, payload, [alice, bob]);

type Loose = { payloadType: string; payload: string; signatures: { keyid: string; sig: string }[] };
/** The envelope with something changed by somebody on the way; null when its form is refused. */
function changed(change: (loose: Loose) => void): Envelope | null {
  const loose = JSON.parse(JSON.stringify(sealed)) as Loose;
  change(loose);
  const parsed = v.safeParse(Envelope, loose);
  return parsed.success ? parsed.output : null;
}

function outcome(envelope: Envelope | null, expected = type): string {
  if (envelope === null) return "malformed";
  const opened = openEnvelope(envelope, expected);
  return opened.ok ? [...opened.value.signers].sort().join() : opened.error.code;
}

const keysOf = (...secrets: SigningSecret[]): string =>
  secrets
    .map(({ publicKey }) => publicKey)
    .sort()
    .join();

/** Signs any bytes under any type, as no code of ours would. */
function craft(bytes: Uint8Array, signers = [alice], payloadType = type): Envelope | null {
  const message = preAuthEncoding(payloadType, bytes);
  return changed((loose) => {
    loose.payloadType = payloadType;
    loose.payload = encodeBase64(bytes);
    loose.signatures = signers.map((secret) => ({
      keyid: secret.publicKey,
      sig: encodeBase64(sign(secret, message)),
    }));
  });
}

test("the encoding that is signed is that of the DSSE specification", () => {
  const encoded = preAuthEncoding("http://example.com/HelloWorld", encodeUtf8("hello world"));
  expect(decodeUtf8(encoded)).toBe("DSSEv1 29 http://example.com/HelloWorld 11 hello world");
  expect(decodeUtf8(preAuthEncoding("é", encodeUtf8("ü")))).toBe("DSSEv1 2 é 2 ü");
  expect(decodeUtf8(preAuthEncoding("", new Uint8Array()))).toBe("DSSEv1 0  0 ");
});

test("an envelope opens to its payload and the keys that signed it", () => {
  const opened = openEnvelope(sealed, type);
  if (!opened.ok) throw new Error(opened.error.code);
  expect(opened.value.value).toEqual(payload);
  expect(decodeUtf8(opened.value.payload)).toBe('{"kind":"add_node","name":"alpha"}');
  expect(opened.value.signers).toEqual(new Set([alice.publicKey, bob.publicKey]));
});

test("an envelope survives its way over the wire as JSON", () => {
  expect(outcome(changed(() => {}))).toBe(keysOf(alice, bob));
});

test("a signature can be added by whoever has the envelope and a key", () => {
  const one = sealEnvelope(type, payload, [alice]);
  const two = addSignature(one, bob);
  expect(two).toEqual(sealed);
  expect(addSignature(two, bob)).toBe(two);
});

test("the same payload is no other kind of statement", () => {
  expect(outcome(sealed, "application/vnd.rustynet.other.v1+json")).toBe("payload_type_mismatch");
  const renamed = changed((loose) => {
    loose.payloadType = "application/vnd.rustynet.other.v1+json";
  });
  expect(outcome(renamed, "application/vnd.rustynet.other.v1+json")).toBe("signature_invalid");
});

test("no byte can move between the type and the payload", () => {
  const whole = "ab1c";
  const spellings = new Set<string>();
  for (let cut = 0; cut <= whole.length; cut++) {
    const encoded = preAuthEncoding(whole.slice(0, cut), encodeUtf8(whole.slice(cut)));
    spellings.add(decodeUtf8(encoded) ?? "");
  }
  expect(spellings.size).toBe(whole.length + 1);
  // A type that holds what looks like the fields after it is still one field of its length.
  const sneaky = preAuthEncoding("t 2 {}", encodeUtf8(""));
  expect(decodeUtf8(sneaky)).not.toBe(decodeUtf8(preAuthEncoding("t", encodeUtf8("{}"))));
});

test("two different statements never have one encoding", () => {
  const alphabet = ["", " ", "1", "2", "12", " 1 ", "DSSEv1", "a"];
  const seen = new Map<string, string>();
  forEachSeed(2_000, (random) => {
    const text = () =>
      Array.from({ length: random.integer(4) }, () => random.pick(alphabet)).join("");
    const [left, right] = [text(), text()];
    const encoded = decodeUtf8(preAuthEncoding(left, encodeUtf8(right))) ?? "";
    const statement = JSON.stringify([left, right]);
    expect(seen.get(encoded) ?? statement).toBe(statement);
    seen.set(encoded, statement);
  });
});

const tampered: [string, (loose: Loose) => void, string][] = [
  [
    "another payload",
    (loose) => {
      loose.payload = encodeBase64(encodeUtf8('{"kind":"add_node","name":"omega"}'));
    },
    "signature_invalid",
  ],
  [
    "two signatures exchanged",
    (loose) => {
      const [one, two] = loose.signatures;
      if (one && two) [one.sig, two.sig] = [two.sig, one.sig];
    },
    "signature_invalid",
  ],
  [
    "a name that did not sign, among those that did",
    (loose) => loose.signatures.push({ ...ours(loose), keyid: mallory.publicKey }),
    "signature_invalid",
  ],
  ["one key twice", (loose) => loose.signatures.push(ours(loose)), "malformed"],
  [
    "one key twice, spelled in upper case",
    (loose) => loose.signatures.push({ ...ours(loose), keyid: alice.publicKey.toUpperCase() }),
    "malformed",
  ],
  [
    "no signatures",
    (loose) => {
      loose.signatures = [];
    },
    "malformed",
  ],
  ["an unknown field", (loose) => Object.assign(loose, { expires: "never" }), "malformed"],
  [
    "an unknown field in a signature",
    (loose) => Object.assign(ours(loose), { weight: 2 }),
    "malformed",
  ],
  [
    "a payload in base64url",
    (loose) => {
      loose.payload = "-_8=";
    },
    "malformed",
  ],
  [
    "a payload without padding",
    (loose) => {
      loose.payload = "e30";
    },
    "malformed",
  ],
  [
    "a payload with stray bits after its end",
    (loose) => {
      loose.payload = "e31=";
    },
    "malformed",
  ],
  [
    "a payload with a line break",
    (loose) => {
      loose.payload = "e3\n0=";
    },
    "malformed",
  ],
  [
    "a signature of 63 bytes",
    (loose) => {
      ours(loose).sig = encodeBase64(new Uint8Array(63));
    },
    "malformed",
  ],
  [
    "a signature of 66 bytes, which is as long in base64",
    (loose) => {
      ours(loose).sig = encodeBase64(new Uint8Array(66));
    },
    "malformed",
  ],
  [
    "a type with a newline",
    (loose) => {
      loose.payloadType = `${type}\n`;
    },
    "malformed",
  ],
];
function ours(loose: Loose): { keyid: string; sig: string } {
  const [first] = loose.signatures;
  if (first === undefined) throw new Error("nobody signed");
  return first;
}
test.each(tampered)("refuses %s", (_name, change, code) => {
  expect(outcome(changed(change))).toBe(code);
});

test("a key that would let anybody sign is refused by name, however it is spelled", () => {
  const keys = [...torsionPoints.map((point) => point.toBytes()), ...secondSpellings];
  for (const key of keys) {
    const envelope = changed((loose) => {
      loose.signatures = [{ keyid: key.toHex(), sig: encodeBase64(new Uint8Array(64)) }];
    });
    expect(outcome(envelope)).toBe("key_refused");
  }
});

const payloads: [string, string, string][] = [
  ["blanks", '{"a": 1}', "payload_malformed"],
  ["a repeated name", '{"a":1,"a":2}', "payload_malformed"],
  ["a boolean", '{"a":true}', "payload_malformed"],
  ["no JSON at all", "add_node", "payload_malformed"],
  ["a newline inside a value", '{"a":"b\\nc"}', keysOf(alice)],
];
test.each(payloads)("a signed payload with %s", (_name, text, code) => {
  expect(outcome(craft(encodeUtf8(text)))).toBe(code);
});

test("the limits on size and number are exact", () => {
  const filled = (size: number) => encodeUtf8(`"${"x".repeat(size - 2)}"`);
  expect(outcome(craft(filled(payloadMaxBytesDefault)))).toBe(keysOf(alice));
  expect(outcome(craft(filled(payloadMaxBytesDefault + 1)))).toBeOneOf([
    "payload_too_large",
    "malformed",
  ]);
  const small = openEnvelope(sealed, type, 10);
  expect(small.ok ? "opened" : small.error.code).toBe("payload_too_large");

  const many = Array.from({ length: signaturesMax }, signer);
  expect(outcome(craft(encodeUtf8("{}"), many))).toBe(keysOf(...many));
  expect(outcome(craft(encodeUtf8("{}"), [...many, alice]))).toBe("malformed");
});

test("any changed character of an envelope is refused", () => {
  const text = JSON.stringify(sealed);
  forEachSeed(400, (random) => {
    const at = random.integer(text.length);
    const other = String.fromCharCode(0x20 + random.integer(0x5f));
    if (other === text[at]) return;
    const bent = parseJson(text.slice(0, at) + other + text.slice(at + 1));
    const parsed = v.safeParse(Envelope, bent);
    expect(parsed.success && openEnvelope(parsed.output, type).ok, `${at} ${other}`).toBe(false);
  });
});

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

test("sealing with nobody or with one key twice is a bug", () => {
  expect(() => sealEnvelope(type, payload, [])).toThrow("has a signer");
  expect(() => sealEnvelope(type, payload, [alice, alice])).toThrow("twice");
});
