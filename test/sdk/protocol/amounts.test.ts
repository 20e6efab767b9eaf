import { expect } from "chai";

import {
  formatYuan,
  InvalidAmountError,
  MAX_UINT104,
  MAX_UINT128,
  parseBaseUnits,
  parseYuan,
} from "../../../sdk/src/protocol/index.ts";
import { createRandom } from "./random.ts";

const maxYuan = "340282366920938463463374607431768.211455";

describe("parseYuan", () => {
  it("reads yuan exactly", () => {
    const cases: [string, bigint][] = [
      ["0", 0n],
      ["0.0012", 1_200n],
      ["0.000001", 1n],
      ["0.010000", 10_000n],
      ["1", 1_000_000n],
      ["12.5", 12_500_000n],
      [maxYuan, MAX_UINT128],
    ];
    for (const [yuan, amount] of cases) expect(parseYuan(yuan), yuan).to.equal(amount);
  });

  it("refuses every other notation, naming the input and what is allowed", () => {
    const refused = [
      "",
      " ",
      "1 ",
      " 1",
      "1\n",
      "+1",
      "-1",
      "-0",
      "1e3",
      "1E3",
      "0x10",
      "1,000",
      "1_000",
      "01",
      "00.1",
      ".5",
      "1.",
      "1.0000001",
      "0.0000000",
      "1.2.3",
      "１",
      "NaN",
      "Infinity",
      "340282366920938463463374607431768.211456",
      "9".repeat(33),
      "1000000000000000000000000000000000",
    ];
    for (const yuan of refused)
      expect(() => parseYuan(yuan), JSON.stringify(yuan))
        .to.throw(InvalidAmountError)
        .with.property("message")
        .that.contains(JSON.stringify(yuan))
        .and.contains(`at most 6 digits after the point, at most ${maxYuan}`);
    for (const value of [1, 1n, null, undefined, {}, ["1"]])
      expect(() => parseYuan(value as never), String(value)).to.throw(InvalidAmountError);
  });

  it("shows nothing as long as a key", () => {
    const secret = `0x${"5e".repeat(32)}`;
    for (const value of [secret, secret.slice(2), BigInt(secret)])
      expect(() => parseYuan(value as never)).to.throw(
        InvalidAmountError,
        /a string of 6[46] char|an integer of 77 dig/,
      );
  });

  it("answers at once for a very long string", () => {
    const start = performance.now();
    expect(() => parseYuan("9".repeat(5_000_000))).to.throw(InvalidAmountError, "a string of 5000000 characters");
    expect(performance.now() - start).to.be.below(1_000);
  });
});

describe("formatYuan", () => {
  it("writes base units exactly and as short as possible", () => {
    const cases: [bigint, string][] = [
      [0n, "0"],
      [1n, "0.000001"],
      [1_200n, "0.0012"],
      [1_000_000n, "1"],
      [10_000_000n, "10"],
      [12_500_000n, "12.5"],
      [MAX_UINT128, maxYuan],
      [MAX_UINT128 + 1n, "340282366920938463463374607431768.211456"],
    ];
    for (const [amount, yuan] of cases) expect(formatYuan(amount)).to.equal(yuan);
  });

  it("refuses negative amounts and numbers", () => {
    for (const value of [-1n, 1, "1", undefined])
      expect(() => formatYuan(value as never), String(value)).to.throw(InvalidAmountError);
  });

  it("is undone by parseYuan, for amounts of every width", () => {
    const random = createRandom(1);
    for (let i = 0; i < 2_000; i++) {
      const amount = random.uint(128);
      const yuan = formatYuan(amount);
      expect(parseYuan(yuan)).to.equal(amount);
      expect(yuan).to.match(/^(0|[1-9][0-9]*)(\.[0-9]{0,5}[1-9])?$/);
    }
  });
});

describe("parseBaseUnits", () => {
  it("reads decimal strings of every width up to 128 bits", () => {
    const random = createRandom(2);
    expect(parseBaseUnits("0")).to.equal(0n);
    expect(parseBaseUnits(String(MAX_UINT128))).to.equal(2n ** 128n - 1n);
    for (let i = 0; i < 2_000; i++) {
      const amount = random.uint(128);
      expect(parseBaseUnits(amount.toString())).to.equal(amount);
    }
  });

  it("refuses what needs more than 128 bits and never cuts it (F012)", () => {
    for (const amount of [2n ** 128n, 2n ** 128n + 5n, 2n ** 256n - 1n, 2n ** 256n + 5n, -1n])
      expect(() => parseBaseUnits(amount.toString()), amount.toString()).to.throw(InvalidAmountError);
  });

  it("refuses a second way to write an amount, and everything that is not a string", () => {
    for (const input of [
      "010",
      " 10",
      "10 ",
      "10\n",
      "10.0",
      "1e3",
      "",
      "-1",
      "-0",
      "+1",
      "00",
      "0x1",
      "1n",
      "١",
      "1,0",
    ])
      expect(() => parseBaseUnits(input), JSON.stringify(input)).to.throw(InvalidAmountError, JSON.stringify(input));
    for (const input of [10, 10n, null, undefined, true, ["10"], { toString: () => "10" }])
      expect(() => parseBaseUnits(input)).to.throw(InvalidAmountError, /base units/);
  });

  it("refuses random strings unless they are what toString writes", () => {
    const random = createRandom(3);
    const alphabet = "0123456789 .+-eExn_,";
    for (let i = 0; i < 5_000; i++) {
      const input = Array.from({ length: random.below(6) }, () => alphabet[random.below(alphabet.length)]).join("");
      if (/^[0-9]+$/.test(input) && BigInt(input).toString() === input)
        expect(parseBaseUnits(input)).to.equal(BigInt(input));
      else expect(() => parseBaseUnits(input), JSON.stringify(input)).to.throw(InvalidAmountError);
    }
  });
});

describe("widths", () => {
  it("are those of the contract", () => {
    expect(MAX_UINT128).to.equal(0xffffffffffffffffffffffffffffffffn);
    expect(MAX_UINT104).to.equal(0xffffffffffffffffffffffffffn);
  });
});
