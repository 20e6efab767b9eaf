// Signatures for the model test: good ones, and those that must not be accepted.
import { createRequire } from "node:module";

import {
  type BaseWallet,
  concat,
  getBytes,
  hexlify,
  keccak256,
  Signature,
  type TypedDataDomain,
  TypedDataEncoder,
} from "ethers";

import type { ModelAuthorization } from "./moneyModel.ts";
import type { Random } from "./random.ts";

const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const receiveTypes = {
  ReceiveWithAuthorization: [
    { name: "from", type: "address" },
    { name: "to", type: "address" },
    { name: "value", type: "uint256" },
    { name: "validAfter", type: "uint256" },
    { name: "validBefore", type: "uint256" },
    { name: "nonce", type: "bytes32" },
  ],
};

export type FieldTypes = Record<string, { name: string; type: string }[]>;

const encoders = new Map<FieldTypes, TypedDataEncoder>();
const domainHashes = new Map<string, string>();

/** The EIP-712 digest; what does not change is computed once, since a long run signs a hundred thousand statements. */
function digestOf(domain: TypedDataDomain & { verifyingContract: string }, types: FieldTypes, value: object): string {
  const encoder = encoders.get(types) ?? TypedDataEncoder.from(types);
  encoders.set(types, encoder);
  const key = `${domain.name} ${domain.verifyingContract}`;
  const domainHash = domainHashes.get(key) ?? TypedDataEncoder.hashDomain(domain);
  domainHashes.set(key, domainHash);
  return keccak256(concat(["0x1901", domainHash, encoder.hash(value)]));
}

// A long run signs some hundred thousand times, which takes an hour in JavaScript.
const { ecdsaSign } = createRequire(import.meta.url)("secp256k1") as {
  ecdsaSign: (digest: Uint8Array, key: Uint8Array) => { signature: Uint8Array; recid: number };
};

function signDigest(wallet: BaseWallet, digest: string): string {
  const { signature, recid } = ecdsaSign(getBytes(digest), getBytes(wallet.privateKey));
  return hexlify(signature) + (27 + recid).toString(16);
}

export type Domain = TypedDataDomain & { verifyingContract: string };

/** Makes what actors sign with. */
export function createSigning(parameters: {
  random: Random;
  chainId: bigint;
  everybody: readonly BaseWallet[];
  now: () => number;
}) {
  const { random, chainId, everybody, now } = parameters;
  const walletOf = (address: string): BaseWallet | undefined => everybody.find((wallet) => wallet.address === address);

  return {
    walletOf,
    sign: (wallet: BaseWallet, domain: Domain, types: FieldTypes, value: object): string =>
      signDigest(wallet, digestOf(domain, types, value)),

    /** A signature in one of the forms that must not be accepted, now and then. */
    spoil(good: string): { signature: string; isGood: boolean } {
      if (random.chance(0.85)) return { signature: good, isGood: true };
      const { r, s, v } = Signature.from(good);
      const highS = `0x${(order - BigInt(s)).toString(16).padStart(64, "0")}`;
      const join = (...parts: string[]): string => `0x${parts.map((part) => part.replace(/^0x/, "")).join("")}`;
      const bad = random.pick([
        join(r, highS, v === 27 ? "1c" : "1b"),
        join(r, s, v === 27 ? "1c" : "1b"),
        join(r, s, v === 27 ? "00" : "01"),
        join(r, s),
        join(r, s, "1b1b"),
        "0x",
      ]);
      return { signature: bad, isGood: false };
    },

    someDeadline: (): number => now() + random.pick([-1, 0, 1, 1000, 1000, 1000]),

    /** An EIP-3009 authorization to `to`, now and then by somebody else or for something else. */
    someAuthorization(
      token: string,
      value: bigint,
      expectedNonce: string,
      { from, to, isNonceBound = false }: { from: string; to: string; isNonceBound?: boolean },
    ): { model: ModelAuthorization; signature: string } {
      const nonce = isNonceBound || random.chance(0.95) ? expectedNonce : random.bytes32();
      const validBefore = now() + random.pick([0, 1, 1000, 1000, 1000]);
      const isRight = random.chance(0.95);
      const signer = isRight ? walletOf(from) : random.pick(everybody);
      const signed = random.chance(0.97) ? value : value + 1n;
      const tokenDomain = { name: "Gas Token", version: "1", chainId, verifyingContract: token };
      const message = { from, to, value: signed, validAfter: 0n, validBefore, nonce };
      const digest = digestOf(tokenDomain, receiveTypes, message);
      const signature = signDigest(signer ?? random.pick(everybody), digest);
      const isSigned = signer !== undefined && signer.address === from && signed === value;
      return { model: { from, nonce, expectedNonce, validBefore, isSigned }, signature };
    },
  };
}

export type Signing = ReturnType<typeof createSigning>;

export function isLowS(signature: string): boolean {
  return BigInt(`0x${signature.slice(66, 130)}`) <= order / 2n;
}
