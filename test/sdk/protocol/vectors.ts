import { readFileSync } from "node:fs";

import type { Address, Hex } from "viem";

import type { Domain, Terms } from "../../../sdk/src/protocol/index.ts";

type Signed = { digest: Hex; signature: Hex };

/** The parts of the vectors that are covered; amounts and times are decimal strings. */
export type Vectors = {
  chainId: number;
  contract: Address;
  token: Address;
  key: Hex;
  terms: Terms;
  channelId: Hex;
  domain: Domain;
  domainSeparator: Hex;
  vouchers: (Signed & { cumulativeAmount: string })[];
  conditionalVouchers: (Signed & {
    cumulativeAmount: string;
    payments: { ref: Hex; condition: Address; parametersHash: Hex; amount: string }[];
    paymentIds: Hex[];
    structHashes: Hex[];
  })[];
  closeAuthorization: Signed & { channelId: Hex; cumulativeAmount: string; nonce: string; deadline: string };
  settleAuthorization: Signed & { cumulativeAmount: string; nonce: string; deadline: string };
  closeRequest: Signed & { channelId: Hex; deadline: string };
  openWithAuthorization: Signed & { deposit: string; validAfter: string; validBefore: string; nonce: Hex };
  topUpWithAuthorization: { additionalDeposit: string; topUpSalt: Hex; nonce: Hex };
  verdictDomain: Domain;
  verdicts: (Signed & {
    evaluator: Address;
    privateKey: Hex;
    paymentId: Hex;
    specHash: Hex;
    deliverableHash: Hex;
    amount: string;
    issuedAt: string;
  })[];
  tokenDomain: Domain;
  challenge: {
    secretHex: string;
    realm: string;
    request: Record<string, string | Record<string, string | number>>;
    requestBase64url: string;
    expires: string;
    id: string;
  };
  receipt: Signed & {
    channelId: Hex;
    statementHash: Hex;
    spent: string;
    requestHash: Hex;
    responseHash: Hex;
    issuedAt: string;
    signer: Address;
  };
};

/** Made with viem alone, outside the project. */
export const readVectors = (): Vectors =>
  JSON.parse(readFileSync(new URL("../../fixtures/vectors.json", import.meta.url), "utf8")) as Vectors;
