import { expect } from "chai";
import { Wallet } from "ethers";
import { privateKeyToAccount } from "viem/accounts";

import { InvalidFieldError, signStatusRequest, verifyStatusRequest } from "../../../sdk/src/protocol/index.ts";
import { rejection } from "./random.ts";
import { readVectors } from "./vectors.ts";

const { chainId, contract, channelId, key } = readVectors();
const account = privateKeyToAccount(key);
const question = { contract, chainId, channelId, timestamp: 1_893_456_000_000n };

describe("signStatusRequest and verifyStatusRequest", () => {
  it("signs what another library signs for the same type and domain", async () => {
    const domain = { name: "EVM Payment Channel", version: "1", chainId, verifyingContract: contract };
    const types = {
      ChannelStatusRequest: [
        { name: "channelId", type: "bytes32" },
        { name: "timestamp", type: "uint64" },
      ],
    };
    const message = { channelId, timestamp: question.timestamp };
    const expected = await new Wallet(key).signTypedData(domain, types, message);
    expect(await signStatusRequest({ ...question, account })).to.equal(expected);
  });

  it("is good for one channel, time, contract, chain and signer", async () => {
    const signature = await signStatusRequest({ ...question, account });
    const signer = account.address;
    expect(await verifyStatusRequest({ ...question, signature, signer })).to.equal(true);
    const others = [
      { channelId: `0x${"12".repeat(32)}` },
      { timestamp: question.timestamp + 1n },
      { contract: signer },
      { chainId: chainId + 1 },
      { signer: contract },
    ] as const;
    for (const other of others) {
      const changed = { ...question, signature, signer, ...other };
      expect(await verifyStatusRequest(changed), Object.keys(other).join()).to.equal(false);
    }
  });

  it("refuses a time that is no uint64, before anything is signed", async () => {
    for (const timestamp of [-1n, 2n ** 64n]) {
      const error = await rejection(signStatusRequest({ ...question, timestamp, account }));
      expect(error).to.be.instanceOf(InvalidFieldError);
    }
  });
});
