// A plain reference model of PaymentChannels (docs/protocol.md): what each call must do, to the base unit and the error.
import { AbiCoder, keccak256, ZeroAddress } from "ethers";

export type Terms = { payer: string; payee: string; token: string; salt: string; authorizedSigner: string };
export type ChannelState = { deposit: bigint; settled: bigint; closeRequestedAt: number; finalized: boolean };

/** A typed error with its arguments. */
export type Refusal = { name: string; args: unknown[] };

/** A claim as the model sees it: whether its statement is signed by the right key, in the right form, for this channel. */
export type ModelClaim = { terms: Terms; amount: bigint; cumulativeAmount: bigint; isSigned: boolean };

/** An EIP-3009 authorization as the model sees it. */
export type ModelAuthorization = {
  from: string;
  nonce: string;
  expectedNonce: string;
  validBefore: number;
  isSigned: boolean;
};

class Refused extends Error {
  readonly refusal: Refusal;
  constructor(name: string, args: unknown[]) {
    super(name);
    this.refusal = { name, args };
  }
}

const maxDeposit = 2n ** 104n - 1n;
const coder = AbiCoder.defaultAbiCoder();

/** Makes a model of a contract with this address, chain and grace period, and the tokens that exist. */
export function createChannelModel(parameters: {
  contract: string;
  chainId: bigint;
  gracePeriod: number;
  tokens: readonly string[];
}) {
  const { contract, chainId, gracePeriod, tokens } = parameters;
  const channels = new Map<string, ChannelState>();
  const balances = new Map<string, bigint>();
  const credit = new Map<string, bigint>();
  const operators = new Set<string>();
  const blocked = new Set<string>();
  const usedNonces = new Set<string>();

  const key = (token: string, account: string): string => `${token} ${account}`;
  const refuse = (name: string, ...args: unknown[]): never => {
    throw new Refused(name, args);
  };

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

  const balanceOf = (token: string, account: string): bigint => balances.get(key(token, account)) ?? 0n;

  function move(token: string, from: string, to: string, amount: bigint): void {
    balances.set(key(token, from), balanceOf(token, from) - amount);
    balances.set(key(token, to), balanceOf(token, to) + amount);
  }

  function pull(token: string, from: string, amount: bigint): void {
    if (!tokens.includes(token)) refuse("InvalidToken", token);
    if (blocked.has(key(token, from))) refuse("Blocked", from);
    const balance = balanceOf(token, from);
    if (balance < amount) refuse("ERC20InsufficientBalance", from, balance, amount);
    move(token, from, contract, amount);
  }

  function pullAuthorized(token: string, amount: bigint, authorization: ModelAuthorization, now: number): void {
    if (!tokens.includes(token)) refuse("InvalidToken", token);
    const { from, nonce, validBefore, isSigned } = authorization;
    if (now >= validBefore) refuse("AuthorizationNotInForce", 0n, BigInt(validBefore));
    if (usedNonces.has(key(token, from + nonce))) refuse("AuthorizationUsedAlready", from, nonce);
    if (!isSigned) refuse("InvalidAuthorizationSignature", from);
    pull(token, from, amount);
    usedNonces.add(key(token, from + nonce));
  }

  function payOut(token: string, account: string, amount: bigint): void {
    if (amount === 0n) return;
    if (blocked.has(key(token, account)))
      credit.set(key(token, account), (credit.get(key(token, account)) ?? 0n) + amount);
    else move(token, contract, account, amount);
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
  function capture(channel: ChannelState, { terms, amount, cumulativeAmount, isSigned }: ModelClaim): bigint {
    const signer = terms.authorizedSigner === ZeroAddress ? terms.payer : terms.authorizedSigner;
    if (!isSigned) refuse("InvalidSignature", signer);
    if (amount > cumulativeAmount) refuse("AmountExceedsEntitlement", amount, cumulativeAmount);
    if (amount > channel.deposit) refuse("AmountExceedsDeposit", amount, channel.deposit);
    if (amount <= channel.settled) refuse("AmountNotIncreasing", amount, channel.settled);
    const growth = amount - channel.settled;
    channel.settled = amount;
    return growth;
  }

  const requireSettler = (caller: string, payee: string): void => {
    if (caller !== payee && !operators.has(key(payee, caller))) refuse("NotPayee", caller, payee);
  };

  function requirePayee(terms: Terms, signedBy: { deadline: number; isSigned: boolean }, now: number): void {
    if (now > signedBy.deadline) refuse("AuthorizationExpired", BigInt(signedBy.deadline));
    if (!signedBy.isSigned) refuse("InvalidSignature", terms.payee);
  }

  function settle(claim: ModelClaim): void {
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

  function close(claim: ModelClaim): void {
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
    settle(caller: string, claim: ModelClaim): void {
      requireSettler(caller, claim.terms.payee);
      settle(claim);
    },
    settleWithAuthorization(claim: ModelClaim, signedBy: { deadline: number; isSigned: boolean }, now: number): void {
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
    close(caller: string, claim: ModelClaim): void {
      if (caller !== claim.terms.payee) refuse("NotPayee", caller, claim.terms.payee);
      close(claim);
    },
    closeWithAuthorization(claim: ModelClaim, signedBy: { deadline: number; isSigned: boolean }, now: number): void {
      requirePayee(claim.terms, signedBy, now);
      close(claim);
    },
    requestClose(caller: string, terms: Terms, now: number): void {
      if (caller !== terms.payer) refuse("NotPayer", caller, terms.payer);
      requestClose(terms, now);
    },
    requestCloseWithAuthorization(terms: Terms, signedBy: { deadline: number; isSigned: boolean }, now: number): void {
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
    claimCredit(token: string, account: string): void {
      const amount = credit.get(key(token, account)) ?? 0n;
      if (amount === 0n) refuse("NoCredit", token, account);
      if (blocked.has(key(token, account))) refuse("Blocked", account);
      credit.set(key(token, account), 0n);
      move(token, contract, account, amount);
    },
  };

  return {
    actions,
    idOf,
    read,
    balanceOf,
    creditOf: (token: string, account: string): bigint => credit.get(key(token, account)) ?? 0n,
    mint: (token: string, account: string, amount: bigint): void => {
      balances.set(key(token, account), balanceOf(token, account) + amount);
    },
    setBlocked: (token: string, account: string, isBlocked: boolean): void => {
      if (isBlocked) blocked.add(key(token, account));
      else blocked.delete(key(token, account));
    },
    /** Runs an action; a refused one has changed nothing. */
    attempt<result>(action: () => result): { refusal: Refusal } | { result: result } {
      try {
        return { result: action() };
      } catch (error) {
        if (error instanceof Refused) return { refusal: error.refusal };
        throw error;
      }
    },
    /** What the contract must hold of a token: everything not settled in open channels, and all credit. */
    owed(token: string, terms: Iterable<Terms>): bigint {
      let sum = 0n;
      for (const one of terms) {
        const { deposit, settled, finalized } = read(idOf(one));
        if (one.token === token && !finalized) sum += deposit - settled;
      }
      for (const [id, amount] of credit) if (id.startsWith(`${token} `)) sum += amount;
      return sum;
    },
  };
}

export type ChannelModel = ReturnType<typeof createChannelModel>;
