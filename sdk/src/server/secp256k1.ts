import { createRequire } from "node:module";

import { SubfenError } from "../errors.ts";

/** ECDSA over secp256k1 on bytes. Nothing here throws on what a stranger sent: it is `undefined` or `false`. */
export type Secp256k1 = {
  /** What does the work: libsecp256k1 as machine code, or compiled to WebAssembly. */
  readonly backend: "native" | "wasm";
  /**
   * Recovers the key that made a signature, exactly as the EVM's `ecrecover` does: a high s is recovered too, so who
   * refuses it looks first.
   *
   * @param digest - 32 bytes.
   * @param signature - r and s, 64 bytes.
   * @param recoveryId - v - 27.
   * @returns The uncompressed public key, 65 bytes, or `undefined` where there is none.
   */
  recover(digest: Uint8Array, signature: Uint8Array, recoveryId: 0 | 1): Uint8Array | undefined;
  /**
   * Verifies a signature against a known key. It does not see v: a contract, which recovers, may refuse what this
   * accepts. {@link Secp256k1.recover} costs hardly more and does not have this gap.
   *
   * @param digest - 32 bytes.
   * @param signature - r and s, 64 bytes; a high s is refused.
   * @param publicKey - The uncompressed public key, 65 bytes.
   * @returns `true` if the key made the signature.
   */
  verify(digest: Uint8Array, signature: Uint8Array, publicKey: Uint8Array): boolean;
  /**
   * Signs, by RFC 6979: the same key and digest always give the same signature.
   *
   * @param digest - 32 bytes.
   * @param privateKey - 32 bytes, not zero and below the group's order.
   * @returns r, s and v, 65 bytes, low s, v 27 or 28.
   */
  sign(digest: Uint8Array, privateKey: Uint8Array): Uint8Array;
};

/** The backend that was asked for by name is not to be had on this machine. */
export class Secp256k1UnavailableError extends SubfenError {
  override readonly name = "Secp256k1UnavailableError";
  declare readonly code: "secp256k1-unavailable";

  constructor(parameters: { cause: unknown }) {
    super("The native secp256k1 library cannot be loaded.", {
      code: "secp256k1-unavailable",
      metaMessages: [
        `Given: ${process.platform}-${process.arch}, for which the package secp256k1 brings or built no binary.`,
        'Do: leave out `backend`, or ask for "wasm"; or build the package secp256k1 from source.',
      ],
      cause: parameters.cause,
    });
  }
}

/** The part of the package secp256k1 that is used; it throws on what a signature must not be. */
type NativeBinding = {
  ecdsaRecover(signature: Uint8Array, recoveryId: number, digest: Uint8Array, compressed: boolean): Uint8Array;
  ecdsaVerify(signature: Uint8Array, digest: Uint8Array, publicKey: Uint8Array): boolean;
  ecdsaSign(digest: Uint8Array, privateKey: Uint8Array): { signature: Uint8Array; recid: number };
};

/**
 * Loads the fastest secp256k1 that this machine has: libsecp256k1 as machine code, or else compiled to WebAssembly,
 * which takes two to three times as long. Both are the same C library and give the same answers.
 *
 * @param parameters - Which backend to load; the fastest if left out.
 * @returns The three functions and the name of the backend.
 * @throws {Secp256k1UnavailableError} when `"native"` is asked for and cannot be loaded.
 */
export async function createSecp256k1(parameters: createSecp256k1.Parameters = {}): Promise<Secp256k1> {
  const { backend } = parameters;
  if (backend === "wasm") return createWasm();
  try {
    return createNative();
  } catch (cause) {
    if (backend === "native") throw new Secp256k1UnavailableError({ cause });
    return createWasm();
  }
}

export declare namespace createSecp256k1 {
  type Parameters = { backend?: "native" | "wasm" | undefined };
  type ReturnType = Secp256k1;
  type ErrorType = Secp256k1UnavailableError;
}

function createNative(): Secp256k1 {
  // The package's main file falls back to JavaScript, a hundred times slower, without a word; its bindings file
  // throws where there is no binary.
  const binding = createRequire(import.meta.url)("secp256k1/bindings.js") as NativeBinding;
  return {
    backend: "native",
    recover(digest, signature, recoveryId) {
      if (digest.length !== 32 || signature.length !== 64) return undefined;
      try {
        return binding.ecdsaRecover(signature, recoveryId, digest, false);
      } catch {
        return undefined;
      }
    },
    verify(digest, signature, publicKey) {
      if (digest.length !== 32 || signature.length !== 64 || publicKey.length !== 65) return false;
      try {
        return binding.ecdsaVerify(signature, digest, publicKey);
      } catch {
        return false;
      }
    },
    sign(digest, privateKey) {
      const { signature, recid } = binding.ecdsaSign(digest, privateKey);
      return withRecovery(signature, recid);
    },
  };
}

async function createWasm(): Promise<Secp256k1> {
  // Not through the package's main file, which loads a whole wallet.
  const { instantiateSecp256k1 } = await import("@bitauth/libauth/build/lib/crypto/secp256k1.js");
  const library = await instantiateSecp256k1();
  return {
    backend: "wasm",
    recover(digest, signature, recoveryId) {
      if (digest.length !== 32 || signature.length !== 64) return undefined;
      const publicKey = library.recoverPublicKeyUncompressed(signature, recoveryId, digest);
      return typeof publicKey === "string" ? undefined : publicKey;
    },
    verify(digest, signature, publicKey) {
      if (digest.length !== 32 || signature.length !== 64 || publicKey.length !== 65) return false;
      return library.verifySignatureCompactLowS(signature, publicKey, digest);
    },
    sign(digest, privateKey) {
      const signed = library.signMessageHashRecoverableCompact(privateKey, digest);
      // It says so only of keys, and viem's account has refused those.
      if (typeof signed === "string") throw new RangeError(signed);
      return withRecovery(signed.signature, signed.recoveryId);
    },
  };
}

function withRecovery(signature: Uint8Array, recoveryId: number): Uint8Array {
  const signed = new Uint8Array(65);
  signed.set(signature);
  signed[64] = 27 + recoveryId;
  return signed;
}
