import { keccak256, type Signer, TypedDataEncoder } from "ethers";

import { channelIdOf, encodeValues, type Terms, type World } from "./channels.ts";

/** The types of a conditional voucher, told once more so that the contract's own are checked. */
export const CONDITIONAL_TYPES = {
  ConditionalVoucher: [
    { name: "channelId", type: "bytes32" },
    { name: "cumulativeAmount", type: "uint128" },
    { name: "payments", type: "ConditionalPayment[]" },
  ],
  ConditionalPayment: [
    { name: "ref", type: "bytes32" },
    { name: "condition", type: "address" },
    { name: "parametersHash", type: "bytes32" },
    { name: "amount", type: "uint128" },
  ],
};

/** A payment as the payer signs it, with the parameters behind it. */
export type Payment = { ref: string; condition: string; amount: bigint; parameters: string };

export type ConditionalClaim = {
  terms: Terms;
  amount: bigint;
  cumulativeAmount: bigint;
  paymentHashes: string[];
  proven: (Payment & { index: number; evidence: string })[];
  signature: string;
};

const toSigned = ({ parameters, ...payment }: Payment) => ({ ...payment, parametersHash: keccak256(parameters) });

/** The struct hash of a payment. */
export const hashPayment = (payment: Payment): string =>
  TypedDataEncoder.from({ ConditionalPayment: CONDITIONAL_TYPES.ConditionalPayment }).hash(toSigned(payment));

/** Signs a conditional voucher. */
export const signConditional = (
  world: World,
  terms: Terms,
  cumulativeAmount: bigint,
  payments: Payment[],
  { signer = world.payer as Signer, domain = world.domain } = {},
): Promise<string> =>
  signer.signTypedData(domain, CONDITIONAL_TYPES, {
    channelId: channelIdOf(world, terms),
    cumulativeAmount,
    payments: payments.map(toSigned),
  });

/** A claim of `amount` by a voucher over `payments`, of which those with evidence are proven. */
export async function conditionalClaimOf(
  world: World,
  terms: Terms,
  amount: bigint,
  payments: (Payment & { evidence?: string })[],
  { cumulativeAmount = 0n, signer = world.payer as Signer } = {},
): Promise<ConditionalClaim> {
  const signature = await signConditional(
    world,
    terms,
    cumulativeAmount,
    payments.map(({ evidence: _evidence, ...payment }) => payment),
    { signer },
  );
  return {
    terms,
    amount,
    cumulativeAmount,
    paymentHashes: payments.map(({ evidence: _evidence, ...payment }) => hashPayment(payment)),
    proven: payments.flatMap(({ evidence, ...payment }, index) =>
      evidence === undefined ? [] : [{ index, ...payment, evidence }],
    ),
    signature,
  };
}

/** Parameters of the condition that says what it is told: the words of memory that its answer takes. */
export const echoParameters = (words = 0n): string => encodeValues(["uint256"], [words]);

/** Evidence by which that condition says that this is due. */
export const says = (due: bigint): string => encodeValues(["uint256"], [due]);
