// Random actors for the model test: honest and hostile calls, each told to the contract and to the model alike.
import { AbiCoder, type BaseWallet, type Interface, keccak256, Signature, TypedDataEncoder, ZeroAddress } from "ethers";

import type { ChannelModel, ModelClaim, ModelConditionalClaim, Terms } from "./channelModel.ts";
import { attempt, type Refusal } from "./moneyModel.ts";
import type { Condition, Payments } from "./payments.ts";
import type { Random } from "./random.ts";
import { type FieldTypes, isLowS, type Signing } from "./signing.ts";

/** A call and what the model says of it. */
export type Step = {
  name: string;
  to: string;
  from: string;
  data: string;
  expected: { refusal: Refusal } | { result: void | string[] };
  /** What the contract must say afterwards, word by word. */
  reads: readonly { data: string; expected: () => readonly bigint[] }[];
};

/** What all actors play on. */
export type Stage = {
  random: Random;
  chainId: bigint;
  tokens: readonly string[];
  /** An address without code, used as a token. */
  noToken: string;
  payers: readonly BaseWallet[];
  payees: readonly BaseWallet[];
  signers: readonly BaseWallet[];
  strangers: readonly BaseWallet[];
  everybody: readonly BaseWallet[];
  signing: Signing;
  payments: Payments;
  /** The time of the next block. */
  now: () => number;
  /** Whether something that ends or begins at this time does so about now; and that time should come to it. */
  isNear: (time: number) => boolean;
};

const coder = AbiCoder.defaultAbiCoder();
const voucherTypes = {
  Voucher: [
    { name: "channelId", type: "bytes32" },
    { name: "cumulativeAmount", type: "uint128" },
  ],
};
const amountFields = [
  { name: "channelId", type: "bytes32" },
  { name: "cumulativeAmount", type: "uint128" },
  { name: "nonce", type: "uint256" },
  { name: "deadline", type: "uint256" },
];
const amountTypes = {
  SettleAuthorization: { SettleAuthorization: amountFields },
  CloseAuthorization: { CloseAuthorization: amountFields },
};
const closeRequestTypes = {
  CloseRequest: [
    { name: "channelId", type: "bytes32" },
    { name: "deadline", type: "uint64" },
  ],
};
const paymentTypes = {
  ConditionalPayment: [
    { name: "ref", type: "bytes32" },
    { name: "condition", type: "address" },
    { name: "parametersHash", type: "bytes32" },
    { name: "amount", type: "uint128" },
  ],
};
const conditionalTypes = {
  ConditionalVoucher: [
    { name: "channelId", type: "bytes32" },
    { name: "cumulativeAmount", type: "uint128" },
    { name: "payments", type: "ConditionalPayment[]" },
  ],
  ...paymentTypes,
};
const paymentEncoder = TypedDataEncoder.from(paymentTypes);

type Payment = { ref: string; condition: Condition; amount: bigint; hash: string };

/** What somebody signed for a channel, rightly or not. */
type Statement = {
  cumulativeAmount: bigint;
  payments: readonly Payment[];
  signature: string;
  isSigned: boolean;
};

/** Makes the draws of steps of PaymentChannels. `known` gets every channel that was ever tried. */
export function createChannelActors(
  stage: Stage,
  subject: { model: ChannelModel; contract: Interface; address: string; known: Terms[] },
): (() => Step)[] {
  const { random, payers, payees, signers, strangers, everybody, tokens, signing } = stage;
  const { model, contract, address: contractAddress, known } = subject;
  const { walletOf, spoil, someDeadline } = signing;
  const domain = {
    name: "EVM Payment Channel",
    version: "1",
    chainId: stage.chainId,
    verifyingContract: contractAddress,
  };
  const getChannel = contract.getFunction("getChannel")?.selector ?? "";
  /** Statements live as long as their channels: old ones come back at any time. */
  const statements = new Map<string, Statement[]>();

  function newTerms(): Terms {
    return {
      payer: random.pick(payers).address,
      payee: random.chance(0.03) ? random.pick([ZeroAddress, contractAddress]) : random.pick(payees).address,
      token: random.chance(0.03) ? stage.noToken : random.pick(tokens),
      salt: random.bytes32(),
      authorizedSigner: random.chance(0.5) ? ZeroAddress : random.pick(signers).address,
    };
  }

  /** Mostly a channel that is open, else any that was ever tried, or one that never was. */
  function someTerms(): Terms {
    if (known.length === 0 || random.chance(0.03)) return newTerms();
    const open = known.slice(-40).filter((terms) => {
      const { deposit, finalized } = model.read(model.idOf(terms));
      return deposit > 0n && !finalized;
    });
    const ripe = open.filter((terms) => {
      const { closeRequestedAt } = model.read(model.idOf(terms));
      return closeRequestedAt !== 0 && stage.isNear(closeRequestedAt + model.gracePeriod);
    });
    if (ripe.length > 0 && random.chance(0.5)) return random.pick(ripe);
    return open.length > 0 && random.chance(0.85) ? random.pick(open.slice(-8)) : random.pick(known);
  }

  function amountFor(terms: Terms): bigint {
    const { deposit, settled } = model.read(model.idOf(terms));
    const some = BigInt(random.below(1000));
    return random.pick([
      settled,
      settled + 1n,
      settled + some,
      deposit,
      deposit + 1n,
      settled > 0n ? settled - 1n : 0n,
      some,
    ]);
  }

  function depositAmount(): bigint {
    if (random.chance(0.06)) return random.pick([0n, 2n ** 104n - 1n, 2n ** 104n, 2n ** 128n - 1n]);
    return BigInt(1 + random.below(100_000));
  }

  function signWith(wallet: BaseWallet, types: FieldTypes, value: object): string {
    return signing.sign(wallet, domain, types, value);
  }

  /** A claim as the contract and as the model see it; now and then signed by somebody else or for something else. */
  function someClaim(terms: Terms): { claim: object; model: ModelClaim; signature: string } {
    const amount = amountFor(terms);
    const cumulativeAmount = random.chance(0.8) ? amount + BigInt(random.below(50)) : amountFor(terms);
    const right = walletOf(terms.authorizedSigner === ZeroAddress ? terms.payer : terms.authorizedSigner);
    const isRightSigner = random.chance(0.93);
    const signer = isRightSigner ? right : random.pick(everybody);
    const isRightMessage = random.chance(0.95);
    const message = isRightMessage
      ? { channelId: model.idOf(terms), cumulativeAmount }
      : random.pick([
          { channelId: random.bytes32(), cumulativeAmount },
          { channelId: model.idOf(terms), cumulativeAmount: cumulativeAmount + 1n },
        ]);
    const { signature, isGood } = spoil(signWith(signer ?? random.pick(everybody), voucherTypes, message));
    const isSigned = isGood && signer !== undefined && signer === right && isRightMessage;
    return {
      claim: { terms, amount, cumulativeAmount, signature },
      model: { terms, amount, cumulativeAmount, isSigned },
      signature,
    };
  }

  function step(
    name: string,
    from: string,
    args: unknown[],
    terms: readonly Terms[],
    expect: () => void | string[],
  ): Step {
    const reads = terms.map((one) => ({
      data: getChannel + model.idOf(one).slice(2),
      expected: () => {
        const { deposit, settled, closeRequestedAt, finalized } = model.read(model.idOf(one));
        return [deposit, settled, BigInt(closeRequestedAt), finalized ? 1n : 0n];
      },
    }));
    const data = contract.encodeFunctionData(name, args);
    return { name, to: contractAddress, from, data, expected: attempt(expect), reads };
  }

  /** Honest and divergent ones alike: nothing binds a payer to what it signed before, the contract must bear all of it. */
  function newStatement(terms: Terms): Statement {
    const channelId = model.idOf(terms);
    const { settled } = model.read(channelId);
    const cumulativeAmount = random.pick([
      settled,
      settled + BigInt(random.below(500)),
      BigInt(random.below(1000)),
      0n,
    ]);
    const count = random.chance(0.02) ? 16 : random.below(5);
    const refs = Array.from({ length: count }, () => random.bytes32()).sort();
    // Now and then the payer uses a ref twice.
    if (count > 1 && random.chance(0.1)) refs[1] = refs[0]!;
    const payments = refs.map((ref) => {
      const amount = random.chance(0.97) ? BigInt(1 + random.below(1000)) : 2n ** 128n - 1n;
      const paymentId = keccak256(channelId + ref.slice(2));
      const condition = stage.payments.forPayment(paymentId, amount);
      return { ref, condition, amount, hash: hashPayment(ref, condition, amount) };
    });
    const right = walletOf(terms.authorizedSigner === ZeroAddress ? terms.payer : terms.authorizedSigner);
    const signer = random.chance(0.95) ? right : random.pick(everybody);
    const message = {
      channelId,
      cumulativeAmount,
      payments: payments.map(({ ref, condition, amount }) => ({
        ref,
        condition: condition.address,
        parametersHash: keccak256(condition.parameters),
        amount,
      })),
    };
    const { signature, isGood } = spoil(signWith(signer ?? random.pick(everybody), conditionalTypes, message));
    return { cumulativeAmount, payments, signature, isSigned: isGood && signer !== undefined && signer === right };
  }

  function someStatement(terms: Terms): Statement {
    const of = statements.get(model.idOf(terms)) ?? [];
    if (of.length > 0 && random.chance(0.7)) return random.pick(of);
    const statement = newStatement(terms);
    statements.set(model.idOf(terms), [...of, statement].slice(-8));
    return statement;
  }

  /** A conditional claim with evidence for some of its payments, in order or not, and now and then for something else. */
  function someConditionalClaim(terms: Terms): { claim: object; model: ModelConditionalClaim } {
    const { cumulativeAmount, payments, signature, isSigned } = someStatement(terms);
    const channelId = model.idOf(terms);
    const chosen = payments.flatMap((payment, index) => (random.chance(0.6) ? [{ ...payment, index }] : []));
    if (chosen.length > 0 && random.chance(0.04)) chosen.push(random.pick(chosen));
    if (random.chance(0.04)) chosen.reverse();
    if (chosen.length > 0 && random.chance(0.03)) chosen.at(-1)!.index = payments.length + random.below(3);
    // A payment that nobody signed, at the place of a signed one.
    if (chosen.length > 0 && random.chance(0.04)) {
      const at = random.below(chosen.length);
      const forged = { ref: `0x${"00".repeat(31)}01`, condition: stage.payments.generous(), amount: 1000n, hash: "0x" };
      chosen.splice(at, 0, { ...forged, index: chosen[at]!.index });
    }
    const altered = chosen.length > 0 && random.chance(0.05) ? random.pick(chosen) : undefined;
    if (altered) altered.amount += 1n;

    const proofs = chosen.map(({ ref, condition, amount }) =>
      condition.prove(keccak256(channelId + ref.slice(2)), amount),
    );
    const due = proofs.map((proof) => proof.due);
    const entitlement = due.reduce((sum, one) => sum + one, cumulativeAmount);
    const { settled } = model.read(channelId);
    const amount = random.chance(0.7)
      ? random.pick([entitlement, entitlement, entitlement + 1n, cumulativeAmount, (entitlement + settled) / 2n])
      : amountFor(terms);
    const isFit = amount < 2n ** 128n && altered?.amount !== 2n ** 128n;
    if (!isFit) return someConditionalClaim(terms);

    const paymentHashes = payments.map(({ hash }) => hash);
    // A hash at a proven place may be anything.
    for (const { index } of chosen)
      if (index < payments.length && random.chance(0.3)) paymentHashes[index] = random.bytes32();
    const untouched = payments.findIndex((_, index) => !chosen.some((payment) => payment.index === index));
    const isForged = untouched >= 0 && random.chance(0.03);
    if (isForged) paymentHashes[untouched] = random.bytes32();
    return {
      claim: {
        terms,
        amount,
        cumulativeAmount,
        paymentHashes,
        proven: chosen.map(({ index, ref, condition, amount: most }, i) => ({
          index,
          ref,
          condition: condition.address,
          amount: most,
          parameters: condition.parameters,
          evidence: proofs[i]!.evidence,
        })),
        signature,
      },
      model: {
        terms,
        amount,
        cumulativeAmount,
        isSigned: isSigned && !altered && !isForged,
        refusal: misplaced(chosen, payments.length),
        due,
      },
    };
  }

  const draws: (() => Step)[] = [
    () => {
      const terms = random.chance(0.9) ? newTerms() : someTerms();
      const deposit = depositAmount();
      known.push(terms);
      const args = [terms.payee, terms.token, deposit, terms.salt, terms.authorizedSigner];
      return step("open", terms.payer, args, [terms], () => model.actions.open(terms.payer, terms, deposit));
    },
    () => {
      const terms = random.chance(0.9) ? newTerms() : someTerms();
      const deposit = depositAmount();
      known.push(terms);
      const { payer, payee, token, salt, authorizedSigner } = terms;
      const types = ["address", "address", "address", "bytes32", "address"];
      const expectedNonce = keccak256(coder.encode(types, [payer, payee, token, salt, authorizedSigner]));
      const { model: authorization, signature } = signing.someAuthorization(token, deposit, expectedNonce, {
        from: payer,
        to: contractAddress,
      });
      const { nonce, validBefore } = authorization;
      const args = [payee, token, deposit, salt, authorizedSigner, payer, 0n, validBefore, nonce, signature];
      return step("openWithAuthorization", random.pick(strangers).address, args, [terms], () =>
        model.actions.openWithAuthorization(terms, deposit, authorization, stage.now()),
      );
    },
    () => {
      const terms = someTerms();
      const amount = depositAmount();
      const caller = random.chance(0.9) ? terms.payer : random.pick(everybody).address;
      return step("topUp", caller, [terms, amount], [terms], () => model.actions.topUp(caller, terms, amount));
    },
    () => {
      const terms = someTerms();
      const amount = depositAmount();
      const from = random.pick(payers).address;
      const topUpSalt = random.chance(0.9) ? random.bytes32() : `0x${"07".repeat(32)}`;
      const types = ["bytes32", "uint128", "address", "bytes32"];
      const expectedNonce = keccak256(coder.encode(types, [model.idOf(terms), amount, from, topUpSalt]));
      const { model: authorization, signature } = signing.someAuthorization(terms.token, amount, expectedNonce, {
        from,
        to: contractAddress,
      });
      const { nonce, validBefore } = authorization;
      const args = [terms, amount, from, topUpSalt, 0n, validBefore, nonce, signature];
      return step("topUpWithAuthorization", random.pick(strangers).address, args, [terms], () =>
        model.actions.topUpWithAuthorization(terms, amount, authorization, stage.now()),
      );
    },
    () => {
      const terms = someTerms();
      const caller = random.chance(0.85) ? terms.payee : random.pick(everybody).address;
      const from = caller === ZeroAddress || caller === contractAddress ? random.pick(payees).address : caller;
      const { claim, model: seen } = someClaim(terms);
      return step("settle", from, [claim], [terms], () => model.actions.settle(from, seen));
    },
    () => someAuthorized("settleWithAuthorization", "SettleAuthorization"),
    () => someAuthorized("closeWithAuthorization", "CloseAuthorization"),
    () => {
      const payee = random.pick(payees).address;
      const token = random.pick(tokens);
      const caller = random.chance(0.9) ? payee : random.pick(everybody).address;
      const of = known.slice(-40).filter((terms) => terms.payee === payee && terms.token === token);
      const chosen = Array.from({ length: of.length === 0 ? 0 : random.below(5) }, () => random.pick(of));
      const drawn = chosen.map((terms) => someClaim(terms));
      // A signature that does not fit r and vs cannot be told to a batch at all.
      const claims = drawn.filter(
        ({ signature }) => signature.length === 132 && !/0[01]$/.test(signature.slice(-2)) && isLowS(signature),
      );
      const batch = claims.map(({ model: { terms, amount, cumulativeAmount }, signature }) => {
        const { r, yParityAndS: vs } = Signature.from(signature);
        const { payer, authorizedSigner, salt } = terms;
        return { payer, authorizedSigner, salt, amount, cumulativeAmount, r, vs };
      });
      return step("settleBatch", caller, [payee, token, batch], chosen, () =>
        model.actions.settleBatch(
          caller,
          payee,
          token,
          claims.map((claim) => claim.model),
        ),
      );
    },
    () => {
      const terms = someTerms();
      const caller = random.chance(0.6) ? terms.payee : random.pick(everybody).address;
      const from = caller === ZeroAddress || caller === contractAddress ? random.pick(payees).address : caller;
      const { claim, model: seen } = someClaim(terms);
      return step("close", from, [claim], [terms], () => model.actions.close(from, seen));
    },
    () => someConditional("settleConditional", 0.9),
    () => someConditional("settleConditional", 0.9),
    () => someConditional("closeConditional", 0.4),
    () => {
      const terms = someTerms();
      const caller = random.chance(0.9) ? terms.payer : random.pick(everybody).address;
      return step("requestClose", caller, [terms], [terms], () =>
        model.actions.requestClose(caller, terms, stage.now()),
      );
    },
    () => {
      const terms = someTerms();
      const deadline = someDeadline();
      const signer = random.chance(0.9) ? walletOf(terms.payer) : random.pick(everybody);
      const message = { channelId: model.idOf(terms), deadline };
      const { signature, isGood } = spoil(signWith(signer ?? random.pick(everybody), closeRequestTypes, message));
      const isSigned = isGood && signer?.address === terms.payer;
      return step(
        "requestCloseWithAuthorization",
        random.pick(strangers).address,
        [terms, deadline, signature],
        [terms],
        () => model.actions.requestCloseWithAuthorization(terms, { deadline, isSigned }, stage.now()),
      );
    },
    () => {
      const terms = someTerms();
      return step("withdraw", random.pick(everybody).address, [terms], [terms], () =>
        model.actions.withdraw(terms, stage.now()),
      );
    },
    () => {
      const token = random.pick(tokens);
      const account = random.pick([...payers, ...payees]).address;
      return step("claimCredit", random.pick(everybody).address, [token, account], [], () =>
        model.actions.claimCredit(token, account),
      );
    },
    () => {
      const payee = random.pick(payees).address;
      const operator = random.pick([...strangers, ...payers]).address;
      const approved = random.chance(0.5);
      return step("setOperator", payee, [operator, approved], [], () =>
        model.actions.setOperator(payee, operator, approved),
      );
    },
  ];

  function someConditional(name: "settleConditional" | "closeConditional", share: number): Step {
    const terms = someTerms();
    const caller = random.chance(share) ? terms.payee : random.pick(everybody).address;
    const from = caller === ZeroAddress || caller === contractAddress ? random.pick(payees).address : caller;
    const { claim, model: seen } = someConditionalClaim(terms);
    const act = name === "settleConditional" ? model.actions.settle : model.actions.close;
    return step(name, from, [claim], [terms], () => act(from, seen));
  }

  function someAuthorized(
    name: "settleWithAuthorization" | "closeWithAuthorization",
    type: "SettleAuthorization" | "CloseAuthorization",
  ): Step {
    const terms = someTerms();
    const { claim, model: seen } = someClaim(terms);
    const deadline = someDeadline();
    const nonce = BigInt(random.below(3));
    const signer = random.chance(0.93) ? walletOf(terms.payee) : random.pick(everybody);
    // One signed shape must never serve two meanings.
    const isRightType = random.chance(0.95);
    const signedType = isRightType
      ? type
      : type === "SettleAuthorization"
        ? "CloseAuthorization"
        : "SettleAuthorization";
    const isRightAmount = random.chance(0.95);
    const cumulativeAmount = isRightAmount ? seen.amount : seen.amount + 1n;
    const message = { channelId: model.idOf(terms), cumulativeAmount, nonce, deadline };
    const { signature, isGood } = spoil(signWith(signer ?? random.pick(everybody), amountTypes[signedType], message));
    const isSigned = isGood && isRightType && isRightAmount && signer !== undefined && signer.address === terms.payee;
    const from = random.pick(strangers).address;
    return step(name, from, [claim, nonce, deadline, signature], [terms], () =>
      model.actions[name](seen, { deadline, isSigned }, stage.now()),
    );
  }

  return draws;
}

function hashPayment(ref: string, { address: condition, parameters }: Condition, amount: bigint): string {
  return paymentEncoder.hash({ ref, condition, parametersHash: keccak256(parameters), amount });
}

/** The first fault in where proven payments stand. */
function misplaced(chosen: readonly { index: number; ref: string }[], count: number): Refusal | undefined {
  for (const [i, { index, ref }] of chosen.entries()) {
    const previous = chosen[i - 1];
    if (previous && (index <= previous.index || ref <= previous.ref)) {
      return { name: "ProvenPaymentsNotAscending", args: [index, ref] };
    }
    if (index >= count) return { name: "ProvenPaymentNotFound", args: [index, count] };
  }
  return undefined;
}
