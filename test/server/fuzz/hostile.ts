import * as fc from "fast-check";

/** What a hostile credential is made from: each is worth nothing as it is, since it was used, or nobody stands behind it. */
export const materials = [
  "voucher",
  "stream",
  "conditional",
  "tick",
  "open",
  "topUp",
  "zero",
  "deposit",
  "poorOpen",
  "poorTopUp",
  "poorDeposit",
  "hash",
  "charge",
  "poorCharge",
  "signed",
] as const;
export type MaterialName = (typeof materials)[number];

const challenges = ["own", "other", "expired", "foreign", "forged"] as const;
export type ChallengeName = (typeof challenges)[number];

/** One change of a credential's JSON, at one of its members, counted. */
export type Change = {
  readonly at: number;
  readonly how: "replace" | "drop" | "flip" | "shout" | "wrap" | "add" | "swap";
  readonly value: unknown;
};

export type Credential = {
  readonly material: MaterialName;
  readonly pick: number;
  readonly challenge: ChallengeName;
  /** Whether it comes with the body of the request that it has paid for. */
  readonly isRepeated: boolean;
  /** In place of the action that it was made for. */
  readonly action: string | undefined;
  readonly changes: readonly Change[];
  readonly text: "whole" | "cut" | "twice" | "prototype" | "nested" | "not JSON";
  readonly form: "plain" | "padded" | "base64" | "raw" | "cut" | "latin";
  readonly scheme: string;
  readonly at: number;
};

export type HttpCall = {
  readonly kind: "http";
  readonly method: string;
  readonly path: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
  readonly isChunked: boolean;
  /** Whether the caller goes away at once, and does not wait for the answer. */
  readonly leaves: boolean;
  readonly credential: Credential | undefined;
};

export type RawCall = {
  readonly kind: "raw";
  /** Written one after the other. */
  readonly pieces: readonly string[];
  readonly end: "wait" | "half" | "reset";
};

export type Hostile = HttpCall | RawCall;

const digits = (length: number) =>
  fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: length, maxLength: length });
const hex = (bytes: number) => digits(2 * bytes).map((text) => `0x${text}`);

/** Values that a reader may stumble over. */
const odd: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom<unknown>(null, true, 0, -1, 1.5, 1e308, 2 ** 53, "", [], {}, [[]], "0x") },
  {
    weight: 6,
    arbitrary: fc.constantFrom<unknown>(
      "-1",
      "1e3",
      " 1",
      "01",
      "1.0",
      "0x1",
      "١",
      "1\u0000",
      "340282366920938463463374607431768211455",
      "340282366920938463463374607431768211456",
      "115792089237316195423570985008687907853269984665640564039457584007913129639935",
      "9".repeat(400),
      "__proto__",
      "constructor",
      "\ud800",
      `0x${"ff".repeat(32)}`,
      `0x${"00".repeat(20)}`,
      `0x${"00".repeat(65)}`,
      `0x${"0".repeat(63)}g`,
      `0x${"11".repeat(32)}${"22".repeat(32)}1b`,
    ),
  },
  { weight: 2, arbitrary: fc.oneof(hex(20), hex(32), hex(65)) },
  { weight: 2, arbitrary: fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 128n }).map(String), fc.nat(5000).map(String)) },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
  { weight: 1, arbitrary: fc.array(fc.constant({ ref: `0x${"00".repeat(32)}` }), { minLength: 15, maxLength: 40 }) },
);

const change: fc.Arbitrary<Change> = fc.record({
  at: fc.nat(),
  how: fc.constantFrom("replace", "replace", "replace", "drop", "flip", "flip", "shout", "wrap", "add", "swap"),
  value: odd,
});

const mostly = <value>(usual: value, ...others: value[]): fc.Arbitrary<value> =>
  fc.oneof({ weight: 12, arbitrary: fc.constant(usual) }, { weight: 2, arbitrary: fc.constantFrom(usual, ...others) });

const credential: fc.Arbitrary<Credential> = fc.record({
  material: fc.constantFrom(...materials, "signed", "signed", "voucher", "tick"),
  pick: fc.nat(),
  challenge: mostly<ChallengeName>("own", ...challenges),
  isRepeated: fc.boolean(),
  action: mostly<string | undefined>(undefined, "open", "topUp", "voucher", "close", "close", "close", "tick", "pay"),
  changes: fc.oneof(
    { weight: 1, arbitrary: fc.constant([]) },
    { weight: 4, arbitrary: fc.array(change, { minLength: 1, maxLength: 3 }) },
  ),
  text: mostly<Credential["text"]>("whole", "cut", "twice", "prototype", "nested", "not JSON"),
  form: mostly<Credential["form"]>("plain", "padded", "base64", "raw", "cut", "latin"),
  scheme: mostly("Payment ", "payment\t", "PAYMENT   ", "Payment", "Payment Payment ", "Bearer ", "Subfen ", ""),
  at: fc.nat(),
});

const body = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("x", "y", "", '{"max_tokens":10}', '{"stream":true,"max_tokens":10}') },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      '{"max_tokens":9007199254740991,"n":9007199254740991}',
      '{"max_tokens":-1}',
      '{"max_tokens":1e308}',
      '{"n":{}}',
      '{"stream":[],"max_tokens":null}',
      '{"__proto__":{"max_tokens":1}}',
      "[".repeat(4000),
      `${'{"a":'.repeat(700)}1${"}".repeat(700)}`,
      "\ufeff{}",
      "x".repeat(4096),
    ),
  },
  { weight: 1, arbitrary: fc.nat(3).map((more) => "x".repeat(4097 + more * 40_000)) },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 50 }) },
);

const path = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom("/work", "/work", "/stream", "/tokens", "/other") },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      "/work?",
      "/work?q=1&q=2",
      "//evil.example/work",
      "/%",
      "/%00",
      "/../../work",
      "/work#x",
      "/work;x",
      "/w\\ork",
      "*",
      "http://evil.example/work",
      "/.well-known/subfen/channels/",
      "/.well-known/subfen/channels/0x",
      "/.well-known/subfen/channels/__proto__",
    ),
  },
  { weight: 2, arbitrary: hex(32).map((id) => `/.well-known/subfen/channels/${id}`) },
);

const header = fc.oneof(
  fc.constantFrom<readonly [string, string]>(
    ["idempotency-key", "k"],
    ["idempotency-key", "__proto__"],
    ["idempotency-key", "k".repeat(3000)],
    ["idempotency-key", "\u00ff\u0080"],
    ["accept-payment", "evm/session;q=0, */*;q=0"],
    ["accept-payment", `${"evm/session,".repeat(600)}evm/charge`],
    ["accept-payment", ";;;q=2"],
    ["accept-payment", "*/*;q=0.0001"],
    ["payment-notes", "event"],
    ["x-http-method-override", "GET"],
    ["content-type", "application/json"],
    ["expect", "100-continue"],
    ["host", "a@b"],
    ["host", "localhost:99999"],
    ["host", "[::1"],
    ["host", ""],
    ["host", "evil.example/x?y#z"],
    ["origin", "null"],
    ["authorization", "Payment"],
    ["authorization", "Basic eDp5"],
    ["authorization", `Payment ${"A".repeat(4000)}`],
  ),
  fc
    .tuple(fc.bigInt({ min: 0n, max: 10n ** 17n }), hex(65))
    .map(([time, signature]) => ["authorization", `Subfen timestamp="${time}", signature="${signature}"`] as const),
  fc
    .tuple(fc.integer({ min: -70_000, max: 70_000 }), hex(65))
    .map(
      ([late, signature]) => ["authorization", `Subfen timestamp="{now${late}}", signature="${signature}"`] as const,
    ),
);

const httpCall: fc.Arbitrary<HttpCall> = fc.record({
  kind: fc.constant("http"),
  method: mostly("POST", "GET", "HEAD", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "PUT", "DELETE", "PATCH", "M-SEARCH"),
  path,
  headers: fc.oneof(fc.constant([]), fc.array(header, { maxLength: 2 })),
  body,
  isChunked: mostly(false, true),
  leaves: mostly(false, true),
  credential: fc.option(credential, { freq: 8, nil: undefined }),
});

const heads = [
  "GET /work HTTP/1.1\r\nHost: x\r\n\r\n",
  "POST /work HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nxxxxx",
  "POST /work HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nxxxxx",
  "POST /work HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxxx\r\n0\r\n\r\n",
  "POST /work HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nxxx\r\n",
  "POST /work HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
  "POST /work HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxxx",
  "POST /work HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
  "POST /work HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nxxxx",
  "POST /work HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
  "POST /work HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\nx",
  "POST /work HTTP/1.1\r\nHost: x\r\nExpect: 200-maybe\r\nContent-Length: 1\r\n\r\nx",
  "GET /work HTTP/1.1\r\n\r\n",
  "GET /work HTTP/1.0\r\n\r\n",
  "GET /work HTTP/9.9\r\nHost: x\r\n\r\n",
  "GET /w ork HTTP/1.1\r\nHost: x\r\n\r\n",
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n",
  "GET /work HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
  "GET /work HTTP/1.1\r\nHost: x\r\nAuthorization: Payment e30\r\nAuthorization: Payment e30\r\n\r\n",
  "GET /work HTTP/1.1\r\nHost: x\r\nAuthorization: Payment\r\n e30\r\n\r\n",
  "GET /work HTTP/1.1\r\nHost: x\r\nA\u0000: b\r\n\r\n",
  `GET /work HTTP/1.1\r\nHost: x\r\nAuthorization: Payment ${"A".repeat(20_000)}\r\n\r\n`,
  `GET /work HTTP/1.1\r\nHost: x\r\n${"a: b\r\n".repeat(2500)}\r\n`,
  "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003",
  "\r\n\r\n\r\n",
] as const;

/** Characters cut out and put in, so that nearly everything can come out of the above. */
const mangled = fc
  .tuple(
    fc.constantFrom(...heads),
    fc.array(fc.tuple(fc.nat(), fc.nat(3), fc.string({ unit: "binary", maxLength: 3 }))),
  )
  .map(([head, cuts]) =>
    cuts.slice(0, 3).reduce((text, [at, length, put]) => {
      const from = at % (text.length + 1);
      return text.slice(0, from) + put + text.slice(from + length);
    }, head as string),
  );

const rawCall: fc.Arbitrary<RawCall> = fc
  .tuple(
    fc.array(fc.oneof(fc.constantFrom(...heads), mangled), { minLength: 1, maxLength: 3 }),
    fc.array(fc.nat(), { maxLength: 3 }),
    fc.constantFrom<RawCall["end"]>("wait", "half", "reset"),
  )
  .map(([heads_, cuts, end]) => {
    const text = heads_.join("");
    const at = [0, ...cuts.map((cut) => cut % (text.length + 1)), text.length].toSorted((a, b) => a - b);
    return { kind: "raw", pieces: at.slice(1).map((to, i) => text.slice(at[i], to)), end };
  });

/** What a stranger may send. */
export const hostile: fc.Arbitrary<Hostile> = fc.oneof(
  { weight: 8, arbitrary: httpCall },
  { weight: 1, arbitrary: rawCall },
);
