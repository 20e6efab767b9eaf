import { expect } from "chai";

import {
  canonicalize,
  type Challenge,
  encodeBase64Url,
  formatChallenge,
  MalformedError,
  parseChallenges,
  parseEchoedChallenge,
  parseSessionRequest,
} from "../../../sdk/src/wire/index.ts";
import { createChallenger } from "../../../sdk/src/server/index.ts";
import { readVectors } from "../protocol/vectors.ts";

const challenge: Challenge = {
  id: "x7Tg2pLqR9mKvNwY3hBcZa",
  realm: "api.example.com",
  method: "evm",
  intent: "session",
  request: "e30",
  expires: "2030-01-15T12:05:00Z",
  digest: "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:",
  description: "one call",
  opaque: "eyJhIjoiYiJ9",
};
const required = ["id", "realm", "method", "intent", "request"] as const;
const optional = ["expires", "digest", "description", "opaque"] as const;

/** A whole challenge with this id, without optional parameters. */
const payment = (id: string): string => `Payment id="${id}", realm="r", method="evm", intent="session", request="e30"`;

describe("formatChallenge", () => {
  it("writes what parseChallenges reads", () => {
    expect(parseChallenges(formatChallenge(challenge))).to.deep.equal([challenge]);
  });

  for (const name of optional) {
    it(`leaves ${name} out when there is none`, () => {
      const without = { ...challenge, [name]: undefined };
      expect(formatChallenge(without)).not.to.include(`${name}=`);
      expect(parseChallenges(formatChallenge(without))[0]).not.to.have.property(name);
    });
  }

  for (const value of ['say "hi"', "back\\slash", '\\"', "a, b=c, Payment id=d", "", " "]) {
    it(`F070: escapes ${JSON.stringify(value)} so that it comes back unchanged`, () => {
      const [parsed, ...others] = parseChallenges(formatChallenge({ ...challenge, description: value }));
      expect(others).to.deep.equal([]);
      expect(parsed).to.deep.equal({ ...challenge, description: value });
    });
  }

  for (const name of ["realm", "description"] as const) {
    for (const [what, value] of [
      ["a line break and a header", "x\r\nSet-Cookie: a=b"],
      ["a quote, a line break and a challenge", `"\r\nWWW-Authenticate: ${payment("evil")}`],
      ["NUL", "a\0b"],
      ["DEL", "a\x7fb"],
    ] as const) {
      it(`F070: lets ${what} in ${name} break nothing out`, () => {
        const header = formatChallenge({ ...challenge, [name]: value });
        expect(header).to.match(/^[\x20-\x7e]*$/);
        const headers = new Headers({ "www-authenticate": header });
        expect([...headers.keys()]).to.deep.equal(["www-authenticate"]);
        const parsed = parseChallenges(headers.get("www-authenticate"));
        expect(parsed.map(({ id }) => id)).to.deep.equal([challenge.id]);
      });
    }
  }

  for (const [what, description] of [
    ["Chinese", "一次模型调用"],
    ["an emoji", "one call 💸"],
    ["an em dash", "one call — cheap"],
    ["U+2028", "a\u2028b"],
    ["a lone surrogate", "a\ud800b"],
    ["a letter of Latin-1", "café"],
    ["10 kB of Chinese", "长".repeat(3400)],
    ["10 kB of Latin", "long ".repeat(2000)],
  ] as const) {
    it(`F069: carries a description with ${what}, changed at most for display`, () => {
      const response = new Response(null, {
        status: 402,
        headers: { "www-authenticate": formatChallenge({ ...challenge, description }) },
      });
      const header = response.headers.get("www-authenticate");
      const [parsed] = parseChallenges(header);
      expect({ ...parsed, description }).to.deep.equal({ ...challenge, description });
      expect(header!.length).to.be.lessThan(8 * 1024);
    });
  }
});

describe("parseChallenges", () => {
  const quiet = payment("a").replaceAll('"', "");
  const corpus: [name: string, header: string | null, ids: string[]][] = [
    ["no header", null, []],
    ["an empty header", "", []],
    ["only separators", " , ,\t,", []],
    ["one challenge", payment("a"), ["a"]],
    ["a scheme in lower case", payment("a").replace("Payment", "payment"), ["a"]],
    ["a scheme in upper case", payment("a").replace("Payment", "PAYMENT"), ["a"]],
    ["names in mixed case", payment("a").replace("id=", "ID=").replace("realm=", "Realm="), ["a"]],
    ["tokens instead of quoted strings", quiet, ["a"]],
    ["no white space", payment("a").replaceAll(", ", ","), ["a"]],
    ["tabs around commas", payment("a").replaceAll(", ", "\t,\t"), ["a"]],
    ["white space around the equals sign", payment("a").replaceAll("=", " \t= "), ["a"]],
    ["several spaces after the scheme", payment("a").replace("Payment ", "Payment   "), ["a"]],
    ["a leading comma", `, ${payment("a")}`, ["a"]],
    ["a trailing comma", `${payment("a")},`, ["a"]],
    ["empty list elements", payment("a").replaceAll(", ", ", ,, "), ["a"]],
    ["Basic before", `Basic realm="x", ${payment("a")}`, ["a"]],
    ["Basic after", `${payment("a")}, Basic realm="x"`, ["a"]],
    ["Bearer with an error before", `Bearer realm="x", error="invalid_token", ${payment("a")}`, ["a"]],
    ["Digest with a list in quotes", `Digest realm="x", qop="auth,auth-int", nonce=abc, ${payment("a")}`, ["a"]],
    ["a scheme without parameters before", `Negotiate, ${payment("a")}`, ["a"]],
    ["a token68 before", `Negotiate dG9rZW4=, ${payment("a")}`, ["a"]],
    ["a token68 after", `${payment("a")}, Negotiate dG9rZW4tMQ==`, ["a"]],
    ["Payment with a token68", `Payment dG9rZW4=, ${payment("a")}`, ["a"]],
    ["two in one line", `${payment("a")}, ${payment("b")}`, ["a", "b"]],
    ["two of ours around another", `${payment("a")}, Basic realm="x", ${payment("b")}`, ["a", "b"]],
    [
      "a challenge of ours inside quotes",
      `Basic realm="${payment("x").replaceAll('"', '\\"')}", ${payment("a")}`,
      ["a"],
    ],
    ["a parameter named Payment", `Digest Payment="x", ${payment("a")}`, ["a"]],
    ["a comma, an equals sign and a quote in quotes", `${payment("a")}, description="b=\\", Payment id=c"`, ["a"]],
    ["an unknown parameter", `${payment("a")}, future="yes"`, ["a"]],
    ["parameters named like those of every object", `${payment("a")}, __proto__="x", constructor="y"`, ["a"]],
    ["a parameter of obs-text", `${payment("a")}, description="caf\u00e9"`, ["a"]],
    ["__proto__ for an id", payment("a").replace("id=", "__proto__="), []],
    ["an empty id", payment(""), []],
    ["two ids", `${payment("a")}, id="b"`, []],
    ["two ids of different case", `${payment("a")}, ID="a"`, []],
    ["an unknown parameter twice", `${payment("a")}, x="1", x="1"`, []],
    ["a repeated parameter, then a good one", `${payment("a")}, id="b", ${payment("c")}`, ["c"]],
    ["a scheme that only begins like ours", payment("a").replace("Payment", "Payment2"), []],
    ["a scheme that only ends like ours", payment("a").replace("Payment", "X-Payment"), []],
    ["parameters before any scheme", `id="a", realm="r", method="evm", intent="session", request="e30"`, []],
    ["a missing comma", payment("a").replace('", ', '" '), []],
    ["a missing comma, then a good one", `${payment("a").replace('", ', '" ')}, ${payment("b")}`, ["b"]],
    ["a broken challenge of another scheme before", `Basic realm="x" y, ${payment("a")}`, ["a"]],
    ["something behind an optional parameter", `${payment("a")}, expires="2030-01-01T00:00:00Z" x`, []],
    ["something behind one with white space in it", `${payment("a")}, expires = "2030-01-01T00:00:00Z" x`, []],
    ["an optional parameter without a value", `${payment("a")}, expires=`, []],
    ["a quote that never ends", payment("a").slice(0, -1), []],
    ["a quote that ends in a backslash", `${payment("a")}, description="x\\`, []],
    ["a lone equals sign", `= ${payment("a")}`, []],
    ["what is no header text", '\0\x01"=,\\', []],
    ["a request of a megabyte", payment("a").replace("e30", "e30x".repeat(2 ** 18)), ["a"]],
    ["a megabyte of commas", ",".repeat(2 ** 20) + payment("a"), ["a"]],
    ["a megabyte of one word", "a".repeat(2 ** 20), []],
    ["a quote of a megabyte that never ends", `Payment id="${"a".repeat(2 ** 20)}`, []],
    ["100,000 words", "a ".repeat(100_000), []],
  ];
  for (const [name, header, ids] of corpus) {
    it(`F071: reads ${name}`, () => {
      const start = process.cpuUsage();
      expect(parseChallenges(header).map(({ id }) => id)).to.deep.equal(ids);
      // Nothing a stranger sends may cost more than it is long. Counted by the processor, as the machine may be busy.
      const { user, system } = process.cpuUsage(start);
      expect((user + system) / 1000).to.be.lessThan(500);
    });
  }

  it("F071: reads two header lines as fetch joins them", () => {
    const headers = new Headers();
    headers.append("www-authenticate", payment("a"));
    headers.append("www-authenticate", 'Bearer realm="x"');
    headers.append("www-authenticate", payment("b"));
    expect(parseChallenges(headers.get("www-authenticate")).map(({ id }) => id)).to.deep.equal(["a", "b"]);
  });

  for (const name of required) {
    it(`passes over a challenge without ${name}`, () => {
      const header = formatChallenge({ ...challenge, [name]: undefined as unknown as string });
      expect(parseChallenges(`${header}, ${payment("b")}`).map(({ id }) => id)).to.deep.equal(["b"]);
    });
  }

  it("drops unknown parameters and keeps the text of known ones", () => {
    const header = `${formatChallenge(challenge)}, future="x"`;
    expect(parseChallenges(header)).to.deep.equal([challenge]);
    expect(parseChallenges('Payment id="\\a\\"b\\\\", realm=r, method=m, intent=i, request=q')).to.deep.equal([
      { id: 'a"b\\', realm: "r", method: "m", intent: "i", request: "q" },
    ]);
  });
});

describe("the challenge of the outside vectors", () => {
  const vector = readVectors().challenge;
  const expires = Date.parse(vector.expires);
  const challengerAt = (now: number) =>
    createChallenger({
      secret: Buffer.from(vector.secretHex, "hex"),
      realm: vector.realm,
      lifetime: 600,
      now: () => now,
    });

  it("has the same request", () => {
    expect(encodeBase64Url(canonicalize(vector.request))).to.equal(vector.requestBase64url);
  });

  it("has the same id", () => {
    const issued = challengerAt(expires - 600_000).issue("session", { request: vector.requestBase64url });
    expect(issued).to.deep.equal({
      id: vector.id,
      realm: vector.realm,
      method: "evm",
      intent: "session",
      request: vector.requestBase64url,
      expires: vector.expires,
    });
  });

  it("reads as what was asked", () => {
    expect(parseSessionRequest(vector.requestBase64url)).to.deep.equal({
      amount: 100n,
      currency: "0x5fbdb2315678afecb367f032d93f642f64180aa3",
      recipient: "0x70997970c51812dc3a010c7d01b50e0d17dc79c8",
      suggestedDeposit: 1_000_000n,
      description: undefined,
      chainId: 31337,
      escrowContract: "0xe7f1725e7734ce288f8367e1bb143e90bb3f0512",
      feePayer: false,
      credentialTypes: ["hash"],
      minVoucherDelta: 0n,
      receiptSigner: undefined,
      pricing: undefined,
    });
  });
});

describe("parseEchoedChallenge", () => {
  it("gives back what was echoed, the strings unchanged and unknown members dropped", () => {
    expect(parseEchoedChallenge({ ...challenge, future: 1 })).to.deep.equal(challenge);
  });

  it("takes null for a member that is not there", () => {
    expect(parseEchoedChallenge({ ...challenge, digest: null, opaque: null })).to.deep.equal({
      id: challenge.id,
      realm: challenge.realm,
      method: challenge.method,
      intent: challenge.intent,
      request: challenge.request,
      expires: challenge.expires,
      description: challenge.description,
    });
  });

  for (const name of required) {
    for (const [what, value] of [
      ["missing", undefined],
      ["null", null],
      ["empty", ""],
    ] as const) {
      it(`names ${name} when it is ${what}`, () => {
        expect(() => parseEchoedChallenge({ ...challenge, [name]: value })).to.throw(
          MalformedError,
          `The credential is malformed: challenge.${name} is missing.`,
        );
      });
    }
  }

  for (const name of [...required, ...optional]) {
    it(`names ${name} when it is no string`, () => {
      for (const value of [1, true, {}, ["x"]]) {
        expect(() => parseEchoedChallenge({ ...challenge, [name]: value })).to.throw(
          MalformedError,
          `The credential is malformed: challenge.${name} is not a string.`,
        );
      }
    });
  }

  it("sees no member that the object only inherits", () => {
    const { id: _, ...rest } = challenge;
    expect(() => parseEchoedChallenge(Object.assign(Object.create({ id: "inherited" }), rest))).to.throw(
      MalformedError,
      "challenge.id is missing",
    );
  });
});
