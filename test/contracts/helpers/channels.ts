import { readFileSync } from "node:fs";

import {
  AbiCoder,
  type ContractTransactionResponse,
  keccak256,
  Signature,
  type Signer,
  toBeHex,
  Wallet,
  ZeroAddress,
} from "ethers";
import type { NetworkConnection } from "hardhat/types/network";

import type { IPaymentChannels, PlainToken } from "../../../types/index.ts";
import { type Effects, expectEffectsOn } from "./effects.ts";
import { signForToken } from "./token.ts";

export const GRACE_PERIOD = 900n;
export const MAX_DEPOSIT = 2n ** 104n - 1n;
export const DEPOSIT = 1_000_000n;

/** The types signed under the contract's domain, told once more so that the contract's own are checked. */
export const TYPES = {
  Voucher: [
    { name: "channelId", type: "bytes32" },
    { name: "cumulativeAmount", type: "uint128" },
  ],
  SettleAuthorization: [
    { name: "channelId", type: "bytes32" },
    { name: "cumulativeAmount", type: "uint128" },
    { name: "nonce", type: "uint256" },
    { name: "deadline", type: "uint256" },
  ],
  CloseAuthorization: [
    { name: "channelId", type: "bytes32" },
    { name: "cumulativeAmount", type: "uint128" },
    { name: "nonce", type: "uint256" },
    { name: "deadline", type: "uint256" },
  ],
  CloseRequest: [
    { name: "channelId", type: "bytes32" },
    { name: "deadline", type: "uint64" },
  ],
};

export type Terms = {
  payer: string;
  payee: string;
  token: string;
  salt: string;
  authorizedSigner: string;
};

export type Claim = {
  terms: Terms;
  amount: bigint;
  cumulativeAmount: bigint;
  signature: string;
};

type Vectors = {
  contract: string;
  token: string;
  key: string;
  terms: Terms;
  channelId: string;
  domain: { name: string; version: string; chainId: number; verifyingContract: string };
  domainSeparator: string;
  vouchers: { cumulativeAmount: string; digest: string; signature: string }[];
  settleAuthorization: SignedAuthorization;
  closeAuthorization: SignedAuthorization;
  closeRequest: { deadline: string; digest: string; signature: string };
  openWithAuthorization: {
    deposit: string;
    validAfter: string;
    validBefore: string;
    nonce: string;
    digest: string;
    signature: string;
  };
  topUpWithAuthorization: { additionalDeposit: string; topUpSalt: string; nonce: string };
  conditionalVouchers: {
    cumulativeAmount: string;
    payments: { ref: string; condition: string; parametersHash: string; amount: string }[];
    digest: string;
    signature: string;
    paymentIds: string[];
    structHashes: string[];
  }[];
  verdictDomain: Vectors["domain"];
  verdicts: {
    evaluator: string;
    paymentId: string;
    specHash: string;
    deliverableHash: string;
    amount: string;
    issuedAt: string;
    digest: string;
    signature: string;
  }[];
  tickChain: { paymentId: string; tickCount: number; root: string; x16: string; x1: string; x7: string };
};

type SignedAuthorization = {
  cumulativeAmount: string;
  nonce: string;
  deadline: string;
  digest: string;
  signature: string;
};

/** Made outside the project; see its own notes. */
export const vectors = (): Vectors =>
  JSON.parse(readFileSync(new URL("../../fixtures/vectors.json", import.meta.url), "utf8")) as Vectors;

export const saltOf = (number: number): string => toBeHex(number, 32);

const encoder = AbiCoder.defaultAbiCoder();

export const encodeValues = (types: string[], values: unknown[]): string => encoder.encode(types, values);

export const hashValues = (types: string[], values: unknown[]): string => keccak256(encodeValues(types, values));

/**
 * Deploys the token and the contract, as the first two transactions of the chain's first account: so their addresses are
 * those of the vectors. The payer has the vectors' key and money, and has approved the contract for all of it.
 */
export async function deployChannels(connection: NetworkConnection) {
  const { ethers, networkHelpers } = connection;
  const [deployer, payee, relayer, operator, stranger, sponsor] = await ethers.getSigners();
  const token = await ethers.deployContract("MockDigitalYuan", [deployer!.address]);
  const channels = await ethers.deployContract("PaymentChannels", [GRACE_PERIOD]);
  const contract = await channels.getAddress();

  const payer = new Wallet(vectors().key, ethers.provider);
  await networkHelpers.setBalance(payer.address, 10n ** 20n);
  for (const owner of [payer, sponsor!]) {
    await token.faucet(owner, 10n * DEPOSIT);
    await token.connect(owner).approve(contract, 10n * DEPOSIT);
  }

  const { chainId } = await ethers.provider.getNetwork();
  return {
    connection,
    token,
    channels,
    payer,
    deployer: deployer!,
    payee: payee!,
    relayer: relayer!,
    operator: operator!,
    stranger: stranger!,
    sponsor: sponsor!,
    tokenAddress: await token.getAddress(),
    domain: { name: "EVM Payment Channel", version: "1", chainId, verifyingContract: contract },
    /** Everybody whose balance is watched. */
    parties: {
      payer: payer.address,
      payee: payee!.address,
      contract,
      relayer: relayer!.address,
      operator: operator!.address,
      stranger: stranger!.address,
      sponsor: sponsor!.address,
    },
  };
}

export type World = Awaited<ReturnType<typeof deployChannels>>;

type Party = keyof World["parties"];

/** A token with faults, with money for the payer and the sponsor, approved. */
export async function issue<token extends Pick<PlainToken, "mint" | "approve" | "connect">>(
  world: World,
  token: token,
  amount = 10n * DEPOSIT,
): Promise<token> {
  for (const owner of [world.payer, world.sponsor]) {
    await token.mint(owner, amount);
    await token.connect(owner).approve(world.parties.contract, amount);
  }
  return token;
}

export const termsOf = (world: World, changes: Partial<Terms> = {}): Terms => ({
  payer: world.parties.payer,
  payee: world.parties.payee,
  token: world.tokenAddress,
  salt: saltOf(1),
  authorizedSigner: ZeroAddress,
  ...changes,
});

export const channelIdOf = (world: World, terms: Terms): string =>
  hashValues(
    ["address", "address", "address", "bytes32", "address", "address", "uint256"],
    [
      terms.payer,
      terms.payee,
      terms.token,
      terms.salt,
      terms.authorizedSigner,
      world.parties.contract,
      world.domain.chainId,
    ],
  );

/** Opens a channel, sent by the payer. */
export async function openChannel(
  world: World,
  { deposit = DEPOSIT, ...changes }: Partial<Terms> & { deposit?: bigint } = {},
) {
  const terms = termsOf(world, changes);
  const { payee, token, salt, authorizedSigner } = terms;
  await world.channels.connect(world.payer).open(payee, token, deposit, salt, authorizedSigner);
  return { terms, channelId: channelIdOf(world, terms) };
}

/** Signs one of the contract's types. */
export const sign = (
  world: World,
  signer: Signer,
  type: keyof typeof TYPES,
  message: Record<string, unknown>,
  domain = world.domain,
): Promise<string> => signer.signTypedData(domain, { [type]: TYPES[type] }, message);

/** A claim of `amount` by a voucher of `cumulativeAmount`. */
export async function claimOf(
  world: World,
  terms: Terms,
  amount: bigint,
  { cumulativeAmount = amount, signer = world.payer as Signer } = {},
): Promise<Claim> {
  const channelId = channelIdOf(world, terms);
  const signature = await sign(world, signer, "Voucher", { channelId, cumulativeAmount });
  return { terms, amount, cumulativeAmount, signature };
}

/** The same claim as it stands in a batch. */
export function toBatchClaim({ terms, amount, cumulativeAmount, signature }: Claim): IPaymentChannels.BatchClaimStruct {
  const { payer, authorizedSigner, salt } = terms;
  const { r, yParityAndS: vs } = Signature.from(signature);
  return { payer, authorizedSigner, salt, amount, cumulativeAmount, r, vs };
}

/** A deadline that no test reaches. */
export const LATER = 2n ** 40n;

type AuthorizationOptions = {
  signer?: Wallet | World["sponsor"];
  /** Whose authorization it is, if not the signer's own. */
  from?: string;
  validAfter?: bigint | undefined;
  validBefore?: bigint | undefined;
};

async function signReceive(
  world: World,
  value: bigint,
  nonce: string,
  { signer = world.payer, from = signer.address, validAfter = 0n, validBefore = LATER }: AuthorizationOptions,
) {
  const message = { from, to: world.parties.contract, value, validAfter, validBefore, nonce };
  const signature = await signForToken(signer, world.token, "ReceiveWithAuthorization", message);
  return { from, validAfter, validBefore, nonce, signature };
}

export const openNonceOf = (from: string, { payee, token, salt, authorizedSigner }: Omit<Terms, "payer">): string =>
  hashValues(["address", "address", "address", "bytes32", "address"], [from, payee, token, salt, authorizedSigner]);

/** The arguments of `openWithAuthorization`, by name. */
export async function authorizeOpen(
  world: World,
  deposit: bigint,
  {
    signer = world.payer,
    from = signer.address,
    validAfter,
    validBefore,
    ...changes
  }: AuthorizationOptions & Partial<Omit<Terms, "payer">> = {},
) {
  const { payee, token, salt, authorizedSigner } = termsOf(world, changes);
  const nonce = openNonceOf(from, { payee, token, salt, authorizedSigner });
  const signed = await signReceive(world, deposit, nonce, { signer, from, validAfter, validBefore });
  return { payee, token, deposit, salt, authorizedSigner, ...signed };
}

/** Sends it by the relayer, if nobody else is told. */
export const sendOpen = (
  { channels, relayer }: World,
  authorized: Awaited<ReturnType<typeof authorizeOpen>>,
  sender: Signer = relayer,
): Promise<ContractTransactionResponse> =>
  channels
    .connect(sender)
    .openWithAuthorization(
      authorized.payee,
      authorized.token,
      authorized.deposit,
      authorized.salt,
      authorized.authorizedSigner,
      authorized.from,
      authorized.validAfter,
      authorized.validBefore,
      authorized.nonce,
      authorized.signature,
    );

export const topUpNonceOf = (channelId: string, additionalDeposit: bigint, from: string, topUpSalt: string): string =>
  hashValues(["bytes32", "uint128", "address", "bytes32"], [channelId, additionalDeposit, from, topUpSalt]);

/** The arguments of `topUpWithAuthorization`, by name. */
export async function authorizeTopUp(
  world: World,
  terms: Terms,
  additionalDeposit: bigint,
  { topUpSalt = saltOf(1), ...options }: AuthorizationOptions & { topUpSalt?: string } = {},
) {
  const from = options.from ?? (options.signer ?? world.payer).address;
  const nonce = topUpNonceOf(channelIdOf(world, terms), additionalDeposit, from, topUpSalt);
  const signed = await signReceive(world, additionalDeposit, nonce, options);
  return { terms, additionalDeposit, topUpSalt, ...signed };
}

/** Sends it by the relayer. */
export const sendTopUp = (
  { channels, relayer }: World,
  authorized: Awaited<ReturnType<typeof authorizeTopUp>>,
): Promise<ContractTransactionResponse> =>
  channels
    .connect(relayer)
    .topUpWithAuthorization(
      authorized.terms,
      authorized.additionalDeposit,
      authorized.from,
      authorized.topUpSalt,
      authorized.validAfter,
      authorized.validBefore,
      authorized.nonce,
      authorized.signature,
    );

/** Asserts all that a transaction did: the contract's events and everybody's balance. */
export const expectEffects = (
  { channels, parties, token }: World,
  transaction: Promise<ContractTransactionResponse>,
  effects: Effects<Party>,
): Promise<void> => expectEffectsOn({ contract: channels, parties, token }, transaction, effects);

/** What is stored of a channel, as an object. */
export async function channelOf({ channels }: World, channelId: string) {
  const { deposit, settled, closeRequestedAt, finalized } = await channels.getChannel(channelId);
  return { deposit, settled, closeRequestedAt, finalized };
}

/** What is stored of an open channel without a pending close. */
export const openState = (deposit: bigint, settled = 0n) => ({
  deposit,
  settled,
  closeRequestedAt: 0n,
  finalized: false,
});
