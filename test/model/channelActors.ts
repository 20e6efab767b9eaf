// Random actors for the model test: honest and hostile calls, each told to the contract and to the model alike.
import {
  AbiCoder,
  type BaseWallet,
  concat,
  type Interface,
  keccak256,
  Signature,
  type TypedDataDomain,
  TypedDataEncoder,
  ZeroAddress,
} from "ethers";

import type { ChannelModel, ModelAuthorization, ModelClaim, Refusal, Terms } from "./channelModel.ts";
import type { Random } from "./random.ts";

/** A call to the contract and what the model says of it. */
export type Step = {
  name: string;
  from: string;
  data: string;
  expected: { refusal: Refusal } | { result: void | string[] };
  terms: readonly Terms[];
};

export type Stage = {
  random: Random;
  model: ChannelModel;
  contract: Interface;
  contractAddress: string;
  chainId: bigint;
  tokens: readonly string[];
  /** An address without code, used as a token. */
  noToken: string;
  payers: readonly BaseWallet[];
  payees: readonly BaseWallet[];
  signers: readonly BaseWallet[];
  strangers: readonly BaseWallet[];
  /** Every channel that was ever tried. */
  known: Terms[];
  /** The time of the next block. */
  now: () => number;
};

const coder = AbiCoder.defaultAbiCoder();
const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
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
const receiveTypes = {
  ReceiveWithAuthorization: [
    { name: "from", type: "address" },
    { name: "to", type: "address" },
    { name: "value", type: "uint256" },
    { name: "validAfter", type: "uint256" },
    { name: "validBefore", type: "uint256" },
    { name: "nonce", type: "bytes32" },
  ],
};

type FieldTypes = Record<string, { name: string; type: string }[]>;

const encoders = new Map<FieldTypes, TypedDataEncoder>();
const domainHashes = new Map<string, string>();

/** The EIP-712 digest; what does not change is computed once, since a long run signs a hundred thousand statements. */
function digestOf(domain: TypedDataDomain & { verifyingContract: string }, types: FieldTypes, value: object): string {
  const encoder = encoders.get(types) ?? TypedDataEncoder.from(types);
  encoders.set(types, encoder);
  const key = `${domain.name} ${domain.verifyingContract}`;
  const domainHash = domainHashes.get(key) ?? TypedDataEncoder.hashDomain(domain);
  domainHashes.set(key, domainHash);
  return keccak256(concat(["0x1901", domainHash, encoder.hash(value)]));
}

/** Makes the function that draws the next step. */
export function createActors(stage: Stage) {
  const { random, model, contract, payers, payees, signers, strangers, tokens, known } = stage;
  const everybody = [...payers, ...payees, ...signers, ...strangers];
  const domain = {
    name: "EVM Payment Channel",
    version: "1",
    chainId: stage.chainId,
    verifyingContract: stage.contractAddress,
  };
  const walletOf = (address: string): BaseWallet | undefined => everybody.find((wallet) => wallet.address === address);

  function newTerms(): Terms {
    return {
      payer: random.pick(payers).address,
      payee: random.chance(0.03) ? random.pick([ZeroAddress, stage.contractAddress]) : random.pick(payees).address,
      token: random.chance(0.03) ? stage.noToken : random.pick(tokens),
      salt: random.bytes32(),
      authorizedSigner: random.chance(0.5) ? ZeroAddress : random.pick(signers).address,
    };
  }

  /** Mostly a channel that is open, else any that was ever tried, or one that never was. */
  function someTerms(): Terms {
    const live = known.slice(-12);
    return live.length === 0 || random.chance(0.03)
      ? newTerms()
      : random.chance(0.9)
        ? random.pick(live)
        : random.pick(known);
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

  /** A signature in one of the forms that must not be accepted, now and then. */
  function spoil(good: string): { signature: string; isGood: boolean } {
    if (random.chance(0.85)) return { signature: good, isGood: true };
    const { r, s, v } = Signature.from(good);
    const highS = `0x${(order - BigInt(s)).toString(16).padStart(64, "0")}`;
    const join = (...parts: string[]): string => `0x${parts.map((part) => part.replace(/^0x/, "")).join("")}`;
    const bad = random.pick([
      join(r, highS, v === 27 ? "1c" : "1b"),
      join(r, s, v === 27 ? "1c" : "1b"),
      join(r, s, v === 27 ? "00" : "01"),
      join(r, s),
      join(r, s, "1b1b"),
      "0x",
    ]);
    return { signature: bad, isGood: false };
  }

  function signWith(wallet: BaseWallet, types: FieldTypes, value: object): string {
    return wallet.signingKey.sign(digestOf(domain, types, value)).serialized;
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

  function someDeadline(): number {
    return stage.now() + random.pick([-1, 0, 1, 1000, 1000, 1000]);
  }

  function someAuthorization(
    token: string,
    value: bigint,
    expectedNonce: string,
    from: string,
  ): {
    model: ModelAuthorization;
    signature: string;
  } {
    const nonce = random.chance(0.95) ? expectedNonce : random.bytes32();
    const validBefore = stage.now() + random.pick([0, 1, 1000, 1000, 1000]);
    const isRight = random.chance(0.95);
    const signer = isRight ? walletOf(from) : random.pick(everybody);
    const signed = random.chance(0.97) ? value : value + 1n;
    const tokenDomain = { name: "Gas Token", version: "1", chainId: stage.chainId, verifyingContract: token };
    const message = { from, to: stage.contractAddress, value: signed, validAfter: 0n, validBefore, nonce };
    const digest = digestOf(tokenDomain, receiveTypes, message);
    const signature = (signer ?? random.pick(everybody)).signingKey.sign(digest).serialized;
    const isSigned = signer !== undefined && signer.address === from && signed === value;
    return { model: { from, nonce, expectedNonce, validBefore, isSigned }, signature };
  }

  function step(
    name: string,
    from: string,
    args: unknown[],
    terms: readonly Terms[],
    expect: () => void | string[],
  ): Step {
    return { name, from, data: contract.encodeFunctionData(name, args), expected: model.attempt(expect), terms };
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
      const { model: authorization, signature } = someAuthorization(token, deposit, expectedNonce, payer);
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
      const { model: authorization, signature } = someAuthorization(terms.token, amount, expectedNonce, from);
      const { nonce, validBefore } = authorization;
      const args = [terms, amount, from, topUpSalt, 0n, validBefore, nonce, signature];
      return step("topUpWithAuthorization", random.pick(strangers).address, args, [terms], () =>
        model.actions.topUpWithAuthorization(terms, amount, authorization, stage.now()),
      );
    },
    () => {
      const terms = someTerms();
      const caller = random.chance(0.85) ? terms.payee : random.pick(everybody).address;
      const from = caller === ZeroAddress || caller === stage.contractAddress ? random.pick(payees).address : caller;
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
      const from = caller === ZeroAddress || caller === stage.contractAddress ? random.pick(payees).address : caller;
      const { claim, model: seen } = someClaim(terms);
      return step("close", from, [claim], [terms], () => model.actions.close(from, seen));
    },
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

  return (): Step => random.pick(draws)();
}

function isLowS(signature: string): boolean {
  return BigInt(`0x${signature.slice(66, 130)}`) <= order / 2n;
}
