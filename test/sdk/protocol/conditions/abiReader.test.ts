import { expect } from "chai";
import type { Hex } from "viem";

import { createAbiReader, MalformedDataError } from "../../../../sdk/src/protocol/conditions/abiReader.ts";

const word = (value: bigint): string => value.toString(16).padStart(64, "0");
const data = (...values: bigint[]): Hex => `0x${values.map(word).join("")}`;
const expectMalformed = (read: () => unknown, what: string) =>
  expect(read).to.throw(MalformedDataError, `The data cannot be decoded: ${what}.`);

describe("createAbiReader", () => {
  it("reads bytes in hexadecimal digits of either case and nothing else", () => {
    for (const malformed of ["", "12", "0x1", "0x123", "zz0x12", "0x12zz", undefined])
      expectMalformed(() => createAbiReader(malformed as Hex), "no bytes");
    expect(createAbiReader(`0x${"AB".repeat(32)}`).bytes32(0)).to.equal(`0x${"ab".repeat(32)}`);
    expectMalformed(() => createAbiReader("0x").bytes32(0), "it ends at 0, before 32");
  });

  it("refuses what lies outside the data, to the byte", () => {
    const reader = createAbiReader(`${data(1n)}ff`);
    expect(reader.bytes32(1)).to.equal(`0x${word(1n).slice(2)}ff`);
    expectMalformed(() => reader.bytes32(2), "it ends at 33, before 34");
    expect(createAbiReader(`${data(2n)}abcd`).bytes(0)).to.equal("0xabcd");
    expectMalformed(() => createAbiReader(`${data(3n)}abcd`).bytes(0), "it ends at 34, before 35");
  });

  it("refuses bits outside a type", () => {
    expect(createAbiReader(data(255n)).uint(0, 8)).to.equal(255n);
    expectMalformed(() => createAbiReader(data(256n)).uint(0, 8), "a number of more than 8 bits");
    expect([0n, 1n].map((bit) => createAbiReader(data(bit)).bool(0))).to.deep.equal([false, true]);
    expectMalformed(() => createAbiReader(data(2n)).bool(0), "a number of more than 1 bits");
    expect(createAbiReader(data(10n)).address(0)).to.equal(`0x${"a".padStart(40, "0")}`);
    expectMalformed(() => createAbiReader(data(2n ** 160n)).address(0), "a number of more than 160 bits");
    expectMalformed(() => createAbiReader(data(2n ** 64n)).pointer(0, 0), "a number of more than 64 bits");
  });

  it("finds the elements of an array only if all of its head is there", () => {
    const reader = createAbiReader(data(7n, 2n, 5n, 6n));
    expect(reader.pointer(0, 100)).to.equal(107);
    expect(reader.elements(32)).to.deep.equal([64, 96]);
    expect(createAbiReader(data(0n)).elements(0)).to.deep.equal([]);
    expectMalformed(() => createAbiReader(data(2n, 5n)).elements(0), "it ends at 64, before 96");
    expectMalformed(() => createAbiReader(data(2n ** 40n, 5n)).elements(0), `it ends at 64, before ${2 ** 45 + 32}`);
  });
});
