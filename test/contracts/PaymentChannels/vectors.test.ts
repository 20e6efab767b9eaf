import { expect } from "chai";
import { Fragment, TypedDataEncoder, ZeroHash } from "ethers";
import { network } from "hardhat";

import {
  channelIdOf,
  channelOf,
  DEPOSIT,
  deployChannels,
  expectEffects,
  GRACE_PERIOD,
  openNonceOf,
  openState,
  openChannel,
  saltOf,
  sendOpen,
  sendTopUp,
  sign,
  termsOf,
  topUpNonceOf,
  TYPES,
  vectors as readVectors,
} from "../helpers/channels.ts";
import { signForToken, tokenTypes } from "../helpers/token.ts";

// The vectors' deadlines are in 2030: the chain begins before, whatever the day of the test.
const connection = await network.create({ override: { initialDate: "2026-06-01T00:00:00Z" } });
const { loadFixture, takeSnapshot, time } = connection.networkHelpers;

const vectors = readVectors();

async function deployed() {
  return deployChannels(connection);
}

/** The vectors' channel, opened by the vectors' own authorization. */
async function opened() {
  // Once more from the first transaction of the chain on, so that the addresses are the vectors'.
  const world = await loadFixture(deployed);
  const { deposit, validAfter, validBefore, nonce, signature } = vectors.openWithAuthorization;
  const { payer: from, payee, token, salt, authorizedSigner } = vectors.terms;
  const authorized = {
    payee,
    token,
    deposit: BigInt(deposit),
    salt,
    authorizedSigner,
    from,
    validAfter: BigInt(validAfter),
    validBefore: BigInt(validBefore),
    nonce,
    signature,
  };
  await sendOpen(world, authorized);
  return world;
}

describe("PaymentChannels: values made outside the project", () => {
  it("stands where the vectors put it", async () => {
    const { parties, tokenAddress } = await loadFixture(deployed);
    expect(parties.contract).to.equal(vectors.contract);
    expect(tokenAddress).to.equal(vectors.token);
    expect(parties.payer).to.equal(vectors.terms.payer);
    expect(parties.payee).to.equal(vectors.terms.payee);
  });

  it("has the same domain", async () => {
    const { channels, domain } = await loadFixture(deployed);
    expect(await channels.domainSeparator()).to.equal(vectors.domainSeparator);
    expect(TypedDataEncoder.hashDomain(domain)).to.equal(vectors.domainSeparator);
    const { name, version, chainId, verifyingContract } = vectors.domain;
    expect([...(await channels.eip712Domain())]).to.deep.equal([
      "0x0f",
      name,
      version,
      BigInt(chainId),
      verifyingContract,
      ZeroHash,
      [],
    ]);
  });

  it("computes the same channel id and digests", async () => {
    const world = await loadFixture(deployed);
    const { channels, domain } = world;
    const { channelId, terms } = vectors;
    expect(await channels.computeChannelId(terms)).to.equal(channelId);
    expect(channelIdOf(world, terms)).to.equal(channelId);
    for (const { cumulativeAmount, digest } of vectors.vouchers) {
      expect(await channels.getVoucherDigest(channelId, cumulativeAmount)).to.equal(digest);
      expect(TypedDataEncoder.hash(domain, { Voucher: TYPES.Voucher }, { channelId, cumulativeAmount })).to.equal(
        digest,
      );
    }
    for (const type of ["SettleAuthorization", "CloseAuthorization", "CloseRequest"] as const) {
      const vector = {
        SettleAuthorization: { ...vectors.settleAuthorization, channelId },
        CloseAuthorization: { ...vectors.closeAuthorization, channelId },
        CloseRequest: { ...vectors.closeRequest, channelId },
      }[type];
      expect(TypedDataEncoder.hash(domain, { [type]: TYPES[type] }, vector), type).to.equal(vector.digest);
    }
  });

  it("derives the same nonces, and opens by the vectors' authorization", async () => {
    const world = await opened();
    const { deposit, validAfter, validBefore, nonce, digest } = vectors.openWithAuthorization;
    const { additionalDeposit, topUpSalt, nonce: topUpNonce } = vectors.topUpWithAuthorization;
    expect(openNonceOf(vectors.terms.payer, vectors.terms)).to.equal(nonce);
    expect(topUpNonceOf(vectors.channelId, BigInt(additionalDeposit), vectors.terms.payer, topUpSalt)).to.equal(
      topUpNonce,
    );

    const { chainId } = world.domain;
    const tokenDomain = { name: "Mock Digital Yuan", version: "1", chainId, verifyingContract: world.tokenAddress };
    const types = { ReceiveWithAuthorization: tokenTypes.ReceiveWithAuthorization };
    const message = { from: vectors.terms.payer, to: vectors.contract, value: deposit, validAfter, validBefore, nonce };
    expect(TypedDataEncoder.hash(tokenDomain, types, message)).to.equal(digest);

    expect(await channelOf(world, vectors.channelId)).to.deep.equal(openState(BigInt(deposit)));
  });

  it("tops up by the vectors' nonce", async () => {
    const world = await opened();
    const { payer, token } = world;
    const { terms } = vectors;
    const { topUpSalt, nonce } = vectors.topUpWithAuthorization;
    const additionalDeposit = BigInt(vectors.topUpWithAuthorization.additionalDeposit);
    const times = { validAfter: 0n, validBefore: 1_900_000_000n };
    const signature = await signForToken(payer, token, "ReceiveWithAuthorization", {
      from: payer.address,
      to: vectors.contract,
      value: additionalDeposit,
      nonce,
      ...times,
    });
    await expectEffects(
      world,
      sendTopUp(world, { terms, additionalDeposit, from: payer.address, topUpSalt, ...times, nonce, signature }),
      {
        events: [["ChannelToppedUp", vectors.channelId, DEPOSIT + additionalDeposit]],
        balances: { payer: -additionalDeposit, contract: additionalDeposit },
      },
    );
  });

  it("accepts the vectors' vouchers", async () => {
    const world = await opened();
    const { channels, payee } = world;
    const { terms, channelId } = vectors;
    let settled = 0n;
    for (const { cumulativeAmount: text, signature } of vectors.vouchers) {
      const cumulativeAmount = BigInt(text);
      // The larger ones are ceilings above the deposit.
      const amount = cumulativeAmount < DEPOSIT ? cumulativeAmount : settled + 1n;
      await expectEffects(world, channels.connect(payee).settle({ terms, amount, cumulativeAmount, signature }), {
        events: [["ChannelSettled", channelId, amount]],
        balances: { contract: settled - amount, payee: amount - settled },
      });
      settled = amount;
    }
    expect(settled).to.equal(250_002n);
  });

  it("accepts the vectors' request to close", async () => {
    const world = await opened();
    const { deadline, signature } = vectors.closeRequest;
    const timestamp = BigInt(await time.latest()) + 10n;
    await time.setNextBlockTimestamp(timestamp);
    await expectEffects(world, world.channels.requestCloseWithAuthorization(vectors.terms, deadline, signature), {
      events: [["CloseRequested", vectors.channelId, timestamp + GRACE_PERIOD]],
    });
  });

  it("accepts the payee's signatures of the vectors' authorizations, and not those of another key", async () => {
    const world = await opened();
    const { channels, payee, parties } = world;
    const { terms, channelId } = vectors;
    const start = await takeSnapshot();
    for (const [type, vector, method] of [
      ["SettleAuthorization", vectors.settleAuthorization, "settleWithAuthorization"],
      ["CloseAuthorization", vectors.closeAuthorization, "closeWithAuthorization"],
    ] as const) {
      const { cumulativeAmount, nonce, deadline } = vector;
      const voucher = vectors.vouchers.find((candidate) => candidate.cumulativeAmount === cumulativeAmount)!;
      const { signature } = voucher;
      const claim = { terms, amount: cumulativeAmount, cumulativeAmount, signature };
      await expect(channels[method](claim, nonce, deadline, vector.signature))
        .to.be.revertedWithCustomError(channels, "InvalidSignature")
        .withArgs(parties.payee);

      const message = { channelId, cumulativeAmount, nonce, deadline };
      await channels[method](claim, nonce, deadline, await sign(world, payee, type, message));
      expect((await channels.getChannel(channelId)).settled).to.equal(250_000n);
      await start.restore();
    }
  });
});

describe("PaymentChannels: surface", () => {
  const TERMS = "(address payer, address payee, address token, bytes32 salt, address authorizedSigner) terms";
  const CLAIM = `(${TERMS.replace("(", "tuple(")}, uint128 amount, uint128 cumulativeAmount, bytes signature) claim`;
  const CHANNEL = "(uint104 deposit, uint104 settled, uint40 closeRequestedAt, bool finalized)";
  const BATCH_CLAIM =
    "(address payer, address authorizedSigner, bytes32 salt, uint128 amount, uint128 cumulativeAmount, bytes32 r, bytes32 vs)";

  it("is the one that software elsewhere was built on", async () => {
    const { channels } = await loadFixture(deployed);
    const ours = channels.interface.fragments.map((fragment) => fragment.format("full"));
    for (const text of [
      "function open(address payee, address token, uint128 deposit, bytes32 salt, address authorizedSigner) returns (bytes32 channelId)",
      "function openWithAuthorization(address payee, address token, uint128 deposit, bytes32 salt, address authorizedSigner, address from, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes signature) returns (bytes32 channelId)",
      `function topUp(tuple${TERMS}, uint128 additionalDeposit)`,
      `function topUpWithAuthorization(tuple${TERMS}, uint128 additionalDeposit, address from, bytes32 topUpSalt, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes signature)`,
      "function setOperator(address operator, bool approved)",
      "function isOperator(address payee, address operator) view returns (bool)",
      `function settle(tuple${CLAIM})`,
      `function settleBatch(address payee, address token, tuple${BATCH_CLAIM}[] claims)`,
      `function close(tuple${CLAIM})`,
      `function settleWithAuthorization(tuple${CLAIM}, uint256 nonce, uint256 deadline, bytes payeeSignature)`,
      `function closeWithAuthorization(tuple${CLAIM}, uint256 nonce, uint256 deadline, bytes payeeSignature)`,
      `function requestClose(tuple${TERMS})`,
      `function requestCloseWithAuthorization(tuple${TERMS}, uint64 deadline, bytes payerSignature)`,
      `function withdraw(tuple${TERMS})`,
      "function claimCredit(address token, address account)",
      `function getChannel(bytes32 channelId) view returns (tuple${CHANNEL})`,
      `function getChannels(bytes32[] channelIds) view returns (tuple${CHANNEL}[] channels)`,
      "function credit(address token, address account) view returns (uint256)",
      `function computeChannelId(tuple${TERMS}) view returns (bytes32)`,
      "function getVoucherDigest(bytes32 channelId, uint128 cumulativeAmount) view returns (bytes32)",
      "function domainSeparator() view returns (bytes32)",
      "function CLOSE_GRACE_PERIOD() view returns (uint40)",
      "event ChannelOpened(bytes32 indexed channelId, address indexed payer, address indexed payee, address token, address authorizedSigner, bytes32 salt, uint256 deposit)",
      "event ChannelSettled(bytes32 indexed channelId, uint256 settled)",
      "event ChannelClosed(bytes32 indexed channelId, uint256 settled, uint256 refunded)",
      "event ClaimSkipped(bytes32 indexed channelId, bytes4 reason)",
    ])
      expect(ours).to.include(Fragment.from(text).format("full"));
  });
});

describe("PaymentChannels: views", () => {
  it("reads channels in the order asked for, again where asked again, and zeros where there is none", async () => {
    const world = await opened();
    const { channels, payee } = world;
    const other = await openChannel(world, { salt: saltOf(2), deposit: 7n });
    const { terms } = vectors;
    await channels.connect(payee).close({ terms, amount: 0n, cumulativeAmount: 0n, signature: "0x" });
    const first = [DEPOSIT, 0n, 0n, true];
    const second = [7n, 0n, 0n, false];
    const none = [0n, 0n, 0n, false];

    const ids = [other.channelId, vectors.channelId, saltOf(9), other.channelId];
    const list = (await channels.getChannels(ids)).map((channel) => [...channel]);
    expect(list).to.deep.equal([second, first, none, second]);
    for (const [i, channelId] of ids.entries())
      expect([...(await channels.getChannel(channelId))]).to.deep.equal(list[i]);
    expect([...(await channels.getChannels([]))]).to.deep.equal([]);
  });

  it("computes the id of every term, contract and chain", async () => {
    const world = await loadFixture(deployed);
    const { channels, parties } = world;
    const ids = new Set<string>();
    for (const change of [
      {},
      { payer: parties.relayer },
      { payee: parties.relayer },
      { token: parties.relayer },
      { salt: saltOf(9) },
      { authorizedSigner: parties.relayer },
    ]) {
      const terms = termsOf(world, change);
      const channelId = await channels.computeChannelId(terms);
      expect(channelId).to.equal(channelIdOf(world, terms));
      ids.add(channelId);
    }
    const second = await connection.ethers.deployContract("PaymentChannels", [GRACE_PERIOD]);
    ids.add(await second.computeChannelId(termsOf(world)));
    expect(ids.size).to.equal(7);
  });
});
