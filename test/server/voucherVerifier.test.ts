import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

import { expect } from "chai";
import { type Address, type Hex, hexToBytes, recoverPublicKey } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import { hashVoucher, InvalidFieldError, signVoucher, verifyVoucher } from "../../sdk/src/protocol/index.ts";
import { createSecp256k1, type Secp256k1 } from "../../sdk/src/server/secp256k1.ts";
import { createVoucherVerifier, type VoucherVerifier } from "../../sdk/src/server/voucherVerifier.ts";
import { createRandom } from "../sdk/protocol/random.ts";
import { readVectors } from "../sdk/protocol/vectors.ts";

const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const word = (value: bigint) => value.toString(16).padStart(64, "0");
const ones = (length: number) => new Uint8Array(length).fill(1);
const backends = ["native", "wasm"] as const;

const vectors = readVectors();
const { chainId, contract, channelId, terms } = vectors;
const channels = { contract, chainId };
const signer = terms.payer;

/** What a stranger may do to a signature, with what must come of it where that is certain. */
function variantsOf(signature: Hex): [signature: string, reason?: string][] {
  const body = signature.slice(0, 130);
  const r = signature.slice(0, 66);
  const s = BigInt(`0x${signature.slice(66, 130)}`);
  const v = signature.slice(130);
  const flipped = v === "1b" ? "1c" : "1b";
  const twin = word(order - s);
  return [
    [`${body}${flipped}`, "signer-mismatch"],
    [`${r}${twin}${flipped}`, "high-s"],
    [`${r}${twin}${v}`, "high-s"],
    [`${r}${word(order)}${v}`, "high-s"],
    [`${r}${"f".repeat(64)}${v}`, "high-s"],
    [`${r}${word(order / 2n + 1n)}${v}`, "high-s"],
    [`${r}${word(order / 2n)}${v}`, "signer-mismatch"],
    [`${r}${word(0n)}${v}`, "invalid"],
    [`0x${word(0n)}${word(s)}${v}`, "invalid"],
    [`0x${word(order)}${word(s)}${v}`, "invalid"],
    [`0x${word(order + 1n)}${word(s)}${v}`, "invalid"],
    [`0x${"f".repeat(64)}${word(s)}${v}`, "invalid"],
    // No point has the x coordinate 5.
    [`0x${word(5n)}${word(s)}${v}`, "invalid"],
    [`0x${word(0n)}${word(0n)}1b`, "invalid"],
    ...["00", "01", "02", "03", "1a", "1d", "1e", "23", "25", "26", "ff"].map((other): [string, string] => [
      `${body}${other}`,
      "malformed",
    ]),
    [body, "malformed"],
    [`${r}${word(s | (1n << 255n))}`, "malformed"],
    [signature.slice(0, -1), "malformed"],
    [signature.slice(0, -2), "malformed"],
    [`${signature}0`, "malformed"],
    [`${signature}00`, "malformed"],
    [`${signature}${signature.slice(2)}`, "malformed"],
    [signature.slice(2), "malformed"],
    [`0X${signature.slice(2)}`, "malformed"],
    [` ${signature.slice(0, -1)}`, "malformed"],
    [`${signature.slice(0, -1)}\n`, "malformed"],
    [`${signature.slice(0, 10)}g${signature.slice(11)}`, "malformed"],
    // U+FF11 and U+0131 end in the byte of "1": a decoder that cuts characters to bytes reads a digit.
    [`${signature.slice(0, 10)}\uff11${signature.slice(11)}`, "malformed"],
    [`${signature.slice(0, 10)}\u0131${signature.slice(11)}`, "malformed"],
    ["0x", "malformed"],
    ["", "malformed"],
  ];
}

describe("createVoucherVerifier", () => {
  const verifiers: VoucherVerifier[] = [];
  before(async () => {
    for (const backend of backends) verifiers.push(await createVoucherVerifier({ ...channels, backend }));
  });

  it("uses the backend asked for, and the native one if that is there", async () => {
    expect(verifiers.map(({ backend }) => backend)).to.deep.equal(backends);
    const fastest = await createSecp256k1();
    expect((await createVoucherVerifier(channels)).backend).to.equal(fastest.backend);
  });

  it("agrees with the vectors", () => {
    for (const verifier of verifiers)
      for (const { cumulativeAmount, digest, signature } of vectors.vouchers) {
        const voucher = { channelId, cumulativeAmount: BigInt(cumulativeAmount) };
        expect(verifier.digest(channelId, voucher.cumulativeAmount)).to.equal(digest);
        expect(verifier.verify({ ...voucher, signature, signer })).to.deep.equal({ valid: true });
      }
  });

  it("hashes like hashVoucher, for amounts of every width", () => {
    const random = createRandom(10);
    for (let i = 0; i < 200; i++) {
      const voucher = { channelId: random.hex(32), cumulativeAmount: random.uint(128) };
      for (const verifier of verifiers)
        expect(verifier.digest(voucher.channelId, voucher.cumulativeAmount)).to.equal(
          hashVoucher({ ...channels, ...voucher }),
        );
    }
  });

  it("is bound to its contract and chain", async () => {
    const { cumulativeAmount, signature } = vectors.vouchers[0]!;
    for (const other of [
      { contract: vectors.token, chainId },
      { contract, chainId: 1 },
    ]) {
      const verifier = await createVoucherVerifier(other);
      const amount = BigInt(cumulativeAmount);
      expect(verifier.verify({ channelId, cumulativeAmount: amount, signature, signer })).to.deep.equal({
        valid: false,
        reason: "signer-mismatch",
      });
    }
  });

  it("refuses every other form of a good signature, before and after it was seen (F014)", async () => {
    for (const { cumulativeAmount, signature } of vectors.vouchers)
      for (const verifier of verifiers) {
        const voucher = { channelId, cumulativeAmount: BigInt(cumulativeAmount), signer };
        for (const seen of [false, true]) {
          if (seen) expect(verifier.verify({ ...voucher, signature })).to.deep.equal({ valid: true });
          for (const [variant, reason] of variantsOf(signature))
            expect(verifier.verify({ ...voucher, signature: variant as Hex }), variant).to.deep.equal({
              valid: false,
              reason,
            });
        }
        expect(verifier.verify({ ...voucher, signature: `0x${signature.slice(2).toUpperCase()}` }).valid).to.equal(
          true,
        );
      }
  });

  it("refuses amounts that do not fit 128 bits and never cuts one (F012)", async () => {
    const account = privateKeyToAccount(vectors.key);
    const signature = await signVoucher({ ...channels, account, channelId, cumulativeAmount: 5n });
    for (const verifier of verifiers) {
      expect(verifier.verify({ channelId, cumulativeAmount: 5n, signature, signer }).valid).to.equal(true);
      for (const cumulativeAmount of [
        2n ** 128n,
        2n ** 128n + 5n,
        2n ** 256n - 1n,
        2n ** 256n + 5n,
        -1n,
        -5n,
        5,
        "5",
      ]) {
        const voucher = { channelId, cumulativeAmount: cumulativeAmount as bigint };
        expect(verifier.verify({ ...voucher, signature, signer })).to.deep.equal({ valid: false, reason: "malformed" });
        expect(() => verifier.digest(channelId, voucher.cumulativeAmount)).to.throw(InvalidFieldError);
      }
    }
    const top = vectors.vouchers[3]!;
    expect(BigInt(top.cumulativeAmount)).to.equal(2n ** 128n - 1n);
  });

  it("throws at nothing a stranger can send", () => {
    const { signature } = vectors.vouchers[1]!;
    const good = { channelId, cumulativeAmount: 250_000n, signature, signer };
    const junk: unknown[] = [
      undefined,
      null,
      5,
      5n,
      {},
      [],
      true,
      "",
      "0x",
      "0x00",
      [signature],
      [channelId],
      [signer],
    ];
    for (const verifier of verifiers) {
      expect(verifier.verify(good)).to.deep.equal({ valid: true });
      for (const field of ["channelId", "signature", "signer"] as const)
        for (const value of junk)
          expect(verifier.verify({ ...good, [field]: value }), `${field} ${String(value)}`).to.deep.equal({
            valid: false,
            reason: "malformed",
          });
      expect(() => verifier.digest("0x00", 1n)).to.throw(InvalidFieldError, "Voucher.channelId");
      // The buffers that are used again hold nothing of what was refused.
      expect(verifier.verify(good)).to.deep.equal({ valid: true });
    }
  });

  it("knows a signer's address in any case", () => {
    const { signature } = vectors.vouchers[1]!;
    const voucher = { channelId, cumulativeAmount: 250_000n, signature };
    for (const verifier of verifiers) {
      for (const form of [signer.toLowerCase(), `0x${signer.slice(2).toUpperCase()}`] as Address[])
        expect(verifier.verify({ ...voucher, signer: form })).to.deep.equal({ valid: true });
      for (const other of [vectors.token, `0x${"00".repeat(20)}`] as Address[])
        expect(verifier.verify({ ...voucher, signer: other })).to.deep.equal({
          valid: false,
          reason: "signer-mismatch",
        });
    }
  });

  it("gives the same answers with both backends as verifyVoucher, over random damage", async () => {
    const random = createRandom(11);
    const tally: Record<string, number> = {};
    for (let round = 0; round < 12; round++) {
      const account = privateKeyToAccount(random.hex(32));
      const voucher = { channelId: random.hex(32), cumulativeAmount: random.uint(128) };
      const signature = await signVoucher({ ...channels, ...voucher, account });
      const bytes = Buffer.from(signature.slice(2), "hex");
      const damaged = Array.from({ length: 12 }, (): Hex => {
        const copy = Buffer.from(bytes);
        for (let flips = 1 + random.below(3); flips > 0; flips--) copy[random.below(65)]! ^= 1 << random.below(8);
        return `0x${copy.toString("hex")}`;
      });
      const cases = [
        ...[signature, ...damaged, ...variantsOf(signature).map(([variant]) => variant as Hex), random.hex(65)].map(
          (form) => ({ ...voucher, signature: form }),
        ),
        { ...voucher, signature, cumulativeAmount: voucher.cumulativeAmount ^ 1n },
        { ...voucher, signature, channelId: random.hex(32) },
      ];
      for (const item of cases) {
        const parameters = { ...item, signer: account.address };
        const [native, wasm] = verifiers.map((verifier) => verifier.verify(parameters));
        expect(native, item.signature).to.deep.equal(wasm);
        expect(native?.valid, item.signature).to.equal(await verifyVoucher({ ...channels, ...parameters }));
        const outcome = native?.valid === false ? native.reason : "valid";
        tally[outcome] = (tally[outcome] ?? 0) + 1;
      }
    }
    expect(tally).to.have.all.keys("valid", "malformed", "high-s", "invalid", "signer-mismatch");
  });
});

describe("createSecp256k1", () => {
  const libraries: Secp256k1[] = [];
  before(async () => {
    for (const backend of backends) libraries.push(await createSecp256k1({ backend }));
  });

  it("recovers and verifies alike with both backends, and like noble", async () => {
    const random = createRandom(12);
    const edges = [0n, 1n, 5n, order / 2n, order / 2n + 1n, order - 1n, order, order + 1n, 2n ** 256n - 1n];
    const pick = () => word(random.below(2) === 0 ? edges[random.below(edges.length)]! : BigInt(random.hex(32)));
    let recovered = 0;
    for (let i = 0; i < 300; i++) {
      const digest = i % 10 === 0 ? new Uint8Array(32) : random.bytes(32);
      const compact = Buffer.from(pick() + pick(), "hex");
      const recoveryId = random.below(2) as 0 | 1;
      const keys = libraries.map((library) => library.recover(digest, compact, recoveryId));
      const reference = await recoverPublicKey({
        hash: digest,
        signature: `0x${compact.toString("hex")}${recoveryId === 0 ? "1b" : "1c"}`,
      }).then(hexToBytes, () => undefined);
      for (const key of keys) expect(key && Buffer.from(key)).to.deep.equal(reference && Buffer.from(reference));
      if (reference === undefined) continue;
      recovered++;
      const lowS = BigInt(`0x${compact.subarray(32).toString("hex")}`) <= order / 2n;
      for (const library of libraries) {
        expect(library.verify(digest, compact, reference)).to.equal(lowS);
        expect(library.verify(random.bytes(32), compact, reference)).to.equal(false);
      }
    }
    expect(recovered).to.be.within(50, 250);
  });

  it("refuses the high-s twin and a key that is none", () => {
    const { digest, signature } = vectors.vouchers[0]!;
    const hash = hexToBytes(digest);
    const bytes = Buffer.from(signature.slice(2), "hex");
    const compact = bytes.subarray(0, 64);
    const twin = Buffer.from(
      `${signature.slice(2, 66)}${word(order - BigInt(`0x${signature.slice(66, 130)}`))}`,
      "hex",
    );
    const recoveryId = (bytes[64]! - 27) as 0 | 1;
    for (const library of libraries) {
      const key = library.recover(hash, compact, recoveryId)!;
      expect(library.verify(hash, compact, key)).to.equal(true);
      expect(library.verify(hash, twin, key)).to.equal(false);
      for (const bad of [new Uint8Array(65), Uint8Array.from(key, (byte, i) => (i === 64 ? byte ^ 1 : byte))])
        expect(library.verify(hash, compact, bad)).to.equal(false);
    }
  });

  it("answers wrong lengths with nothing, whatever the backend would make of them", () => {
    for (const library of libraries) {
      expect(library.recover(ones(32), ones(64), 0)).to.have.length(65);
      for (const length of [0, 31, 33]) expect(library.recover(ones(length), ones(64), 0)).to.equal(undefined);
      for (const length of [0, 63, 65, 72]) expect(library.recover(ones(32), ones(length), 0)).to.equal(undefined);
      const key = library.recover(ones(32), ones(64), 0)!;
      expect(library.verify(ones(32), ones(64), key)).to.equal(true);
      expect(library.verify(ones(31), ones(64), key)).to.equal(false);
      expect(library.verify(ones(32), ones(63), key)).to.equal(false);
      expect(library.verify(ones(32), ones(64), key.subarray(0, 64))).to.equal(false);
      // The same key in 33 bytes, which the libraries themselves would take.
      const compressed = Uint8Array.from([2 + (key[64]! & 1), ...key.subarray(1, 33)]);
      expect(library.verify(ones(32), ones(64), compressed)).to.equal(false);
    }
  });

  it("falls back to WebAssembly where there is no binary, and never to JavaScript", () => {
    const hook = `import { registerHooks } from "node:module";
      registerHooks({ resolve(specifier, context, next) {
        if (specifier === "secp256k1/bindings.js") throw new Error("no binary");
        if (specifier.includes("elliptic")) console.log("slow");
        return next(specifier, context);
      } });`;
    const source = fileURLToPath(new URL("../../sdk/src/server/secp256k1.ts", import.meta.url));
    const script = `const { createSecp256k1 } = await import(${JSON.stringify(source)});
      const { backend } = await createSecp256k1();
      const error = await createSecp256k1({ backend: "native" }).catch((error) => error);
      console.log(backend, error.code, error.cause.message);`;
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ["--import", `data:text/javascript,${encodeURIComponent(hook)}`, "--input-type=module", "-e", script],
      { encoding: "utf8", env: { PATH: process.env["PATH"] } },
    );
    expect(stdout, stderr).to.equal("wasm secp256k1-unavailable no binary\n");
  });
});
