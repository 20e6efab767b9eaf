// A plain reference model of PaymentChannels (docs/protocol.md): what each call must do, to the base unit and the error.
import { AbiCoder, keccak256, ZeroAddress } from "ethers";

import {
  type ModelAuthorization,
  type ModelSignature,
  type MoneyModel,
  type Refusal,
  refuse,
  Refused,
} from "./moneyModel.ts";

export type Terms = { payer: string; payee: string; token: string; salt: string; authorizedSigner: string };
export type ChannelState = { deposit: bigint; settled: bigint; closeRequestedAt: number; finalized: boolean };

/** A claim as the model sees it: whether its statement is signed by the right key, in the right form, for this channel. */
export type ModelClaim = { terms: Terms; amount: bigint; cumulativeAmount: bigint; isSigned: boolean };

/**
 * A conditional claim as the model sees it.
 *
 * @param refusal - What is wrong with how the proven payments stand in it, if anything is.
 * @param due - What is due of each payment that is proven, by how its evidence was made.
 */
export type ModelConditionalClaim = ModelClaim & { refusal?: Refusal | undefined; due: readonly bigint[] };

const maxDeposit = 2n ** 104n - 1n;
const coder = AbiCoder.defaultAbiCoder();

/** Makes a model of a contract with this address, chain and grace period. */
export function createChannelModel(parameters: {
  contract: string;
  chainId: bigint;
  gracePeriod: number;
  money: MoneyModel;
}) {
  const { contract, chainId, gracePeriod, money } = parameters;
  const channels = new Map<string, ChannelState>();
  const operators = new Set<string>();
  const { pull, pullAuthorized, payOut, claimCredit, creditOf, credited } = money.createCustody(contract);

  const key = (payee: string, operator: string): string => `${payee} ${operator}`;

  const ids = new WeakMap<Terms, string>();

  function idOf(terms: Terms): string {
    const known = ids.get(terms);
    if (known !== undefined) return known;
    const { payer, payee, token, salt, authorizedSigner } = terms;
    const types = ["address", "address", "address", "bytes32", "address", "address", "uint256"];
    const id = keccak256(coder.encode(types, [payer, payee, token, salt, authorizedSigner, contract, chainId]));
    ids.set(terms, id);
    return id;
  }

  const read = (id: string): ChannelState =>
    channels.get(id) ?? { deposit: 0n, settled: 0n, closeRequestedAt: 0, finalized: false };

  function requireOpen(id: string): ChannelState {
    const channel = read(id);
    if (channel.deposit === 0n) refuse("ChannelNotFound", id);
    if (channel.finalized) refuse("ChannelFinalized", id);
    return { ...channel };
  }

  function grow(current: bigint, added: bigint): bigint {
    if (added === 0n) refuse("ZeroDeposit");
    if (current + added > maxDeposit) refuse("DepositOverflow", current + added, maxDeposit);
    return current + added;
  }

  function requireNew(terms: Terms, deposit: bigint): string {
    if (terms.payee === ZeroAddress || terms.payee === contract) refuse("InvalidPayee", terms.payee);
    const id = idOf(terms);
    if (read(id).deposit !== 0n) refuse("ChannelAlreadyExists", id);
    grow(0n, deposit);
    return id;
  }

  /** What a claim captures, or the refusal; shared by everything that captures. */
  function capture(channel: ChannelState, claim: ModelClaim | ModelConditionalClaim): bigint {
    const { terms, amount, cumulativeAmount, isSigned } = claim;
    const signer = terms.authorizedSigner === ZeroAddress ? terms.payer : terms.authorizedSigner;
    if ("refusal" in claim && claim.refusal) refuse(claim.refusal.name, ...claim.refusal.args);
    if (!isSigned) refuse("InvalidSignature", signer);
    const entitlement = cumulativeAmount + ("due" in claim ? claim.due.reduce((sum, due) => sum + due, 0n) : 0n);
    if (amount > entitlement) refuse("AmountExceedsEntitlement", amount, entitlement);
    if (amount > channel.deposit) refuse("AmountExceedsDeposit", amount, channel.deposit);
    if (amount <= channel.settled) refuse("AmountNotIncreasing", amount, channel.settled);
    const growth = amount - channel.settled;
    channel.settled = amount;
    return growth;
  }

  const requireSettler = (caller: string, payee: string): void => {
    if (caller !== payee && !operators.has(key(payee, caller))) refuse("NotPayee", caller, payee);
  };

  function requirePayee(terms: Terms, signedBy: ModelSignature, now: number): void {
    if (now > signedBy.deadline) refuse("AuthorizationExpired", BigInt(signedBy.deadline));
    if (!signedBy.isSigned) refuse("InvalidSignature", terms.payee);
  }

  function settle(claim: ModelClaim | ModelConditionalClaim): void {
    const id = idOf(claim.terms);
    const channel = requireOpen(id);
    const growth = capture(channel, claim);
    channels.set(id, channel);
    payOut(claim.terms.token, claim.terms.payee, growth);
  }

  function finalize(terms: Terms, channel: ChannelState, growth: bigint): void {
    channels.set(idOf(terms), { ...channel, finalized: true });
    payOut(terms.token, terms.payee, growth);
    payOut(terms.token, terms.payer, channel.deposit - channel.settled);
  }

  function close(claim: ModelClaim | ModelConditionalClaim): void {
    const channel = requireOpen(idOf(claim.terms));
    if (claim.amount < channel.settled) refuse("AmountBelowSettled", claim.amount, channel.settled);
    const growth = claim.amount > channel.settled ? capture(channel, claim) : 0n;
    finalize(claim.terms, channel, growth);
  }

  function requestClose(terms: Terms, now: number): void {
    const id = idOf(terms);
    const channel = requireOpen(id);
    if (channel.closeRequestedAt !== 0) {
      refuse("CloseAlreadyRequested", BigInt(channel.closeRequestedAt + gracePeriod));
    }
    channels.set(id, { ...channel, closeRequestedAt: now });
  }

  const actions = {
    open(caller: string, terms: Terms, deposit: bigint): void {
      const id = requireNew(terms, deposit);
      pull(terms.token, caller, deposit);
      channels.set(id, { deposit, settled: 0n, closeRequestedAt: 0, finalized: false });
    },
    openWithAuthorization(terms: Terms, deposit: bigint, authorization: ModelAuthorization, now: number): void {
      if (authorization.nonce !== authorization.expectedNonce) {
        refuse("NonceMismatch", authorization.nonce, authorization.expectedNonce);
      }
      const id = requireNew(terms, deposit);
      pullAuthorized(terms.token, deposit, authorization, now);
      channels.set(id, { deposit, settled: 0n, closeRequestedAt: 0, finalized: false });
    },
    topUp(caller: string, terms: Terms, amount: bigint): void {
      if (caller !== terms.payer) refuse("NotPayer", caller, terms.payer);
      const channel = requireOpen(idOf(terms));
      const deposit = grow(channel.deposit, amount);
      pull(terms.token, caller, amount);
      channels.set(idOf(terms), { ...channel, deposit, closeRequestedAt: 0 });
    },
    topUpWithAuthorization(terms: Terms, amount: bigint, authorization: ModelAuthorization, now: number): void {
      if (authorization.nonce !== authorization.expectedNonce) {
        refuse("NonceMismatch", authorization.nonce, authorization.expectedNonce);
      }
      const channel = requireOpen(idOf(terms));
      const deposit = grow(channel.deposit, amount);
      pullAuthorized(terms.token, amount, authorization, now);
      channels.set(idOf(terms), { ...channel, deposit });
    },
    setOperator(caller: string, operator: string, approved: boolean): void {
      if (approved) operators.add(key(caller, operator));
      else operators.delete(key(caller, operator));
    },
    settle(caller: string, claim: ModelClaim | ModelConditionalClaim): void {
      requireSettler(caller, claim.terms.payee);
      settle(claim);
    },
    settleWithAuthorization(claim: ModelClaim, signedBy: ModelSignature, now: number): void {
      requirePayee(claim.terms, signedBy, now);
      settle(claim);
    },
    /** @returns The error names of the claims that are left out, in order. */
    settleBatch(caller: string, payee: string, token: string, claims: readonly ModelClaim[]): string[] {
      requireSettler(caller, payee);
      const skipped: string[] = [];
      let total = 0n;
      for (const claim of claims) {
        try {
          const id = idOf(claim.terms);
          const channel = requireOpen(id);
          total += capture(channel, claim);
          channels.set(id, channel);
        } catch (error) {
          if (!(error instanceof Refused)) throw error;
          skipped.push(error.refusal.name);
        }
      }
      payOut(token, payee, total);
      return skipped;
    },
    close(caller: string, claim: ModelClaim | ModelConditionalClaim): void {
      if (caller !== claim.terms.payee) refuse("NotPayee", caller, claim.terms.payee);
      close(claim);
    },
    closeWithAuthorization(claim: ModelClaim, signedBy: ModelSignature, now: number): void {
      requirePayee(claim.terms, signedBy, now);
      close(claim);
    },
    requestClose(caller: string, terms: Terms, now: number): void {
      if (caller !== terms.payer) refuse("NotPayer", caller, terms.payer);
      requestClose(terms, now);
    },
    requestCloseWithAuthorization(terms: Terms, signedBy: ModelSignature, now: number): void {
      if (now > signedBy.deadline) refuse("AuthorizationExpired", BigInt(signedBy.deadline));
      if (!signedBy.isSigned) refuse("InvalidSignature", terms.payer);
      requestClose(terms, now);
    },
    withdraw(terms: Terms, now: number): void {
      const id = idOf(terms);
      const channel = requireOpen(id);
      if (channel.closeRequestedAt === 0) refuse("CloseNotRequested", id);
      const readyAt = channel.closeRequestedAt + gracePeriod;
      if (now < readyAt) refuse("CloseNotReady", BigInt(readyAt));
      finalize(terms, channel, 0n);
    },
    claimCredit,
  };

  return {
    gracePeriod,
    actions,
    idOf,
    read,
    creditOf,
    /** What the contract must hold of a token: everything not settled in open channels, and all credit. */
    owed(token: string, terms: Iterable<Terms>): bigint {
      let sum = 0n;
      for (const one of terms) {
        const { deposit, settled, finalized } = read(idOf(one));
        if (one.token === token && !finalized) sum += deposit - settled;
      }
      return sum + credited(token);
    },
  };
}

export type ChannelModel = ReturnType<typeof createChannelModel>;
