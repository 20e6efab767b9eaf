import { type Hex, keccak256, stringToHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";

/** Throw-away keys: nothing here is on any chain. */
export const keyOf = (name: string): Hex => keccak256(stringToHex(`subfen bench ${name}`));

export const sellerKey = keyOf("seller");
export const seller = privateKeyToAccount(sellerKey);
export const buyerKey = (index: number): Hex => keyOf(`buyer ${index}`);
export const saltOf = (index: number): Hex => keyOf(`salt ${index}`);
