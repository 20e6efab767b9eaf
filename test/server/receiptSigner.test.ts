import { expect } from "chai";
import { type Hex, hashTypedData, hexToBytes } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";

import { hashReceipt, InvalidFieldError, signReceipt, signVoucher } from "../../sdk/src/protocol/index.ts";
import { createFastAccount, createReceiptSigner } from "../../sdk/src/server/index.ts";
import { createRandom } from "../sdk/protocol/random.ts";
import { readVectors } from "../sdk/protocol/vectors.ts";

const backends = ["native", "wasm"] as const;
const privateKey: Hex = `0x${"5c".repeat(32)}`;
const viemAccount = privateKeyToAccount(privateKey);
const { chainId, contract } = readVectors();
const channels = { contract, chainId };
const random = createRandom(11);
const randomReceipt = () => ({
  channelId: random.hex(32),
  statementHash: random.hex(32),
  spent: random.uint(128),
  requestHash: random.hex(32),
  responseHash: random.hex(32),
  issuedAt: random.uint(64),
});

describe("createFastAccount", () => {
  for (const backend of backends) {
    it(`signs byte for byte as viem's account does (${backend})`, async () => {
      for (let i = 0; i < 10; i++) {
        const key = generatePrivateKey();
        const [fast, plain] = [await createFastAccount({ privateKey: key, backend }), privateKeyToAccount(key)];
        expect(fast).to.include({ address: plain.address, publicKey: plain.publicKey, type: "local", backend });
        const voucher = { ...channels, channelId: random.hex(32), cumulativeAmount: random.uint(128) };
        const signature = await signVoucher({ account: plain, ...voucher });
        expect(await signVoucher({ account: fast, ...voucher })).to.equal(signature);
        const hash = random.hex(32);
        expect(await fast.sign({ hash })).to.equal(await plain.sign({ hash }));
        expect(fast.signDigest(hexToBytes(hash))).to.equal(await plain.sign({ hash }));
      }
    });
  }

  it("signs typed data of any kind, messages and transactions as viem's account does", async () => {
    const fast = await createFastAccount({ privateKey });
    const typedData = {
      domain: { name: "x", chainId: 1 },
      types: { Mail: [{ name: "to", type: "string" }] },
      primaryType: "Mail",
      message: { to: "somebody" },
    } as const;
    expect(await fast.signTypedData(typedData)).to.equal(await viemAccount.sign({ hash: hashTypedData(typedData) }));
    expect(await fast.signMessage({ message: "x" })).to.equal(await viemAccount.signMessage({ message: "x" }));
    const transaction = { chainId: 1, nonce: 1, gas: 21_000n, maxFeePerGas: 1n, type: "eip1559" } as const;
    expect(await fast.signTransaction(transaction)).to.equal(await viemAccount.signTransaction(transaction));
  });

  it("refuses what is no key and does not show it", async () => {
    for (const wrong of ["0x12", `${privateKey}00`, privateKey.slice(2), `${privateKey.slice(0, -1)}g`]) {
      const error = await createFastAccount({ privateKey: wrong as Hex }).catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(InvalidFieldError).with.property("field", "privateKey");
      expect(String(error)).not.to.contain(wrong.slice(2));
    }
  });
});

describe("createReceiptSigner", () => {
  for (const account of ["native", "wasm", "viem"] as const) {
    it(`signs what signReceipt signs, for values of every width (${account})`, async () => {
      const signing = account === "viem" ? viemAccount : await createFastAccount({ privateKey, backend: account });
      const signer = await createReceiptSigner({ ...channels, account: signing });
      expect(signer.address).to.equal(viemAccount.address);
      for (let i = 0; i < 30; i++) {
        const receipt = randomReceipt();
        const expected = await signReceipt({ ...channels, ...receipt, account: viemAccount });
        expect(await signer.sign(receipt)).to.equal(expected);
      }
    });
  }

  it("is bound to its contract and chain, and signs at once", async () => {
    const account = await createFastAccount({ privateKey });
    const receipt = randomReceipt();
    for (const other of [channels, { contract, chainId: 1 }, { contract: viemAccount.address, chainId }]) {
      const signer = await createReceiptSigner({ ...other, account });
      expect(signer.sign(receipt)).to.equal(account.signDigest(hexToBytes(hashReceipt({ ...other, ...receipt }))));
    }
  });

  it("refuses values that do not fit, and signs nothing", async () => {
    const account = await createFastAccount({ privateKey });
    const signer = await createReceiptSigner({ ...channels, account });
    for (const [field, value] of [
      ["channelId", "0x12"],
      ["statementHash", `0x${"g".repeat(64)}`],
      ["spent", 2n ** 128n],
      ["spent", -1n],
      ["spent", 5],
      ["issuedAt", 2n ** 64n],
      ["responseHash", undefined],
    ] as const) {
      const wrong = { ...randomReceipt(), [field]: value } as Parameters<typeof signer.sign>[0];
      expect(() => signer.sign(wrong), field)
        .to.throw(InvalidFieldError)
        .with.property("field", `Receipt.${field}`);
    }
  });
});
