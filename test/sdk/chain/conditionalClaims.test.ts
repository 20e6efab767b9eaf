import { expect } from "chai";
import { type Address, createPublicClient, custom, type Hex, keccak256, zeroAddress } from "viem";

import {
  computeChannelId,
  EvidenceForfeitedError,
  InvalidFieldError,
  planConditionalClaim,
  type PaymentEvidence,
  signConditionalVoucher,
  type SignedConditionalVoucher,
  type StatedPayment,
  type Terms,
  toConditionalClaim,
} from "../../../sdk/src/index.ts";
import { rejection } from "../client/helpers.ts";
import { bytes32, chainId, createStage, preimage, type Stage } from "./helpers.ts";

const pay = (amount: number) => `60${amount.toString(16).padStart(2, "0")}60005260206000f3`;
/** Takes about this much gas, by memory, which costs no time, and then says that 1 is due. */
const after = (gas: number) => {
  const words = Math.round(16 * (Math.sqrt(2304 + 2 * gas) - 48));
  return `62${(words * 32).toString(16).padStart(6, "0")}5150${pay(1)}`;
};

/** Conditions by their code: what they do, and why they are left out. */
const hostile: Record<string, { code: string; reason: string }> = {
  "an invalid instruction": { code: "fe", reason: "too-much-gas" },
  "gas above the limit": { code: after(1_300_000), reason: "too-much-gas" },
  "a revert": { code: "60006000fd", reason: "reverted" },
  "a revert that looks like an answer": { code: `600560005260206000fd`, reason: "reverted" },
  "31 bytes": { code: `6005600052601f6000f3`, reason: "no-answer" },
  "no bytes": { code: "00", reason: "no-answer" },
  "a zero": { code: pay(0), reason: "nothing-due" },
};

describe("conditional claims", () => {
  let stage: Stage;
  let contract: Address;
  let terms: Terms;
  let channelId: Hex;
  const deposit = 10_000n;
  const ref = (index: number): Hex => `0x${(index + 1).toString(16).padStart(64, "0")}`;
  const addressOf = (index: number): Address => `0x${(0xc0de00 + index).toString(16).padStart(40, "0")}`;
  const stateOf = () => stage.sellerSdk.getChannel({ contract, channelId });

  beforeEach(async () => {
    stage = await createStage();
    contract = stage.channels.address;
    const { payer, seller, token, payerSdk } = stage;
    terms = {
      payer: payer.address,
      payee: seller.address,
      token: token.address,
      salt: bytes32("a channel"),
      authorizedSigner: zeroAddress,
    };
    channelId = computeChannelId({ terms, contract, chainId });
    await payerSdk.approveToken({ token: token.address, spender: contract, amount: deposit });
    await payerSdk.openChannel({ contract, terms, deposit });
  });

  /** A payment under a condition of this code, which takes any parameters; without code, under the hashlock. */
  async function payment(index: number, code?: string, amount = 100n): Promise<StatedPayment> {
    const { lock, networkHelpers } = stage;
    if (code === undefined) {
      const { address: condition, parameters, parametersHash } = lock;
      return { ref: ref(index), condition, parameters, parametersHash, amount };
    }
    const condition = addressOf(index);
    await networkHelpers.setCode(condition, `0x${code}`);
    return { ref: ref(index), condition, parameters: "0x", parametersHash: keccak256("0x"), amount };
  }

  async function sign(
    payments: readonly StatedPayment[],
    cumulativeAmount = 500n,
  ): Promise<Omit<SignedConditionalVoucher, "payments"> & { payments: readonly StatedPayment[] }> {
    const { payer: account } = stage;
    const at = { contract, chainId, channelId };
    return {
      cumulativeAmount,
      payments,
      signature: await signConditionalVoucher({ account, ...at, cumulativeAmount, payments }),
    };
  }

  const proofOf = ({ ref: given, parameters }: StatedPayment): PaymentEvidence => ({
    ref: given,
    parameters,
    evidence: stage.lock.encodeEvidence({ preimage }),
  });

  it("prove what pays and leave every hostile condition, each for its reason", async () => {
    const { sellerSdk, balanceOf, seller } = stage;
    const kinds = Object.entries(hostile);
    const bad = await Promise.all(kinds.map(([, { code }], i) => payment(i, code)));
    const noCode = { ...(await payment(kinds.length)), condition: stage.third.address };
    const precompile = { ...(await payment(kinds.length + 1)), condition: `0x${"0".repeat(39)}2` as Address };
    const costly = await payment(kinds.length + 2, after(800_000));
    const greedy = await payment(kinds.length + 3, pay(255));
    const good = await payment(kinds.length + 4);
    const payments = [...bad, noCode, precompile, costly, greedy, good];
    const statement = await sign(payments);
    const evidence = payments.toReversed().map(proofOf);

    const claim = { contract, terms, statement, evidence, conditionGas: 1_000_000n };
    const { hash, amount, proven, left } = await sellerSdk.settleChannelConditionally(claim);
    await sellerSdk.confirmTransaction({ hash });
    expect(amount).to.equal(500n + 1n + 100n + 100n);
    expect(await stateOf()).to.include({ settled: amount, finalized: false });
    expect(await balanceOf(seller.address)).to.equal(amount);
    expect(proven).to.deep.equal([
      { ref: good.ref, due: 100n },
      { ref: greedy.ref, due: 100n },
      { ref: costly.ref, due: 1n },
    ]);
    const expected = [
      ...kinds.map(([, { reason }], i) => ({ ref: ref(i), reason })),
      { ref: noCode.ref, reason: "no-code" },
      { ref: precompile.ref, reason: "no-code" },
    ];
    expect(left).to.deep.equal(expected.toReversed());
  });

  it("leave a condition out that needs more than the gas it is given, and only then", async () => {
    const { sellerSdk } = stage;
    const statement = await sign([await payment(0, after(800_000))]);
    const claim = { contract, terms, statement, evidence: statement.payments.map(proofOf) };
    const little = await sellerSdk.planConditionalClaim({ ...claim, conditionGas: 300_000n });
    expect(little.left).to.deep.equal([{ ref: ref(0), reason: "too-much-gas" }]);
    expect([little.amount, little.proven]).to.deep.equal([500n, []]);
    const enough = await sellerSdk.planConditionalClaim({ ...claim, conditionGas: 1_200_000n });
    expect([enough.amount, enough.left]).to.deep.equal([501n, []]);
    for (const conditionGas of [199_999n, 0n, 300_000 as never]) {
      const error = await rejection(sellerSdk.planConditionalClaim({ ...claim, conditionGas }));
      expect(error).to.be.instanceOf(InvalidFieldError).that.includes({ field: "conditionGas" });
    }
    const burning = await sign([await payment(0, "fe")]);
    const least = await sellerSdk.planConditionalClaim({ ...claim, statement: burning, conditionGas: 200_000n });
    expect(least.left).to.deep.equal([{ ref: ref(0), reason: "too-much-gas" }]);
  });

  it("leave a condition out that pays alone and burns everything in the claim", async () => {
    const { sellerSdk } = stage;
    // Pays 1 where there is at most 1,300,000 gas, and otherwise burns it.
    const shy = await payment(0, `5a6213d62010601357${pay(1)}5bfe`);
    const payments = [shy, await payment(1), await payment(2)];
    const statement = await sign(payments);
    const claim = { contract, terms, statement, evidence: payments.map(proofOf), conditionGas: 1_000_000n };
    const { amount, proven, left } = await sellerSdk.settleChannelConditionally(claim);
    expect([amount, proven.length]).to.deep.equal([700n, 2]);
    expect(left).to.deep.equal([{ ref: shy.ref, reason: "not-in-claim" }]);
    expect(await stateOf()).to.include({ settled: 700n });
  });

  it("do not close while evidence would be given up, unless the amount is named", async () => {
    const { sellerSdk } = stage;
    const payments = [await payment(0, "fe"), await payment(1)];
    const statement = await sign(payments);
    const claim = { contract, terms, statement, evidence: payments.map(proofOf) };
    const error = await rejection(sellerSdk.closeChannelConditionally(claim));
    expect(error)
      .to.be.instanceOf(EvidenceForfeitedError)
      .that.includes({ ref: ref(0), reason: "too-much-gas" });
    expect(await stateOf()).to.include({ settled: 0n, finalized: false });
    await sellerSdk.closeChannelConditionally({ ...claim, amount: 600n });
    expect(await stateOf()).to.include({ settled: 600n, finalized: true });
  });

  it("close with what is proven, at most with the deposit, and forfeit the rest", async () => {
    const { sellerSdk, payer, balanceOf } = stage;
    const before = await balanceOf(payer.address);
    const payments = [await payment(0), await payment(1, undefined, 9_999n)];
    const statement = await sign(payments);
    const evidence = payments.map(proofOf);
    const partial = await sellerSdk.planConditionalClaim({ contract, terms, statement, evidence: [evidence[0]!] });
    expect([partial.entitlement, partial.amount]).to.deep.equal([600n, 600n]);
    const all = { contract, terms, statement, evidence };
    const stranger = await rejection(stage.thirdSdk.closeChannelConditionally(all));
    expect([stranger.errorName, stranger.args]).to.deep.equal(["NotPayee", [stage.third.address, terms.payee]]);
    const { amount } = await sellerSdk.closeChannelConditionally(all);
    expect(amount).to.equal(deposit);
    expect(await stateOf()).to.include({ settled: deposit, finalized: true });
    expect(await balanceOf(payer.address)).to.equal(before);
    expect(await rejection(sellerSdk.settleChannelConditionally(all))).to.include({ errorName: "ChannelFinalized" });
  });

  it("take the amount that is named, and have the contract refuse what is not owed", async () => {
    const { sellerSdk } = stage;
    const statement = await sign([await payment(0)]);
    const claim = { contract, terms, statement, evidence: statement.payments.map(proofOf) };
    const tooMuch = await rejection(sellerSdk.settleChannelConditionally({ ...claim, amount: 601n }));
    expect([tooMuch.errorName, tooMuch.args]).to.deep.equal(["AmountExceedsEntitlement", [601n, 600n]]);
    await sellerSdk.settleChannelConditionally({ ...claim, amount: 550n });
    expect(await stateOf()).to.include({ settled: 550n });
    await sellerSdk.closeChannelConditionally({ ...claim, amount: 550n });
    expect(await stateOf()).to.include({ settled: 550n, finalized: true });
  });

  it("say with all numbers when nothing would be gained, and send nothing", async () => {
    const { sellerSdk, seller } = stage;
    const statement = await sign([await payment(0), await payment(1, "fe")]);
    const [good, bad] = statement.payments.map(proofOf);
    const claim = { contract, terms, statement, evidence: [good!] };
    await sellerSdk.settleChannelConditionally(claim);
    const before = await sellerSdk.getTransactionCount({ address: seller.address });
    for (const evidence of [[good!, bad!], [bad!], []])
      for (const send of [sellerSdk.settleChannelConditionally, sellerSdk.closeChannelConditionally]) {
        const error = await rejection(send({ ...claim, evidence }));
        const entitlement = evidence.includes(good!) ? 600n : 500n;
        expect(error).to.include({ code: "nothing-to-gain", entitlement, deposit, settled: 600n });
        const left = evidence.includes(bad!) ? [{ ref: ref(1), reason: "too-much-gas" }] : [];
        expect(error).to.have.deep.property("left", left);
      }
    expect(await sellerSdk.getTransactionCount({ address: seller.address })).to.equal(before);
  });

  it("keep the best of several pieces of evidence, and leave what is about something else", async () => {
    const { lock, sellerSdk } = stage;
    const statement = await sign([await payment(0), await payment(1)]);
    const [first, second] = statement.payments.map(proofOf);
    const wrong = { ...first!, evidence: lock.encodeEvidence({ preimage: bytes32("another") }) };
    const evidence: PaymentEvidence[] = [
      wrong,
      first!,
      { ...first!, ref: first!.ref.toUpperCase().replace("0X", "0x") as Hex },
      { ...first!, ref: ref(9) },
      { ...second!, parameters: "0x" },
      // The statement has the parameters.
      { ref: second!.ref, evidence: second!.evidence },
    ];
    const plan = await sellerSdk.planConditionalClaim({ contract, terms, statement, evidence });
    expect(plan.proven.map((one) => one.ref)).to.deep.equal([ref(0), ref(1)]);
    expect(plan.left.map(({ reason }) => reason)).to.deep.equal([
      "nothing-due",
      "proves-no-more",
      "not-in-statement",
      "parameters-mismatch",
    ]);
    const withoutParameters = ({ ref: given, condition, parametersHash, amount }: StatedPayment) => ({
      ref: given,
      condition,
      parametersHash,
      amount,
    });
    const hashed = { ...statement, payments: statement.payments.map(withoutParameters) };
    const unknown = await sellerSdk.planConditionalClaim({
      contract,
      terms,
      statement: hashed,
      evidence: [evidence[5]!],
    });
    expect(unknown.left).to.deep.equal([{ ref: ref(1), reason: "parameters-missing" }]);
  });

  it("refuse a statement that the payer did not sign before any condition is asked", async () => {
    const statement = { ...(await sign([await payment(0)])), cumulativeAmount: 501n };
    const claim = { contract, terms, statement, evidence: statement.payments.map(proofOf) };
    const error = await rejection(stage.sellerSdk.planConditionalClaim(claim));
    expect([error.errorName, error.args]).to.deep.equal(["InvalidSignature", [terms.payer]]);
  });

  it("are planned for a payee without gas, which then cannot send them", async () => {
    await stage.networkHelpers.setBalance(terms.payee, 0n);
    const statement = await sign([await payment(0)]);
    const claim = { contract, terms, statement, evidence: statement.payments.map(proofOf) };
    expect((await stage.thirdSdk.planConditionalClaim(claim)).amount).to.equal(600n);
    expect(await rejection(stage.sellerSdk.settleChannelConditionally(claim))).to.include({ code: "no-gas" });
    const stranger = await rejection(stage.thirdSdk.settleChannelConditionally(claim));
    expect([stranger.errorName, stranger.args]).to.deep.equal(["NotPayee", [stage.third.address, terms.payee]]);
  });

  it("give no evidence up for a node that fails", async () => {
    const statement = await sign([await payment(0), await payment(1)]);
    const evidence = statement.payments.map(proofOf);
    for (const failure of ["connection reset", "rate limit exceeded"]) {
      let calls = 0;
      const request = async (call: { method: string }) => {
        if (call.method === "eth_call" && ++calls === 4) throw Object.assign(new Error(failure), { code: -32005 });
        return stage.sellerClient.request(call as never);
      };
      const failing = createPublicClient({ transport: custom({ request: request as never }, { retryCount: 0 }) });
      const error = await rejection(planConditionalClaim(failing, { contract, terms, statement, evidence }));
      expect(error.message).to.include(failure);
    }
  });

  describe("toConditionalClaim", () => {
    it("writes proven payments ascending, and refuses what the contract would", async () => {
      const statement = await sign([await payment(0), await payment(1)]);
      const [first, second] = statement.payments.map(proofOf);
      const make = (evidence: PaymentEvidence[], payments: readonly StatedPayment[] = statement.payments) =>
        toConditionalClaim({ terms, statement: { ...statement, payments }, evidence, amount: 1n });
      const claim = make([second!, first!]);
      expect(claim.proven.map(({ index, ref: given }) => [index, given])).to.deep.equal([
        [0, ref(0)],
        [1, ref(1)],
      ]);
      expect(claim.paymentHashes).to.have.length(2);
      const refused: [() => unknown, object][] = [
        [() => make([first!, first!]), { code: "evidence-mismatch", reason: "given-twice", ref: ref(0) }],
        [() => make([{ ...first!, ref: ref(5) }]), { reason: "not-in-statement", ref: ref(5) }],
        [() => make([{ ...first!, parameters: "0x" }]), { reason: "parameters-mismatch", ref: ref(0) }],
        [() => make([], statement.payments.toReversed()), { code: "payments-not-ascending", index: 1 }],
        [() => make([], [{ ...statement.payments[0]!, amount: -1n }]), { code: "invalid-field" }],
      ];
      for (const [call, expected] of refused) expect(call).to.throw().that.includes(expected);
    });
  });
});
