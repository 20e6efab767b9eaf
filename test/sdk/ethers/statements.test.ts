import { expect } from "chai";
import { VoidSigner, Wallet } from "ethers";
import { type Hex, keccak256, stringToHex, zeroHash } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import { accountFromEthers } from "../../../sdk/src/ethers/index.ts";
import * as protocol from "../../../sdk/src/protocol/index.ts";
import { rejection } from "../client/helpers.ts";
import { ChangedSigner } from "./signers.ts";

const key: Hex = `0x${"5c".repeat(32)}`;
const contract = "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512";
const at = { contract, chainId: 31337 } as const;
const channelId = keccak256(stringToHex("a channel"));
const { address } = privateKeyToAccount(key);
const payee = { ...at, channelId, cumulativeAmount: 5n, nonce: 1n, deadline: 9n };
const payment = { ref: zeroHash, condition: contract, parametersHash: zeroHash, amount: 3n } as const;
const verdict = { paymentId: zeroHash, specHash: zeroHash, deliverableHash: zeroHash, amount: 7n, issuedAt: 8n };
const receipt = { channelId, statementHash: zeroHash, spent: 7n, requestHash: zeroHash, responseHash: zeroHash };
const domain = { name: "Mock Digital Yuan", version: "1", chainId: 31337, verifyingContract: contract } as const;
const transfer = { from: address, to: contract, value: 5n, validAfter: 0n, validBefore: 9n, nonce: zeroHash } as const;

type Sign = (account: protocol.SigningAccount) => Promise<Hex>;

/** Every function of the protocol that signs. */
const signers: Record<string, Sign> = {
  signVoucher: (account) => protocol.signVoucher({ account, ...at, channelId, cumulativeAmount: 2n ** 100n }),
  signConditionalVoucher: (account) =>
    protocol.signConditionalVoucher({ account, ...at, channelId, cumulativeAmount: 5n, payments: [payment] }),
  signSettleAuthorization: (account) => protocol.signSettleAuthorization({ account, ...payee }),
  signCloseAuthorization: (account) => protocol.signCloseAuthorization({ account, ...payee }),
  signCloseRequest: (account) => protocol.signCloseRequest({ account, ...at, channelId, deadline: 9n }),
  signReceiveWithAuthorization: (account) => protocol.signReceiveWithAuthorization({ account, domain, ...transfer }),
  signTransferWithAuthorization: (account) => protocol.signTransferWithAuthorization({ account, domain, ...transfer }),
  signVerdict: (account) => protocol.signVerdict({ account, condition: contract, chainId: 31337, ...verdict }),
  signStatusRequest: (account) => protocol.signStatusRequest({ account, ...at, channelId, timestamp: 1n }),
  signRelease: (account) =>
    protocol.signRelease({ account, ...at, taskId: channelId, cumulativeAmount: 2n ** 100n, deadline: 9n }),
  signRefund: (account) => protocol.signRefund({ account, ...at, taskId: channelId, deadline: 9n }),
  signReceipt: (account) => protocol.signReceipt({ account, ...at, ...receipt, issuedAt: 8n }),
};

describe("statements signed by an ethers signer", () => {
  it("are all tested here", () => {
    const signing = Object.keys(protocol).filter((name) => /^sign[A-Z]/.test(name));
    expect(Object.keys(signers).sort()).to.deep.equal(signing.sort());
  });

  for (const [name, sign] of Object.entries(signers)) {
    it(`${name} gives byte for byte what viem's account gives, without a provider`, async () => {
      const account = await accountFromEthers(new Wallet(key));
      expect(await sign(account)).to.equal(await sign(privateKeyToAccount(key)));
    });
  }

  describe("F110: forms of a signature", () => {
    const signVoucher = signers.signVoucher!;
    const changed = async (change: (signature: string) => string) =>
      signVoucher(await accountFromEthers(new ChangedSigner(change)));
    const vOf = (signature: string) => Number(`0x${signature.slice(130)}`);
    const withV = (signature: string, v: number) => signature.slice(0, 130) + v.toString(16).padStart(2, "0");

    it("takes v 0 and 1 and the 64 bytes of EIP-2098 and makes 27 and 28 of them", async () => {
      const expected = await signVoucher(privateKeyToAccount(key));
      expect(await changed((signature) => withV(signature, vOf(signature) - 27))).to.equal(expected);
      expect(await changed((signature) => signature.toUpperCase().replace("0X", "0x"))).to.equal(expected);
      const compact = (signature: string) => {
        const s = BigInt(`0x${signature.slice(66, 130)}`) | (BigInt(vOf(signature) - 27) << 255n);
        return signature.slice(0, 66) + s.toString(16).padStart(64, "0");
      };
      expect(await changed(compact)).to.equal(expected);
    });

    it("does so by itself, whoever asks the account", async () => {
      const typedData: protocol.TypedData = {
        domain,
        types: { Note: [{ name: "amount", type: "uint256" }] },
        primaryType: "Note",
        message: { amount: 2n ** 200n },
      };
      const account = await accountFromEthers(new ChangedSigner((signature) => withV(signature, vOf(signature) - 27)));
      const viemAccount: protocol.SigningAccount = privateKeyToAccount(key);
      const expected = await viemAccount.signTypedData(typedData);
      expect(await account.signTypedData(typedData)).to.equal(expected);
    });

    it("refuses every other form when it signs", async () => {
      const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
      const highS = (signature: string) => {
        const s = (order - BigInt(`0x${signature.slice(66, 130)}`)).toString(16).padStart(64, "0");
        return signature.slice(0, 66) + s + (vOf(signature) === 27 ? "1c" : "1b");
      };
      const wrong: [(signature: string) => string, string][] = [
        [(signature) => withV(signature, vOf(signature) + 8), "malformed"],
        [(signature) => `${signature}00`, "malformed"],
        [() => "0x", "malformed"],
        [highS, "high-s"],
        [(signature) => `0x${"0".repeat(64)}${signature.slice(66)}`, "invalid"],
      ];
      for (const [change, reason] of wrong)
        expect(await rejection(changed(change)), reason).to.include({ code: "invalid-signature", reason });
    });
  });

  it("are refused in our own words when the signer does not sign, with what ethers threw as the cause", async () => {
    const account = await accountFromEthers(new VoidSigner(address));
    const error = await rejection(signers.signVoucher!(account));
    expect(error).to.include({ name: "SignerFailedError", code: "signer-failed" });
    expect(error.message).to.include("did not sign the Voucher").and.to.include("UNSUPPORTED_OPERATION");
    expect(error.cause).to.have.property("code", "UNSUPPORTED_OPERATION");
  });
});
