// The tokens of the model, and what a contract that holds them does with them (ITokenCustody).

/** A typed error with its arguments. */
export type Refusal = { name: string; args: unknown[] };

/** An EIP-3009 authorization as the model sees it. */
export type ModelAuthorization = {
  from: string;
  nonce: string;
  expectedNonce: string;
  validBefore: number;
  isSigned: boolean;
};

/** A signature with a deadline, as the model sees it. */
export type ModelSignature = { deadline: number; isSigned: boolean };

export class Refused extends Error {
  readonly refusal: Refusal;
  constructor(name: string, args: unknown[]) {
    super(name);
    this.refusal = { name, args };
  }
}

export function refuse(name: string, ...args: unknown[]): never {
  throw new Refused(name, args);
}

/** Runs an action; a refused one has changed nothing. */
export function attempt<result>(action: () => result): { refusal: Refusal } | { result: result } {
  try {
    return { result: action() };
  } catch (error) {
    if (error instanceof Refused) return { refusal: error.refusal };
    throw error;
  }
}

/** Makes a model of the tokens that exist at these addresses. */
export function createMoneyModel(tokens: readonly string[]) {
  const balances = new Map<string, bigint>();
  const blocked = new Set<string>();
  const usedNonces = new Set<string>();

  const key = (token: string, account: string): string => `${token} ${account}`;
  const balanceOf = (token: string, account: string): bigint => balances.get(key(token, account)) ?? 0n;

  function move(token: string, from: string, to: string, amount: bigint): void {
    balances.set(key(token, from), balanceOf(token, from) - amount);
    balances.set(key(token, to), balanceOf(token, to) + amount);
  }

  /** What one contract holds, by its address. */
  function createCustody(contract: string) {
    const credit = new Map<string, bigint>();
    const creditOf = (token: string, account: string): bigint => credit.get(key(token, account)) ?? 0n;

    function pull(token: string, from: string, amount: bigint): void {
      if (!tokens.includes(token)) refuse("InvalidToken", token);
      if (blocked.has(key(token, from))) refuse("Blocked", from);
      const balance = balanceOf(token, from);
      if (balance < amount) refuse("ERC20InsufficientBalance", from, balance, amount);
      move(token, from, contract, amount);
    }

    return {
      creditOf,
      pull,
      pullAuthorized(token: string, amount: bigint, authorization: ModelAuthorization, now: number): void {
        if (!tokens.includes(token)) refuse("InvalidToken", token);
        const { from, nonce, validBefore, isSigned } = authorization;
        if (now >= validBefore) refuse("AuthorizationNotInForce", 0n, BigInt(validBefore));
        if (usedNonces.has(key(token, from + nonce))) refuse("AuthorizationUsedAlready", from, nonce);
        if (!isSigned) refuse("InvalidAuthorizationSignature", from);
        pull(token, from, amount);
        usedNonces.add(key(token, from + nonce));
      },
      /** All or none. */
      pullAll(from: string, pulls: readonly { token: string; amount: bigint }[]): void {
        const done: { token: string; amount: bigint }[] = [];
        try {
          for (const { token, amount } of pulls) {
            pull(token, from, amount);
            done.push({ token, amount });
          }
        } catch (error) {
          for (const { token, amount } of done) move(token, contract, from, amount);
          throw error;
        }
      },
      payOut(token: string, account: string, amount: bigint): void {
        if (amount === 0n) return;
        if (blocked.has(key(token, account))) credit.set(key(token, account), creditOf(token, account) + amount);
        else move(token, contract, account, amount);
      },
      claimCredit(token: string, account: string): void {
        const amount = creditOf(token, account);
        if (amount === 0n) refuse("NoCredit", token, account);
        if (blocked.has(key(token, account))) refuse("Blocked", account);
        credit.set(key(token, account), 0n);
        move(token, contract, account, amount);
      },
      /** All credit in a token. */
      credited(token: string): bigint {
        let sum = 0n;
        for (const [of, amount] of credit) if (of.startsWith(`${token} `)) sum += amount;
        return sum;
      },
    };
  }

  return {
    balanceOf,
    createCustody,
    mint: (token: string, account: string, amount: bigint): void => {
      balances.set(key(token, account), balanceOf(token, account) + amount);
    },
    setBlocked: (token: string, account: string, isBlocked: boolean): void => {
      if (isBlocked) blocked.add(key(token, account));
      else blocked.delete(key(token, account));
    },
  };
}

export type MoneyModel = ReturnType<typeof createMoneyModel>;
