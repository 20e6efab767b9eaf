import { expect } from "chai";
import { type Address, type Hex, keccak256, stringToHex, zeroAddress } from "viem";

import { accountFromEthers, clientFromEthers } from "../../../sdk/src/ethers/index.ts";
import {
  computeChannelId,
  computeTaskId,
  hashlock,
  hashPreimage,
  openAuthorizationNonce,
  review,
  signCloseAuthorization,
  signCloseRequest,
  signConditionalVoucher,
  signReceiveWithAuthorization,
  signRefund,
  signRelease,
  signSettleAuthorization,
  signVoucher,
  subfenActions,
  type SubfenActions,
  type Task,
  type Terms,
  topUpAuthorizationNonce,
} from "../../../sdk/src/index.ts";
import { createWorld, type World } from "../../server/helpers.ts";
import { rejection } from "../client/helpers.ts";
import { kinds, newWallet } from "./signers.ts";

const chainId = 31337;
const deadline = 2n ** 40n;
const salt = (text: string): Hex => keccak256(stringToHex(text));

for (const [kind, makeSigner] of Object.entries(kinds)) {
  describe(`the actions with an ethers ${kind}`, () => {
    let world: World;
    let contract: Address;
    let token: Address;
    const used = new Set<string>();

    /** A client with money and gas, which notes the actions it is asked for. */
    async function makeParty() {
      const signer = await makeSigner(world);
      const client = (await clientFromEthers(signer)).extend(subfenActions());
      const { address } = client.account;
      await world.networkHelpers.setBalance(address, 10n ** 18n);
      await world.token.contract.faucet(address, 1_000_000n);
      await world.networkHelpers.mine();
      const noting = new Proxy(client, {
        get: (target, name) => (used.add(String(name)), Reflect.get(target, name) as unknown),
      });
      return Object.assign(noting, { address, signing: await accountFromEthers(signer) });
    }
    type Party = Awaited<ReturnType<typeof makeParty>>;
    let payer: Party;
    let payee: Party;

    const termsOf = (text: string): Terms => ({
      payer: payer.address,
      payee: payee.address,
      token,
      salt: salt(text),
      authorizedSigner: zeroAddress,
    });
    const at = (terms: Terms) => ({ contract, chainId, channelId: computeChannelId({ terms, contract, chainId }) });

    async function open(text: string): Promise<Terms> {
      const terms = termsOf(text);
      await payer.approveToken({ token, spender: contract, amount: 1000n });
      await payer.confirmTransaction({ hash: await payer.openChannel({ contract, terms, deposit: 1000n }) });
      return terms;
    }

    async function claimOf(terms: Terms, amount: bigint) {
      const voucher = { ...at(terms), cumulativeAmount: amount };
      return {
        terms,
        amount,
        cumulativeAmount: amount,
        signature: await signVoucher({ ...voucher, account: payer.signing }),
      };
    }

    beforeEach(async () => {
      world = await createWorld();
      contract = world.channels.address;
      token = world.token.address;
      payer = await makeParty();
      payee = await makeParty();
    });

    after(() => {
      const all = Object.keys(subfenActions()({} as never)) as (keyof SubfenActions)[];
      expect([...used]).to.include.members(all);
    });

    it("open, top up, read, settle and close", async () => {
      const before = await payer.getTokenBalance({ token, account: payee.address });
      const terms = await open("a channel");
      const { channelId } = at(terms);
      await payer.approveToken({ token, spender: contract, amount: 5n });
      await payer.topUpChannel({ contract, terms, additionalDeposit: 5n });
      await payee.settleChannel({ contract, claim: await claimOf(terms, 300n) });
      expect(await payee.getChannel({ contract, channelId })).to.deep.equal({
        deposit: 1005n,
        settled: 300n,
        closeRequestedAt: 0,
        finalized: false,
      });
      await payee.closeChannel({ contract, claim: await claimOf(terms, 400n) });
      const [closed] = await payer.getChannels({ contract, channelIds: [channelId] });
      expect(closed).to.include({ settled: 400n, finalized: true });
      expect(await payer.getTokenBalance({ token, account: payee.address })).to.equal(before + 400n);
    });

    it("open and top up by authorization", async () => {
      const terms = termsOf("relayed");
      const domain = await payer.getTokenDomain({ token, chainId });
      const common = { from: terms.payer, to: contract, validAfter: 0n, validBefore: deadline };
      const opening = { ...common, value: 1000n, nonce: openAuthorizationNonce(terms) };
      const { signing: account } = payer;
      await payee.openChannelWithAuthorization({
        contract,
        terms,
        deposit: 1000n,
        authorization: opening,
        signature: await signReceiveWithAuthorization({ account, domain, ...opening }),
      });
      const { channelId } = at(terms);
      const topUpSalt = salt("top up");
      const binding = { channelId, additionalDeposit: 5n, from: terms.payer, topUpSalt };
      const topUp = { ...common, value: 5n, nonce: topUpAuthorizationNonce(binding) };
      await payee.topUpChannelWithAuthorization({
        contract,
        terms,
        additionalDeposit: 5n,
        topUpSalt,
        authorization: topUp,
        signature: await signReceiveWithAuthorization({ account, domain, ...topUp }),
      });
      expect((await payer.getChannel({ contract, channelId })).deposit).to.equal(1005n);
    });

    it("settle and close by the payee's authorization", async () => {
      const terms = await open("relayed claims");
      const { signing: account } = payee;
      const settling = { ...at(terms), cumulativeAmount: 40n, nonce: 1n, deadline };
      await payer.settleChannelWithAuthorization({
        contract,
        claim: await claimOf(terms, 40n),
        authorization: { nonce: 1n, deadline, signature: await signSettleAuthorization({ account, ...settling }) },
      });
      const closing = { ...settling, cumulativeAmount: 70n };
      await payer.closeChannelWithAuthorization({
        contract,
        claim: await claimOf(terms, 70n),
        authorization: { nonce: 1n, deadline, signature: await signCloseAuthorization({ account, ...closing }) },
      });
      expect(await payer.getChannel(at(terms))).to.include({ settled: 70n, finalized: true });
    });

    it("leave after the grace period, asked for by itself and by signature", async () => {
      const [own, relayed] = [await open("own"), await open("by signature")];
      await payer.requestCloseChannel({ contract, terms: own });
      const signature = await signCloseRequest({ account: payer.signing, ...at(relayed), deadline });
      await payee.requestCloseChannelWithAuthorization({ contract, terms: relayed, deadline, signature });
      const early = await rejection(payer.withdrawChannel({ contract, terms: own }));
      expect(early).to.include({ code: "contract-refused", errorName: "CloseNotReady" });
      await world.networkHelpers.time.increase(await payer.getCloseGracePeriod({ contract }));
      for (const terms of [own, relayed]) {
        await payer.withdrawChannel({ contract, terms });
        expect(await payer.getChannel(at(terms))).to.include({ finalized: true });
      }
    });

    it("settle in a batch by an operator, and find channels and events again", async () => {
      const all = [await open("a"), await open("b")];
      await payee.setOperator({ contract, operator: payer.address, approved: true });
      const operator = { contract, payee: payee.address, operator: payer.address };
      expect(await payer.isOperator(operator)).to.equal(true);
      const claims = [await claimOf(all[0]!, 1n), await claimOf(all[1]!, 2n)];
      await payer.settleChannels({ contract, payee: payee.address, token, claims });
      // A FallbackProvider tells a block number that all its nodes have had for a while.
      const range = { contract, fromBlock: 0n, toBlock: BigInt(await world.ethers.provider.getBlockNumber()) };
      const found = await payer.findChannels({ ...range, payer: payer.address });
      expect(found.map(({ terms, channel }) => [terms.salt, channel.settled])).to.deep.equal([
        [salt("a"), 1n],
        [salt("b"), 2n],
      ]);
      const names: string[] = [];
      for await (const { eventName } of payer.channelEvents(range)) names.push(eventName);
      expect(names.filter((name) => name === "ChannelSettled")).to.have.length(2);
    });

    it("claim credit", async () => {
      const terms = await open("frozen");
      await world.token.contract.setFrozen(payee.address, true);
      await payee.settleChannel({ contract, claim: await claimOf(terms, 8n) });
      const owed = { contract, token, account: payee.address };
      expect(await payer.getCredit(owed)).to.equal(8n);
      await world.token.contract.setFrozen(payee.address, false);
      await payer.claimCredit({ contract, token, creditor: payee.address });
      expect(await payer.getCredit(owed)).to.equal(0n);
    });

    /** A contract beside the world's, which the token exempts from its limits. */
    async function deploy(name: string): Promise<Address> {
      const address = (await (await world.ethers.deployContract(name)).getAddress()) as Address;
      await world.token.contract.setExempt(address, true);
      return address;
    }

    async function lockBy(preimage: Hex) {
      const lock = hashlock({ condition: await deploy("HashlockCondition"), sha256Hash: hashPreimage(preimage) });
      return { lock, evidence: lock.encodeEvidence({ preimage }) };
    }

    const inAnHour = async () => BigInt(await world.networkHelpers.time.latest()) + 3600n;
    const taskOf = (text: string, end: bigint, condition: { address: Address; parametersHash: Hex }): Task => ({
      client: payer.address,
      provider: payee.address,
      token,
      amount: 100n,
      condition: condition.address,
      parametersHash: condition.parametersHash,
      deadline: end,
      salt: salt(text),
    });

    it("fund, release, claim, refund and find tasks", async () => {
      const escrow = await deploy("TaskEscrow");
      const { lock, evidence } = await lockBy(salt("preimage"));
      const end = await inAnHour();
      const [first, second, third] = ["a", "b", "c"].map((text) => taskOf(text, end, lock)) as [Task, Task, Task];
      await payer.approveToken({ token, spender: escrow, amount: 300n });
      await payer.fundTask({ contract: escrow, task: first });
      await payer.fundTasks({ contract: escrow, tasks: [second, third] });
      const agreed = { provider: payer.address, amount: 100n };
      const work = { contract: escrow, task: first, parameters: lock.parameters, workTime: 60n };
      expect(await payee.checkTask({ ...work, agreed })).to.deep.equal([
        { code: "term-mismatch", field: "provider", given: payee.address, expected: payer.address },
      ]);
      await payer.releaseTask({ contract: escrow, task: first, cumulativeAmount: 40n });
      const early = await rejection(payer.refundTask({ contract: escrow, task: first }));
      expect(early).to.include({ name: "ContractRefusedError", errorName: "NotProvider" });
      expect(early.args).to.deep.equal([payer.address, payee.address, end]);
      await payee.refundTask({ contract: escrow, task: first });
      await payee.claimTask({ contract: escrow, task: second, parameters: lock.parameters, evidence });
      const taskId = computeTaskId({ task: first, contract: escrow, chainId });
      const state = { funded: 100n, released: 40n, closed: true };
      expect(await payer.getTask({ contract: escrow, taskId })).to.deep.equal(state);
      const range = { contract: escrow, fromBlock: 0n, toBlock: BigInt(await world.ethers.provider.getBlockNumber()) };
      const found = await payee.findTasks({ ...range, provider: payee.address });
      expect(found.map(({ task }) => task)).to.deep.equal([first, second, third]);
      expect(found.map((one) => one.state.released)).to.deep.equal([40n, 100n, 0n]);
      const names: string[] = [];
      for await (const { eventName } of payer.taskEvents(range)) names.push(eventName);
      expect(names.filter((name) => name !== "TaskFunded")).to.deep.equal([
        "TaskReleased",
        "TaskRefunded",
        "TaskReleased",
      ]);
    });

    it("fund, release and refund a task by authorization", async () => {
      const escrow = await deploy("TaskEscrow");
      const task = taskOf("relayed", await inAnHour(), (await lockBy(salt("preimage"))).lock);
      const location = { contract: escrow, chainId, taskId: computeTaskId({ task, contract: escrow, chainId }) };
      const domain = await payer.getTokenDomain({ token, chainId });
      const authorization = { validAfter: 0n, validBefore: deadline };
      const transfer = { from: payer.address, to: escrow, value: 100n, nonce: location.taskId, ...authorization };
      await payee.fundTaskWithAuthorization({
        contract: escrow,
        task,
        authorization,
        signature: await signReceiveWithAuthorization({ account: payer.signing, domain, ...transfer }),
      });
      const release = { cumulativeAmount: 30n, deadline };
      await payee.releaseTaskWithAuthorization({
        contract: escrow,
        task,
        ...release,
        signature: await signRelease({ account: payer.signing, ...location, ...release }),
      });
      await payer.refundTaskWithAuthorization({
        contract: escrow,
        task,
        deadline,
        signature: await signRefund({ account: payee.signing, ...location, deadline }),
      });
      expect(await payer.getTask(location)).to.deep.equal({ funded: 100n, released: 30n, closed: true });
    });

    it("submit, object and decide", async () => {
      const end = (await inAnHour()) + 86_400n;
      const agreed = review({
        condition: await deploy("ReviewCondition"),
        provider: payee.address,
        reviewer: payer.address,
        arbiter: world.seller.address,
        reviewPeriod: 60n,
        arbitrationPeriod: 60n,
        deadline: end,
        silentArbiterPays: false,
      });
      const { address: condition, parameters, parametersHash } = agreed;
      const work = { condition, paymentId: salt("a task"), parameters };
      await payee.submitWork({ ...work, deliverableHash: salt("work") });
      await payer.objectToWork({ ...work, reasonHash: salt("why") });
      const refused = await rejection(payer.arbitrateWork({ ...work, amount: 1n }));
      expect([refused.errorName, refused.args]).to.deep.equal(["NotArbiter", [payer.address, world.seller.address]]);
      const { submittedAt, objectedAt, arbitrated } = await payer.getReview({ ...work, parametersHash });
      expect([submittedAt > 0, objectedAt > 0, arbitrated]).to.deep.equal([true, true, false]);
    });

    it("settle and close by a conditional statement, and leave out what takes too much gas", async () => {
      const terms = await open("conditional");
      const { lock, evidence } = await lockBy(salt("preimage"));
      const { address: condition, parameters } = lock;
      // Takes 800,000 gas by memory and says that 1 is due.
      const costly = `0x${"c0".repeat(20)}` as const;
      await world.networkHelpers.setCode(costly, "0x620983a05150600160005260206000f3");
      const payments = [condition, costly].map((address, i) => ({
        ref: `0x${`${i}`.padStart(64, "0")}` as Hex,
        condition: address,
        parameters,
        parametersHash: lock.parametersHash,
        amount: 10n,
      }));
      const proofs = payments.map(({ ref }) => ({ ref, evidence }));
      const stated = { ...at(terms), cumulativeAmount: 5n, payments };
      const signature = await signConditionalVoucher({ account: payer.signing, ...stated });
      const claim = { contract, terms, statement: { cumulativeAmount: 5n, payments, signature }, evidence: proofs };
      const plan = await payer.planConditionalClaim({ ...claim, conditionGas: 400_000n });
      expect([plan.amount, plan.left]).to.deep.equal([15n, [{ ref: payments[1]!.ref, reason: "too-much-gas" }]]);
      expect(await payee.settleChannelConditionally({ ...claim, amount: 7n })).to.include({ amount: 7n });
      const { amount, proven } = await payee.closeChannelConditionally(claim);
      expect([amount, proven.length]).to.deep.equal([16n, 2]);
      expect(await payer.getChannel(at(terms))).to.include({ settled: 16n, finalized: true });
    });

    it("tell a refusal by the contract's and the token's own errors, and send nothing", async () => {
      const terms = await open("refused");
      const before = await world.ethers.provider.getTransactionCount(payee.address);
      const tooMuch = await rejection(payee.settleChannel({ contract, claim: await claimOf(terms, 1001n) }));
      expect(tooMuch).to.include({ name: "ContractRefusedError", errorName: "AmountExceedsDeposit" });
      expect(tooMuch.args).to.deep.equal([1001n, 1000n]);
      const ofToken = await rejection(payee.openChannel({ contract, terms: termsOf("no allowance"), deposit: 1n }));
      expect(ofToken).to.include({ errorName: "ERC20InsufficientAllowance" });
      expect(await world.ethers.provider.getTransactionCount(payee.address)).to.equal(before);
    });

    it("tell an account that cannot pay the gas", async () => {
      await world.networkHelpers.setBalance(payer.address, 0n);
      const error = await rejection(payer.approveToken({ token, spender: contract, amount: 1n }));
      expect(error).to.include({ name: "NoGasError" });
      expect(error.message).to.include(payer.address);
    });

    it("F105: keep nonces in order through parallel sends, some of which are refused", async () => {
      await payer.approveToken({ token, spender: contract, amount: 1000n });
      const before = await world.ethers.provider.getTransactionCount(payer.address);
      const results = await Promise.allSettled(
        Array.from({ length: 12 }, (_, i) =>
          payer.openChannel({ contract, terms: termsOf(`${i}`), deposit: i % 4 === 3 ? 0n : 1n }),
        ),
      );
      const sent = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
      expect(sent).to.have.lengthOf(9);
      for (const hash of sent) await payer.confirmTransaction({ hash });
      expect(await world.ethers.provider.getTransactionCount(payer.address)).to.equal(before + 9);
    });
  });
}

describe("a client of an ethers provider", () => {
  it("reads, and has no account to send from", async () => {
    const world = await createWorld();
    const wallet = newWallet(world);
    const client = (await clientFromEthers(wallet.provider!)).extend(subfenActions());
    const account = world.payer.address;
    expect(await client.getTokenBalance({ token: world.token.address, account })).to.equal(
      await world.balanceOf(account),
    );
    const approval = { token: world.token.address, spender: world.channels.address, amount: 1n };
    expect(await rejection(client.approveToken(approval))).to.include({ code: "missing-account" });
  });
});
