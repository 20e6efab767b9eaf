import { expect } from "chai";
import {
  type Address,
  createPublicClient,
  createWalletClient,
  custom,
  type Hex,
  keccak256,
  stringToHex,
  toHex,
  zeroAddress,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";

import {
  computeChannelId,
  openAuthorizationNonce,
  parseYuan,
  paymentChannelsAbi,
  signReceiveWithAuthorization,
  signVoucher,
  subfenActions,
  type Terms,
  topUpAuthorizationNonce,
} from "../../../sdk/src/index.ts";
import { createWorld, payerKey, sellerKey, type World } from "../../server/helpers.ts";
import { rejection } from "../client/helpers.ts";

describe("subfenActions", () => {
  let world: World;
  let contract: Address;
  let terms: Terms;
  let channelId: Hex;
  const deposit = parseYuan("1");
  const payerOf = () => world.payerClient.extend(subfenActions());
  const sellerOf = () => world.sellerClient.extend(subfenActions());

  beforeEach(async () => {
    world = await createWorld();
    contract = world.channels.address;
    terms = {
      payer: world.payer.address,
      payee: world.seller.address,
      token: world.token.address,
      salt: keccak256(stringToHex("salt")),
      authorizedSigner: zeroAddress,
    };
    channelId = computeChannelId({ terms, contract, chainId: 31337 });
  });

  async function open(): Promise<void> {
    const payer = payerOf();
    await payer.approveToken({ token: terms.token, spender: contract, amount: deposit });
    await payer.confirmTransaction({ hash: await payer.openChannel({ contract, terms, deposit }) });
  }

  async function claimOf(amount: bigint, cumulativeAmount = amount) {
    const { payer: account } = world;
    const signature = await signVoucher({ account, contract, chainId: 31337, channelId, cumulativeAmount });
    return { terms, amount, cumulativeAmount, signature };
  }

  it("opens, reads, settles and closes a channel", async () => {
    await open();
    expect(await payerOf().getChannel({ contract, channelId })).to.deep.equal({
      deposit,
      settled: 0n,
      closeRequestedAt: 0,
      finalized: false,
    });
    const seller = sellerOf();
    await seller.confirmTransaction({
      hash: await seller.settleChannel({ contract, claim: await claimOf(300n, 500n) }),
    });
    expect(await world.balanceOf(world.seller.address)).to.equal(300n);
    await seller.confirmTransaction({
      hash: await seller.closeChannel({ contract, claim: await claimOf(400n, 500n) }),
    });
    const unknown = keccak256(stringToHex("no channel"));
    const [channel, none] = await seller.getChannels({ contract, channelIds: [channelId, unknown] });
    expect(channel).to.include({ settled: 400n, finalized: true });
    expect(none).to.include({ deposit: 0n, finalized: false });
    expect(await seller.getTokenBalance({ token: terms.token, account: world.seller.address })).to.equal(400n);
    expect(await world.balanceOf(world.payer.address)).to.equal(parseYuan("100") - 400n);
  });

  it("opens and tops up by authorizations that somebody else sends", async () => {
    const seller = sellerOf();
    const domain = await seller.getTokenDomain({ token: terms.token, chainId: 31337 });
    expect(domain).to.include({ name: "Mock Digital Yuan", version: "1" });
    const common = { from: terms.payer, to: contract, validAfter: 0n, validBefore: 2n ** 40n };
    const opening = { ...common, value: deposit, nonce: openAuthorizationNonce(terms) };
    const signature = await signReceiveWithAuthorization({ account: world.payer, domain, ...opening });
    await seller.openChannelWithAuthorization({ contract, terms, deposit, authorization: opening, signature });

    const topUpSalt = keccak256(stringToHex("top up"));
    const binding = { channelId, additionalDeposit: 5n, from: terms.payer, topUpSalt };
    const topUp = { ...common, value: 5n, nonce: topUpAuthorizationNonce(binding) };
    await seller.topUpChannelWithAuthorization({
      contract,
      terms,
      additionalDeposit: 5n,
      topUpSalt,
      authorization: topUp,
      signature: await signReceiveWithAuthorization({ account: world.payer, domain, ...topUp }),
    });
    expect((await seller.getChannel({ contract, channelId })).deposit).to.equal(deposit + 5n);
  });

  it("tops up, asks to close and withdraws after the grace period", async () => {
    await open();
    const payer = payerOf();
    await payer.approveToken({ token: terms.token, spender: contract, amount: 7n });
    await payer.topUpChannel({ contract, terms, additionalDeposit: 7n });
    await payer.requestCloseChannel({ contract, terms });
    const { closeRequestedAt } = await payer.getChannel({ contract, channelId });
    const readyAt = closeRequestedAt + (await payer.getCloseGracePeriod({ contract }));
    const early = await rejection(payer.withdrawChannel({ contract, terms }));
    expect(early).to.include({ code: "contract-refused", errorName: "CloseNotReady" });
    expect(early.args).to.deep.equal([BigInt(readyAt)]);

    await world.networkHelpers.time.increaseTo(readyAt);
    await payer.withdrawChannel({ contract, terms });
    expect(await world.balanceOf(world.payer.address)).to.equal(parseYuan("100"));
  });

  it("turns a revert into a typed error with its arguments, and sends nothing", async () => {
    await open();
    const before = await world.sellerClient.getTransactionCount({ address: world.seller.address });
    const error = await rejection(sellerOf().settleChannel({ contract, claim: await claimOf(deposit + 1n) }));
    expect(error).to.include({ code: "contract-refused", errorName: "AmountExceedsDeposit" });
    expect(error.args).to.deep.equal([deposit + 1n, deposit]);
    expect(error.message).to.include(`settle was refused with AmountExceedsDeposit(${deposit + 1n}, ${deposit})`);
    expect(await world.sellerClient.getTransactionCount({ address: world.seller.address })).to.equal(before);
  });

  it("decodes the token's own errors too", async () => {
    const error = await rejection(payerOf().openChannel({ contract, terms, deposit }));
    expect(error).to.include({ code: "contract-refused", errorName: "ERC20InsufficientAllowance" });
    expect(error.args).to.deep.equal([contract, 0n, deposit]);
  });

  it("names the account that cannot pay the gas", async () => {
    await world.networkHelpers.setBalance(world.payer.address, 0n);
    const error = await rejection(payerOf().approveToken({ token: terms.token, spender: contract, amount: 1n }));
    expect(error.code).to.equal("no-gas");
    expect(error.message).to.include(world.payer.address).and.to.include("approve");
  });

  it("asks for an account before it sends", async () => {
    const { request } = world.payerClient;
    const client = createPublicClient({ transport: custom({ request: request as never }) }).extend(subfenActions());
    expect((await client.getChannel({ contract, channelId })).deposit).to.equal(0n);
    const error = await rejection(client.requestCloseChannel({ contract, terms }));
    expect(error).to.include({ code: "missing-account" });
  });

  it("sends from another account than the client's own", async () => {
    await open();
    const account = privateKeyToAccount(sellerKey);
    await payerOf().settleChannel({ contract, claim: await claimOf(9n), account });
    expect(await world.balanceOf(world.seller.address)).to.equal(9n);
    expect(privateKeyToAccount(payerKey).address).to.equal(world.payer.address);
  });

  it("tells a reverted transaction from a successful one", async () => {
    const { networkHelpers, sellerClient, seller } = world;
    await open();
    await sellerClient.request({ method: "evm_setAutomine" as never, params: [false] as never });
    const first = await sellerOf().settleChannel({ contract, claim: await claimOf(10n) });
    // Mined after the first, it gains nothing any more; a gas limit of its own keeps it from being simulated.
    const second = await sellerClient.writeContract({
      address: contract,
      abi: paymentChannelsAbi,
      functionName: "settle",
      args: [await claimOf(10n)],
      gas: 200_000n,
      chain: null,
    });
    await networkHelpers.mine();
    await sellerClient.request({ method: "evm_setAutomine" as never, params: [true] as never });
    expect((await sellerOf().confirmTransaction({ hash: first })).status).to.equal("success");
    const error = await rejection(sellerOf().confirmTransaction({ hash: second }));
    expect(error).to.include({ code: "transaction-reverted", hash: second });
    expect(await world.balanceOf(seller.address)).to.equal(10n);
  });

  it("F105: keeps nonces in order through 30 parallel sends, some of which are refused", async () => {
    const payer = payerOf();
    await payer.approveToken({ token: terms.token, spender: contract, amount: 100n * deposit });
    const before = await world.payerClient.getTransactionCount({ address: terms.payer });
    const results = await Promise.allSettled(
      Array.from({ length: 30 }, (_, i) => {
        const salt = keccak256(stringToHex(`salt ${i}`));
        return payer.openChannel({ contract, terms: { ...terms, salt }, deposit: i % 5 === 4 ? 0n : 1n });
      }),
    );
    const sent = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    expect(sent).to.have.lengthOf(24);
    for (const hash of sent) await payer.confirmTransaction({ hash });
    expect(await world.payerClient.getTransactionCount({ address: terms.payer })).to.equal(before + 24);
  });

  it("F105: goes on counting while the node does not know yet what it was sent", async () => {
    const { request } = world.payerClient;
    const frozen = await world.payerClient.getTransactionCount({ address: terms.payer });
    const lagging = createWalletClient({
      account: world.payer,
      pollingInterval: 10,
      transport: custom({
        request: async (call: { method: string }) =>
          call.method === "eth_getTransactionCount" ? toHex(frozen) : request(call as never),
      }),
    }).extend(subfenActions());
    for (const amount of [1n, 2n, 3n]) {
      const hash = await lagging.approveToken({ token: terms.token, spender: contract, amount });
      await lagging.confirmTransaction({ hash });
    }
    expect(await world.token.contract.allowance(terms.payer, contract)).to.equal(3n);
  });

  describe("getTokenDomain", () => {
    it("refuses a token that tells a domain which is not its own", async () => {
      const error = await rejection(payerOf().getTokenDomain({ token: terms.token, chainId: 1 }));
      expect(error).to.include({ code: "token-domain" });
      expect(error.message).to.include("its separator is another domain's");
    });

    it("refuses an address that does not answer", async () => {
      const error = await rejection(payerOf().getTokenDomain({ token: world.payer.address, chainId: 31337 }));
      expect(error).to.include({ code: "token-domain" });
    });
  });
});
