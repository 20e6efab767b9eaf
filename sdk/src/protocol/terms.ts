import type { Address, Hex } from "viem";

/** @internal */
export const zeroAddress: Address = "0x0000000000000000000000000000000000000000";

/** What a channel is about: fixed for its life, hashed into its id and never stored on chain. */
export type Terms = {
  /** Whose money it is; gets the rest back. */
  payer: Address;
  /** Who is paid. */
  payee: Address;
  /** The ERC-20 token that is paid in. */
  token: Address;
  /** 32 bytes that make the id unlike that of any other channel of the same parties. */
  salt: Hex;
  /** The key that signs vouchers for the payer; the zero address means the payer itself. */
  authorizedSigner: Address;
};

/**
 * Says whose signature makes a voucher valid.
 *
 * @param terms - The channel's terms.
 * @returns `authorizedSigner`, or `payer` where that is the zero address.
 * @example
 * import { voucherSigner } from "subfen";
 * import { zeroAddress, zeroHash } from "viem";
 *
 * const payer = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A";
 * const payee = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
 * const token = "0x5FbDB2315678afecb367f032d93F642f64180aa3";
 * voucherSigner({ payer, payee, token, salt: zeroHash, authorizedSigner: zeroAddress }); // payer
 */
export function voucherSigner(terms: Terms): voucherSigner.ReturnType {
  return terms.authorizedSigner === zeroAddress ? terms.payer : terms.authorizedSigner;
}

export declare namespace voucherSigner {
  type ReturnType = Address;
}
