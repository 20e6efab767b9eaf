import { expect } from "chai";
import { type Hex, keccak256, stringToHex } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";

import { attestation, computePaymentId, getChannel, hashlock, hashPreimage, signVerdict } from "../../sdk/src/index.ts";
import { createGateway, pricePerRequest } from "../../sdk/src/server/index.ts";
import { parseChallenges, parseSessionRequest, type WirePayment } from "../../sdk/src/wire/index.ts";
import { type Conditions, conditionalVoucher, createConditionalWorld, deposit, nextRef } from "./conditionalStall.ts";
import type { World } from "./helpers.ts";
import { type Channel, openStall, price, type Reply, type Stall } from "./stall.ts";

const judge = privateKeyToAccount(generatePrivateKey());
const stranger = privateKeyToAccount(generatePrivateKey());
const specHash = keccak256(stringToHex("a spec"));
const deliverableHash = keccak256(stringToHex("a deliverable"));
const judgeBy = 4_000_000_000n;
const amount = 2n * price;
const creditLimit = 3n * amount;

describe("conditional payments", () => {
  let world: World;
  let conditions: Conditions;
  let stall: Stall;
  let channel: Channel;
  before(async () => {
    ({ world, conditions } = await createConditionalWorld());
  });
  beforeEach(async () => {
    stall = await openStall(world, {
      offer: { price: pricePerRequest(price), conditional: true },
      gateway: { conditional: { contracts: conditions, evaluators: [judge.address], creditLimit } },
    });
    channel = await stall.open({ deposit });
  });
  afterEach(() => stall.close());

  /** A task: a payment that an evaluator decides about, and its verdict. */
  function task(options: { ref?: Hex; amount?: bigint; evaluator?: typeof judge; channel?: Channel } = {}) {
    const { ref = nextRef(), amount: most = amount, evaluator = judge } = options;
    const { channelId } = options.channel ?? channel;
    const condition = attestation({
      condition: conditions.attestation,
      chainId: world.chainId,
      evaluators: [evaluator.address],
      threshold: 1,
      specHash,
      judgeBy,
    });
    const payment: WirePayment = { ref, condition: condition.address, parameters: condition.parameters, amount: most };
    return {
      ref,
      payment,
      async verdict(due: bigint, judgedBy = evaluator): Promise<Hex> {
        const paymentId = computePaymentId({ channelId, ref });
        const verdict = { paymentId, specHash, deliverableHash, amount: due, issuedAt: 1_800_000_000n };
        const { chainId } = world;
        const signature = await signVerdict({
          ...verdict,
          condition: conditions.attestation,
          chainId,
          account: judgedBy,
        });
        const attestations = [{ evaluator: 0, amount: due, issuedAt: verdict.issuedAt, signature }];
        return condition.encodeEvidence({ deliverableHash, attestations });
      },
    };
  }
  const order = async (total: bigint, payments: readonly WirePayment[], ref?: Hex, call: { body?: string } = {}) =>
    stall.pay(await conditionalVoucher(stall, channel, total, payments, ref === undefined ? {} : { ref }), call);
  const expectProblem = (reply: Reply, status: number, code: string): void => {
    expect(reply.problem?.code, reply.text).to.equal(code);
    expect(reply.status).to.equal(status);
  };
  const story = async () => {
    const all = [];
    for await (const { status, ref, captured } of stall.gateway.ledger.holds(channel.channelId)) {
      all.push([status, ref, captured]);
    }
    return all;
  };
  const prove = (ref: Hex, evidence: Hex) => stall.gateway.prove({ channelId: channel.channelId, ref, evidence });

  it("are offered where the offer allows them, with conditions, evaluators and credit", async () => {
    const [challenge] = parseChallenges((await stall.ask()).headers.get("www-authenticate"));
    expect(parseSessionRequest(challenge!.request).conditional).to.deep.equal({
      conditions: {
        hashlock: conditions.hashlock.toLowerCase(),
        attestation: conditions.attestation.toLowerCase(),
      },
      evaluators: [judge.address.toLowerCase()],
      creditLimit,
    });
  });

  it("are not made from contracts whose code is not known", async () => {
    const contracts = { attestation: world.token.address };
    const gateway = createGateway({
      client: world.sellerClient,
      contract: stall.contract,
      token: world.token.address,
      realm: "test",
      secret: "0123456789abcdef",
      ledger: stall.gateway.ledger,
      conditional: { contracts, creditLimit },
    });
    const error: unknown = await gateway.catch((cause: unknown) => cause);
    expect(error).to.include({ code: "unknown-contract" });
  });

  it("buy work before it is known whether it is owed; the verdict charges it", async () => {
    const { ref, payment, verdict } = task();
    const reply = await order(1n, [payment], ref);
    expect([reply.status, reply.text]).to.deep.equal([200, "did x"]);
    expect(reply.receipt).to.include({ spent: 0n, amount: 0n, isPending: true });
    expect(await story()).to.deep.equal([["delivered", ref, 0n]]);
    expect(await prove(ref, await verdict(price))).to.deep.include({ kind: "proven", due: price });
    expect(await story()).to.deep.equal([["captured", ref, price]]);
    expect(await stall.record(channel)).to.include({ spent: price, held: 0n });
    const fold = await stall.buy(channel, price + 1n, { method: "HEAD" });
    expect(fold.status).to.equal(204);
    expect(await stall.record(channel)).to.deep.include({ accepted: price + 1n, spent: price, payments: [], lost: 0n });
  });

  it("cost nothing when the task failed, and the ledger shows it", async () => {
    const { ref, payment, verdict } = task();
    await order(1n, [payment], ref);
    expect(await prove(ref, await verdict(0n))).to.include({ kind: "proven", due: 0n });
    expect(await stall.gateway.concede({ channelId: channel.channelId, ref })).to.include({ kind: "proven", due: 0n });
    expect((await stall.buy(channel, 2n, { method: "HEAD" })).status).to.equal(204);
    expect(await story()).to.deep.equal([["released", ref, 0n]]);
    expect(await stall.record(channel)).to.include({ spent: 0n, held: 0n, accepted: 2n, lost: 0n });
  });

  it("F057: buy one request: the same again gets its answer, another one nothing", async () => {
    const { ref, payment } = task();
    const voucher = await conditionalVoucher(stall, channel, 1n, [payment], { ref });
    const first = await stall.pay(voucher);
    const again = await stall.pay(voucher);
    expect([again.status, again.text]).to.deep.equal([200, first.text]);
    expectProblem(await stall.pay(voucher, { body: "y" }), 409, "statement-used");
    // Whoever saw it on its way cannot pay another request from the total with it.
    const { ref: _ref, ...plain } = voucher;
    expectProblem(await stall.pay(plain, { body: "y" }), 409, "statement-used");
    expectProblem(await order(2n, [payment], ref, { body: "y" }), 409, "payment-used");
    expect(stall.worked).to.have.lengthOf(1);
  });

  it("F085: may be used again for the same request when the seller failed", async () => {
    const { ref, payment } = task();
    stall.work = () => new Response("no", { status: 500 });
    expect((await order(1n, [payment], ref)).status).to.equal(500);
    stall.work = () => new Response("yes");
    expect((await order(1n, [payment], ref)).text).to.equal("yes");
    expect(await story()).to.deep.equal([["delivered", ref, 0n]]);
  });

  it("run side by side up to the credit, swapped as they come", async () => {
    const [one, two, three, four] = [task(), task(), task(), task()];
    const second = await order(2n, [one.payment, two.payment], two.ref, { body: "2" });
    const first = await order(1n, [one.payment], one.ref, { body: "1" });
    expect([first.text, second.text]).to.deep.equal(["did 1", "did 2"]);
    const both = [one.payment, two.payment];
    expect((await order(3n, [...both, three.payment], three.ref, { body: "3" })).status).to.equal(200);
    const beyond = await order(4n, [...both, three.payment, four.payment], four.ref, { body: "4" });
    expectProblem(beyond, 402, "credit-exceeded");
    expect(beyond.problem?.members).to.include({ unproven: String(4n * amount), creditLimit: String(creditLimit) });
    await prove(one.ref, await one.verdict(amount));
    const folded = await order(amount + 5n, [two.payment, three.payment, four.payment], four.ref, { body: "4" });
    expect(folded.status).to.equal(200);
  });

  it("take the verdict from the payer too, and durably before it is folded", async () => {
    const { ref, payment, verdict } = task();
    await order(1n, [payment], ref);
    const evidence = [{ ref, evidence: await verdict(amount) }];
    const voucher = await conditionalVoucher(stall, channel, 2n, [payment], { evidence });
    expect((await stall.pay(voucher, { method: "HEAD" })).status).to.equal(204);
    expect(await stall.record(channel)).to.include({ spent: amount });
    // Folding it at less than it was proven for is refused, now that the evidence is at hand.
    expectProblem(await stall.buy(channel, amount), 402, "fold-too-low");
    expect((await stall.buy(channel, amount + 2n, { method: "HEAD" })).status).to.equal(204);
    expect(await prove(ref, await verdict(amount))).to.have.nested.property("reason.code", "payment-dropped");
  });

  it("are proven by nothing that is not the evaluator's word on this payment", async () => {
    const [one, two] = [task(), task()];
    await order(1n, [one.payment, two.payment], one.ref);
    const other = await stall.open({ deposit });
    const foreign = task({ ref: one.ref, channel: other });
    for (const evidence of [
      await one.verdict(amount, stranger),
      await two.verdict(amount),
      await foreign.verdict(amount),
    ]) {
      expect(await prove(one.ref, evidence)).to.include({ kind: "proven", due: 0n });
      const voucher = await conditionalVoucher(stall, channel, 2n, [one.payment, two.payment], {
        evidence: [{ ref: one.ref, evidence }],
      });
      expectProblem(await stall.pay(voucher), 402, "evidence-invalid");
    }
    expect(await stall.record(channel)).to.include({ spent: 0n });
    expect(await prove(nextRef(), "0x")).to.have.nested.property("reason.code", "payment-unknown");
  });

  it("are not charged while the work runs: a seller that fails must not have charged for it", async () => {
    const { ref, payment, verdict } = task();
    const { started, finish } = stall.pauseWork("slow");
    const slow = order(1n, [payment], ref);
    await started;
    expect(await prove(ref, await verdict(amount))).to.have.nested.property("reason.code", "request-in-progress");
    finish();
    await slow;
    expect(await prove(ref, await verdict(amount))).to.include({ kind: "proven" });
  });

  describe("statements that break a rule", () => {
    it("are refused with the rule's name and numbers, and change nothing", async () => {
      const { payment } = task();
      const [, wrongEvaluator, unknown, empty] = [
        task(),
        task({ evaluator: stranger }),
        { payment: { ...payment, ref: nextRef(), condition: world.token.address } },
        task({ amount: 0n }),
      ];
      const large = task({ amount: deposit });
      for (const [payments, status, code] of [
        [[wrongEvaluator.payment], 402, "condition-not-allowed"],
        [[unknown.payment], 402, "condition-unknown"],
        [[empty.payment], 400, "amount-zero"],
        [[{ ...payment, parameters: `${payment.parameters}00` as Hex }], 400, "parameters-malformed"],
        [[large.payment], 402, "exceeds-deposit"],
      ] as const) {
        expectProblem(await order(1n, payments), status, code);
      }
      expect(await stall.record(channel)).to.deep.include({ accepted: 0n, payments: [], isConditional: false });
    });

    it("carry a payment unchanged or drop it for good", async () => {
      const { ref, payment, verdict } = task();
      await order(price, [payment]);
      expectProblem(await order(price + 1n, [{ ...payment, amount: amount - 1n }]), 409, "payment-changed");
      await prove(ref, await verdict(amount));
      const low = await order(price + amount - 1n, []);
      expectProblem(low, 402, "fold-too-low");
      expect(low.problem?.members).to.deep.include({ required: String(price + amount) });
      expect((await order(price + amount, [])).status).to.equal(200);
      expectProblem(await order(price + amount + 1n, [payment]), 409, "ref-used");
    });

    it("are refused when somebody else signed them, or unsorted", async () => {
      const { payment, ref } = task();
      const forged = await conditionalVoucher(stall, channel, 1n, [payment], { ref, account: stranger });
      expectProblem(await stall.pay(forged), 402, "signer-mismatch");
      const signed = await conditionalVoucher(stall, channel, 1n, [payment], { ref });
      const more = { ...signed, payments: [{ ...payment, amount: amount + 1n }] };
      expectProblem(await stall.pay(more), 402, "signer-mismatch");
      expectProblem(await stall.pay({ ...signed, payments: [payment, payment] }), 400, "payments-not-ascending");
      const plain = { action: "voucher", channelId: channel.channelId, cumulativeAmount: 1n } as const;
      expectProblem(await stall.pay({ ...plain, signature: signed.signature, ref }), 400, "malformed-payload");
    });

    it("cannot be paid by a payment over too little, unknown, or proven before", async () => {
      const small = task({ amount: price - 1n });
      const short = await order(1n, [small.payment], small.ref);
      expectProblem(short, 402, "payment-too-small");
      expect(short.problem?.members).to.include({ amount: String(price) });
      expectProblem(await order(2n, [small.payment], nextRef()), 409, "payment-unknown");
      await prove(small.ref, await small.verdict(1n));
      expectProblem(await order(3n, [small.payment], small.ref), 409, "payment-proven");
    });
  });

  it("take no condition where the offer does not allow it, and pay from the total there", async () => {
    const strict = await openStall(world, {
      gateway: { conditional: { contracts: conditions, evaluators: [judge.address], creditLimit } },
    });
    const own = await strict.open({ deposit });
    const { payment } = task({ channel: own });
    expectProblem(
      await strict.pay(await conditionalVoucher(strict, own, price, [payment])),
      402,
      "condition-not-allowed",
    );
    expect((await strict.pay(await conditionalVoucher(strict, own, price, []))).status).to.equal(200);
    await strict.close();
  });

  describe("when the payer falls silent", () => {
    it("are claimed on the chain with the evidence at hand, beside plain channels", async () => {
      const plain = await stall.open({ deposit });
      await stall.buy(plain, price, { body: "plain" });
      const [done, open] = [task(), task()];
      await order(1n, [done.payment, open.payment], done.ref);
      await order(2n, [done.payment, open.payment], open.ref, { body: "y" });
      await prove(done.ref, await done.verdict(amount));
      const before = await world.balanceOf(world.seller.address);
      const { settled, failed } = await stall.gateway.settleAll();
      expect(failed).to.deep.equal([]);
      const amounts = new Map(settled.map(({ channelId, amount: paid }) => [channelId, paid]));
      expect([...amounts]).to.have.deep.members([
        [plain.channelId, price],
        [channel.channelId, amount],
      ]);
      expect((await world.balanceOf(world.seller.address)) - before).to.equal(price + amount);
      // What was open then is proven later, and is claimed then.
      await prove(open.ref, await open.verdict(price));
      expect((await stall.gateway.settleAll()).settled[0]).to.include({ amount: price });
    });

    it("are claimed by a hashlock's preimage as well, and captured only as far as was earned", async () => {
      const preimage = keccak256(stringToHex("a secret"));
      const lock = hashlock({ condition: conditions.hashlock, sha256Hash: hashPreimage(preimage) });
      const ref = nextRef();
      const idle = task();
      const payment = { ref, condition: lock.address, parameters: lock.parameters, amount };
      await order(1n, [payment, idle.payment], ref);
      await prove(ref, lock.encodeEvidence({ preimage }));
      // Proven, but no work was done for it.
      await prove(idle.ref, await idle.verdict(amount));
      const { settled, failed } = await stall.gateway.settleAll();
      expect(failed).to.deep.equal([]);
      expect(settled[0]).to.include({ amount });
      const onChain = await getChannel(world.sellerClient, { contract: stall.contract, channelId: channel.channelId });
      expect(onChain).to.include({ settled: amount });
    });

    it("are claimed when the payer closes with the statement that stands", async () => {
      const { ref, payment, verdict } = task();
      await order(1n, [payment], ref);
      await prove(ref, await verdict(amount));
      expectProblem(await stall.shut(channel, 2n), 402, "fold-too-low");
      const before = await world.balanceOf(world.seller.address);
      expect((await stall.shut(channel, amount + 2n)).status).to.equal(204);
      expect((await world.balanceOf(world.seller.address)) - before).to.equal(amount);
    });
  });
});
