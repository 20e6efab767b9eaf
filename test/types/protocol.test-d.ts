// Checked by the compiler alone: `npm run check`.
import { expectTypeOf } from "expect-type";
import type { PrivateKeyAccount } from "viem";

import {
  computeChannelId,
  formatYuan,
  hashVoucher,
  InvalidAmountError,
  isSubfenError,
  parseYuan,
  type SigningAccount,
  signVoucher,
  SubfenError,
  type Terms,
  verifyVoucher,
  type Voucher,
} from "../../sdk/src/index.ts";

type Hex = `0x${string}`;
type At = { contract: Hex; chainId: number };

expectTypeOf(parseYuan).toEqualTypeOf<(text: string) => bigint>();
expectTypeOf(formatYuan).toEqualTypeOf<(amount: bigint) => string>();

expectTypeOf<Voucher>().toEqualTypeOf<{ channelId: Hex; cumulativeAmount: bigint }>();
expectTypeOf<Terms>().toEqualTypeOf<{ payer: Hex; payee: Hex; token: Hex; salt: Hex; authorizedSigner: Hex }>();
expectTypeOf(hashVoucher).parameters.toEqualTypeOf<[At & Voucher]>();
expectTypeOf(hashVoucher).returns.toEqualTypeOf<Hex>();
expectTypeOf(signVoucher).parameters.toEqualTypeOf<[At & Voucher & { account: SigningAccount }]>();
expectTypeOf(signVoucher).returns.resolves.toEqualTypeOf<Hex>();
expectTypeOf(verifyVoucher).parameters.toEqualTypeOf<[At & Voucher & { signature: Hex; signer: Hex }]>();
expectTypeOf(verifyVoucher).returns.resolves.toEqualTypeOf<boolean>();
expectTypeOf(computeChannelId).parameters.toEqualTypeOf<[At & { terms: Terms }]>();

// Accounts of viem fit as they are.
expectTypeOf<PrivateKeyAccount>().toExtend<SigningAccount>();

expectTypeOf<SubfenError>().toExtend<Error>();
expectTypeOf<SubfenError["code"]>().toEqualTypeOf<string>();
expectTypeOf<InvalidAmountError["code"]>().toEqualTypeOf<"invalid-amount">();
expectTypeOf<SubfenError["metaMessages"]>().toEqualTypeOf<readonly string[]>();

/** What the compiler refuses, and what it knows after a check. */
export function refused(error: unknown, at: At & { channelId: Hex }, subfenError: SubfenError): void {
  if (isSubfenError(error, "no-gas")) expectTypeOf(error).toEqualTypeOf<SubfenError & { readonly code: "no-gas" }>();
  if (isSubfenError(error)) expectTypeOf(error.code).toEqualTypeOf<string>();
  // @ts-expect-error: amounts are bigint
  hashVoucher({ ...at, cumulativeAmount: 1 });
  // @ts-expect-error: a number may have lost digits
  parseYuan(0.0012);
  // @ts-expect-error: amounts are bigint
  formatYuan(1);
  // @ts-expect-error: errors do not change
  subfenError.code = "another";
}
