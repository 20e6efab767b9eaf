import type { Address, Hex } from "viem";
import { hashTypedData, recoverAddress } from "viem/utils";

import { assertField, InvalidFieldError } from "./assertField.ts";
import { assertDomain, type Domain } from "./domain.ts";
import { type InvalidSignatureError, isCanonicalSignature, normalizeSignature } from "./signature.ts";

/**
 * Who signs. Accounts of viem fit as they are; any object with an address and EIP-712 signing does. An account that
 * can also sign a bare hash is asked to do that, which is cheaper: the hash is computed here.
 */
export type SigningAccount = {
  address: Address;
  signTypedData(parameters: TypedData): Promise<Hex>;
  sign?: ((parameters: { hash: Hex }) => Promise<Hex>) | undefined;
  /** viem's kind of account: the `sign` of a `"smart"` one does not sign the bare hash and is not used. */
  type?: string | undefined;
};

/** What {@link SigningAccount} signs: the JSON of `eth_signTypedData_v4` with bigints, without `EIP712Domain`. */
export type TypedData = {
  domain: Domain;
  types: Record<string, { name: string; type: string }[]>;
  primaryType: string;
  message: Record<string, unknown>;
};

/** A typed message in a domain (EIP-712). */
export type TypedMessage = {
  domain: Domain;
  /** The type as EIP-712 encodes it and Solidity hashes it: the primary type, then the types it uses. */
  type: string;
  message: Record<string, unknown>;
};

export type SignErrorType = InvalidFieldError | InvalidSignatureError;

/** @internal */
export function hashTypedMessage(parameters: TypedMessage): Hex {
  return hashTypedData(toTypedData(parameters));
}

/** @internal */
export async function signTypedMessage(parameters: TypedMessage & { account: SigningAccount }): Promise<Hex> {
  const { account } = parameters;
  const typedData = toTypedData(parameters);
  const signature =
    account.sign !== undefined && account.type !== "smart"
      ? await account.sign({ hash: hashTypedData(typedData) })
      : await account.signTypedData(typedData);
  return normalizeSignature(signature);
}

/** @internal */
export async function verifyTypedMessage(
  parameters: TypedMessage & { signature: Hex; signer: Address },
): Promise<boolean> {
  const { signature, signer } = parameters;
  const hash = hashTypedMessage(parameters);
  if (!isCanonicalSignature(signature)) return false;
  try {
    const recovered = await recoverAddress({ hash, signature });
    return recovered.toLowerCase() === signer.toLowerCase();
  } catch {
    // No point of the curve has this r: the signature is nobody's.
    return false;
  }
}

/** @internal */
export function toTypes(type: string): TypedData["types"] {
  const types: TypedData["types"] = {};
  for (const [, name = "", fields = ""] of type.matchAll(/(\w+)\(([^)]*)\)/g))
    types[name] = fields.split(",").map((field) => {
      const [fieldType = "", fieldName = ""] = field.split(" ");
      return { name: fieldName, type: fieldType };
    });
  return types;
}

function toTypedData({ domain, type, message }: TypedMessage): TypedData {
  const types = toTypes(type);
  const primaryType = type.slice(0, type.indexOf("("));
  assertDomain(domain);
  assertMessage({ types, primaryType, message });
  return { domain, types, primaryType, message };
}

/** @internal */
export function assertMessage(parameters: Pick<TypedData, "types" | "primaryType" | "message">): void {
  const { types, primaryType, message } = parameters;
  for (const { name, type } of types[primaryType] ?? []) {
    const field = `${primaryType}.${name}`;
    const value = message[name];
    if (!type.endsWith("[]")) assertField({ field, type, value });
    else if (!Array.isArray(value)) throw new InvalidFieldError({ field, type, value, allowed: "an array." });
    else for (const item of value) assertMessage({ types, primaryType: type.slice(0, -"[]".length), message: item });
  }
}
