import type { AddressLike, ContractTransactionResponse, Signer, TypedDataDomain } from "ethers";

import type { MockDigitalYuan } from "../../../types/index.ts";

const secp256k1Order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

const transferFields = [
  { name: "from", type: "address" },
  { name: "to", type: "address" },
  { name: "value", type: "uint256" },
  { name: "validAfter", type: "uint256" },
  { name: "validBefore", type: "uint256" },
  { name: "nonce", type: "bytes32" },
];

/** What a holder of the token can sign. */
export const tokenTypes = {
  TransferWithAuthorization: transferFields,
  ReceiveWithAuthorization: transferFields,
  CancelAuthorization: [
    { name: "authorizer", type: "address" },
    { name: "nonce", type: "bytes32" },
  ],
  Permit: [
    { name: "owner", type: "address" },
    { name: "spender", type: "address" },
    { name: "value", type: "uint256" },
    { name: "nonce", type: "uint256" },
    { name: "deadline", type: "uint256" },
  ],
};

/** The message of a TransferWithAuthorization or a ReceiveWithAuthorization. */
export type TransferAuthorization = {
  from: string;
  to: string;
  value: bigint;
  validAfter: bigint;
  validBefore: bigint;
  nonce: string;
};

/** How a signature travels: the token has a function for each. */
export const forms = ["(v, r, s)", "bytes"] as const;
export type Form = (typeof forms)[number];

/** Whole yuan in base units. */
export const yuan = (amount: number): bigint => BigInt(amount) * 1_000_000n;

export const tokenDomain = (verifyingContract: string, chainId = 31337n): TypedDataDomain => ({
  name: "Mock Digital Yuan",
  version: "1",
  chainId,
  verifyingContract,
});

export async function signForToken(
  signer: Signer,
  token: MockDigitalYuan,
  type: keyof typeof tokenTypes,
  message: Record<string, unknown>,
  domain: TypedDataDomain = {},
): Promise<string> {
  const ofToken = tokenDomain(await token.getAddress());
  return signer.signTypedData({ ...ofToken, ...domain }, { [type]: tokenTypes[type] }, message);
}

// Not by the library's own class, which would mend or refuse what a test wants to be bad.
const split = (signature: string) =>
  [BigInt(`0x${signature.slice(130, 132)}`), signature.slice(0, 66), `0x${signature.slice(66, 130)}`] as const;

/** The other signature that proves the same: s mirrored, v flipped. */
export function withHighS(signature: string): string {
  const [v, r, s] = split(signature);
  return `${r}${(secp256k1Order - BigInt(s)).toString(16).padStart(64, "0")}${v === 27n ? "1c" : "1b"}`;
}

/** The signature with v as 0 or 1, as some signers give it. */
export const withBareV = (signature: string): string =>
  `${signature.slice(0, 130)}${signature.endsWith("1b") ? "00" : "01"}`;

/** The 64-byte form of EIP-2098. */
export function asCompact(signature: string): string {
  const [v, r, s] = split(signature);
  return `${r}${(BigInt(s) | ((v - 27n) << 255n)).toString(16).padStart(64, "0")}`;
}

export async function sendAuthorization(
  token: MockDigitalYuan,
  method: "transferWithAuthorization" | "receiveWithAuthorization",
  form: Form,
  authorization: TransferAuthorization,
  signature: string,
): Promise<ContractTransactionResponse> {
  const { from, to, value, validAfter, validBefore, nonce } = authorization;
  const terms = [from, to, value, validAfter, validBefore, nonce] as const;
  return form === "bytes"
    ? token[`${method}(address,address,uint256,uint256,uint256,bytes32,bytes)`](...terms, signature)
    : token[`${method}(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)`](
        ...terms,
        ...split(signature),
      );
}

export async function sendCancellation(
  token: MockDigitalYuan,
  form: Form,
  authorizer: string,
  nonce: string,
  signature: string,
): Promise<ContractTransactionResponse> {
  return form === "bytes"
    ? token["cancelAuthorization(address,bytes32,bytes)"](authorizer, nonce, signature)
    : token["cancelAuthorization(address,bytes32,uint8,bytes32,bytes32)"](authorizer, nonce, ...split(signature));
}

export async function sendPermit(
  token: MockDigitalYuan,
  permit: { owner: string; spender: string; value: bigint; deadline: bigint },
  signature: string,
): Promise<ContractTransactionResponse> {
  return token.permit(permit.owner, permit.spender, permit.value, permit.deadline, ...split(signature));
}

/** Every event of a transaction by this contract, as name and arguments. */
export async function eventsOf(token: MockDigitalYuan, transaction: ContractTransactionResponse): Promise<unknown[][]> {
  const receipt = await transaction.wait();
  return (receipt?.logs ?? []).map((log) => {
    const event = token.interface.parseLog(log);
    return event === null ? ["unknown"] : [event.name, ...(event.args.toArray(true) as unknown[])];
  });
}

export async function balancesOf(token: MockDigitalYuan, accounts: AddressLike[]): Promise<bigint[]> {
  return Promise.all(accounts.map((account) => token.balanceOf(account)));
}
