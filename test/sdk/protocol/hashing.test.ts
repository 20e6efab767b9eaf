import { expect } from "chai";
import { type Hex, hashTypedData, hexToBytes, keccak256 } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import * as protocol from "../../../sdk/src/protocol/index.ts";
import { hashTypedMessage, toTypes } from "../../../sdk/src/protocol/typedMessage.ts";
import { createRandom } from "./random.ts";

const random = createRandom(12);
const contract = random.hex(20);

function randomValue(type: string): Hex | bigint {
  if (type === "address") return random.hex(20);
  return type === "bytes32" ? random.hex(32) : random.uint(Number(type.slice("uint".length)));
}

describe("hashTypedMessage", () => {
  const flat = Object.entries(protocol).flatMap(([name, type]) =>
    name.endsWith("Type") && !String(type).includes("[]") ? [String(type)] : [],
  );

  it("hashes each flat type as viem does, in more domains than it remembers", () => {
    expect(flat).to.have.length.greaterThan(8);
    for (let round = 0; round < 40; round++)
      for (const type of flat) {
        const types = toTypes(type);
        const primaryType = type.slice(0, type.indexOf("("));
        const fields = types[primaryType] ?? [];
        const message = Object.fromEntries(fields.map((field) => [field.name, randomValue(field.type)]));
        const domain = { name: `name ${round}`, version: "1", chainId: round + 1, verifyingContract: random.hex(20) };
        const expected = hashTypedData({ domain, types, primaryType, message });
        expect(hashTypedMessage({ domain, type, message }), type).to.equal(expected);
      }
  });

  it("uses the account's own keccak-256 where it has one", async () => {
    const hashed: number[] = [];
    const plain = privateKeyToAccount(`0x${"5c".repeat(32)}`);
    const account = {
      ...plain,
      keccak256(bytes: Uint8Array): Uint8Array {
        hashed.push(bytes.length);
        return hexToBytes(keccak256(bytes));
      },
    };
    const voucher = { contract, chainId: 1, channelId: random.hex(32), cumulativeAmount: 5n };
    const signature = await protocol.signVoucher({ account, ...voucher });
    expect(signature).to.equal(await protocol.signVoucher({ account: plain, ...voucher }));
    expect(hashed).to.deep.equal([96, 66]);
  });
});
