import { expect } from "chai";
import { Wallet } from "ethers";
import { type Address, type Hex, keccak256, stringToHex, zeroAddress, zeroHash } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import {
  computeChannelId,
  computeTaskId,
  type ConditionalPayment,
  hashCloseAuthorization,
  hashCloseRequest,
  hashConditionalPayment,
  hashConditionalVoucher,
  hashDomain,
  hashReceipt,
  hashReceiveWithAuthorization,
  hashRefund,
  hashRelease,
  hashSettleAuthorization,
  hashVerdict,
  hashVoucher,
  InvalidFieldError,
  InvalidSignatureError,
  openAuthorizationNonce,
  PaymentOrderError,
  signConditionalVoucher,
  type SigningAccount,
  signReceipt,
  signRefund,
  signRelease,
  signVerdict,
  signVoucher,
  topUpAuthorizationNonce,
  type Task,
  type TypedData,
  verifyConditionalVoucher,
  verifyReceipt,
  verifyRefund,
  verifyRelease,
  verifyVerdict,
  verifyVoucher,
  voucherSigner,
} from "../../../sdk/src/protocol/index.ts";
import { createRandom, rejection } from "./random.ts";
import { readVectors } from "./vectors.ts";

const vectors = readVectors();
const { chainId, contract, channelId, terms } = vectors;
const account = privateKeyToAccount(vectors.key);
const stranger = privateKeyToAccount(`0x${"22".repeat(32)}`);
const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

const bytes32 = (text: string): Hex => keccak256(stringToHex(text));
const ref = (index: number): Hex => `0x${index.toString(16).padStart(64, "0")}`;
const payment = (index: number): ConditionalPayment => ({
  ref: ref(index),
  condition: "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0",
  parametersHash: bytes32(`parameters ${index}`),
  amount: BigInt(index) * 100n,
});

const voucher = { contract, chainId, channelId, cumulativeAmount: 250_000n };
const conditional = { ...voucher, payments: [payment(1), payment(2)] };
const receipt = {
  contract,
  chainId,
  channelId,
  statementHash: bytes32("statement"),
  spent: 1_234n,
  requestHash: bytes32("request"),
  responseHash: bytes32("response"),
  issuedAt: 1_800_000_000n,
};
const verdict = {
  condition: "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0" as Address,
  chainId,
  paymentId: bytes32("payment"),
  specHash: bytes32("specification"),
  deliverableHash: bytes32("deliverable"),
  amount: 1_000n,
  issuedAt: 1_800_000_000n,
};
const authorization = { ...voucher, nonce: 7n, deadline: 1_900_000_000n };
const transfer = {
  domain: vectors.tokenDomain,
  from: terms.payer,
  to: contract,
  value: 1_000_000n,
  validAfter: 0n,
  validBefore: 1_900_000_000n,
  nonce: bytes32("nonce"),
};
const topUp = { channelId, additionalDeposit: 5n, from: terms.payer, topUpSalt: zeroHash };

const task: Task = {
  client: terms.payer,
  provider: terms.payee,
  token: terms.token,
  amount: 5_000n,
  condition: "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0",
  parametersHash: bytes32("parameters"),
  deadline: 1_900_000_000n,
  salt: bytes32("salt"),
};
const taskAt = { contract, chainId };
const refund = { ...taskAt, taskId: bytes32("task"), deadline: 1_900_000_000n };
const release = { ...refund, cumulativeAmount: 5_000n };

const byTypedData = (change: (signature: Hex) => Hex | Promise<Hex>): SigningAccount => ({
  address: account.address,
  signTypedData: async (parameters) => change(await account.signTypedData(parameters)),
});
const compact = (signature: Hex): Hex => {
  const s = BigInt(`0x${signature.slice(66, 130)}`) | (signature.endsWith("1c") ? 1n << 255n : 0n);
  return `${signature.slice(0, 66)}${s.toString(16).padStart(64, "0")}` as Hex;
};

const highS = (signature: Hex): Hex => {
  const s = order - BigInt(`0x${signature.slice(66, 130)}`);
  const v = signature.endsWith("1b") ? "1c" : "1b";
  return `${signature.slice(0, 66)}${s.toString(16).padStart(64, "0")}${v}` as Hex;
};

describe("voucherSigner", () => {
  it("is authorizedSigner, or the payer where that is zero", () => {
    expect(voucherSigner({ ...terms, authorizedSigner: zeroAddress })).to.equal(terms.payer);
    expect(voucherSigner({ ...terms, authorizedSigner: stranger.address })).to.equal(stranger.address);
  });
});

describe("computeChannelId", () => {
  it("depends on every term, the contract and the chain", () => {
    const ids = [
      computeChannelId({ terms, contract, chainId }),
      computeChannelId({ terms, contract, chainId: chainId + 1 }),
      computeChannelId({ terms, contract: stranger.address, chainId }),
      ...(["payer", "payee", "token", "authorizedSigner"] as const).map((name) =>
        computeChannelId({ terms: { ...terms, [name]: stranger.address }, contract, chainId }),
      ),
      computeChannelId({ terms: { ...terms, salt: bytes32("salt") }, contract, chainId }),
    ];
    expect(new Set(ids)).to.have.property("size", 8);
  });

  it("refuses terms, contracts and chains that do not fit", () => {
    const good = { terms, contract, chainId };
    for (const bad of [0, -1, 1.5, 2 ** 53, NaN, 31337n, "31337", undefined])
      expect(() => computeChannelId({ ...good, chainId: bad as number }), String(bad)).to.throw(InvalidFieldError);
    expect(() => computeChannelId({ ...good, contract: "0x" })).to.throw(InvalidFieldError, "verifyingContract");
    for (const field of Object.keys(terms))
      expect(() => computeChannelId({ ...good, terms: { ...terms, [field]: "0x01" } }), field).to.throw(
        InvalidFieldError,
        `Terms.${field}`,
      );
  });

  it("does not depend on how an address is written", () => {
    const lower = { ...terms, payer: terms.payer.toLowerCase() as Address };
    expect(computeChannelId({ terms: lower, contract: contract.toLowerCase() as Address, chainId })).to.equal(
      channelId,
    );
  });
});

describe("hashes", () => {
  // Each function with one good value; every field of it is then spoilt in turn.
  const cases: [name: string, hash: (parameters: never) => Hex, good: object][] = [
    ["hashVoucher", hashVoucher, voucher],
    ["hashConditionalVoucher", hashConditionalVoucher, conditional],
    ["hashConditionalPayment", hashConditionalPayment, payment(1)],
    ["hashReceipt", hashReceipt, receipt],
    ["hashVerdict", hashVerdict, verdict],
    ["hashSettleAuthorization", hashSettleAuthorization, authorization],
    ["hashCloseAuthorization", hashCloseAuthorization, authorization],
    ["hashCloseRequest", hashCloseRequest, { contract, chainId, channelId, deadline: 1_900_000_000n }],
    ["hashReceiveWithAuthorization", hashReceiveWithAuthorization, transfer],
    ["hashDomain", hashDomain, vectors.domain],
    ["openAuthorizationNonce", openAuthorizationNonce, terms],
    ["topUpAuthorizationNonce", topUpAuthorizationNonce, topUp],
    ["hashRelease", hashRelease, release],
    ["hashRefund", hashRefund, refund],
    [
      "computeTaskId",
      (flat: Task & typeof taskAt) => computeTaskId({ task: flat, contract: flat.contract, chainId: flat.chainId }),
      { ...task, ...taskAt },
    ],
  ];
  const widths: Record<string, bigint> = {
    cumulativeAmount: 128n,
    amount: 128n,
    spent: 128n,
    additionalDeposit: 128n,
    issuedAt: 64n,
    nonce: 256n,
    value: 256n,
    validAfter: 256n,
    validBefore: 256n,
    deadline: 256n,
  };

  const withShortDeadline = ["hashCloseRequest", "hashRelease", "hashRefund", "computeTaskId"];

  for (const [name, hash, good] of cases) {
    const call = (changes: object) => hash({ ...good, ...changes } as never);

    it(`${name} depends on every field and refuses what does not fit it (F012)`, () => {
      const seen = new Set([call({})]);
      const expectChange = (changes: object) => {
        const changed = call(changes);
        expect(seen.has(changed), JSON.stringify(Object.keys(changes))).to.equal(false);
        seen.add(changed);
      };
      const expectRefusal = (field: string, values: unknown[]) => {
        for (const value of values)
          expect(() => call({ [field]: value }), `${field} = ${String(value)}`).to.throw(InvalidFieldError);
      };
      for (const [field, value] of Object.entries(good) as [string, unknown][]) {
        if (typeof value === "bigint") {
          const width = field === "deadline" && withShortDeadline.includes(name) ? 64n : widths[field]!;
          const top = 2n ** width - 1n;
          expectChange({ [field]: top });
          expectChange({ [field]: value + 1n });
          expectRefusal(field, [top + 1n, top + 6n, 2n ** 256n, 2n ** 256n + 5n, -1n, Number(value), `${value}`, null]);
        } else if (field === "chainId") {
          expectChange({ [field]: 1 });
          expectRefusal(field, [0, -1, 1.5, 2 ** 53, NaN, 31337n, "31337", undefined]);
        } else if (typeof value === "string" && value.length === 66) {
          expectChange({ [field]: bytes32(`other ${field}`) });
          expectRefusal(field, [
            "0x",
            value.slice(0, -2),
            `${value}00`,
            value.slice(2),
            `0x${"g".repeat(64)}`,
            5n,
            null,
          ]);
        } else if (typeof value === "string" && value.startsWith("0x")) {
          expectChange({ [field]: stranger.address });
          const badChecksum = contract.replace("e7", "E7");
          expectRefusal(field, ["0x", value.slice(0, -2), `${value}00`, badChecksum, "agent.example", 5n, undefined]);
        } else if (typeof value === "string") {
          expectChange({ [field]: `${value}.` });
          expectRefusal(field, [1, null, undefined]);
        }
      }
    });
  }

  it("tells apart messages with the same fields", () => {
    expect(hashSettleAuthorization(authorization)).not.to.equal(hashCloseAuthorization(authorization));
    expect(hashConditionalVoucher({ ...voucher, payments: [] })).not.to.equal(hashVoucher(voucher));
  });

  it("names the field and shows no value as long as a key", () => {
    const key = `0x${"5e".repeat(32)}`;
    expect(() => computeChannelId({ terms: { ...terms, authorizedSigner: key as Address }, contract, chainId }))
      .to.throw(InvalidFieldError, "Terms.authorizedSigner")
      .with.property("message")
      .that.contains("a string of 66 characters")
      .and.does.not.contain("5e5e");
  });
});

describe("conditional vouchers", () => {
  it("depend on every field of every payment and on their number", () => {
    const digests = [
      conditional,
      { ...conditional, payments: [payment(1)] },
      { ...conditional, payments: [] },
      ...[{ ref: ref(3) }, { condition: zeroAddress }, { parametersHash: zeroHash }, { amount: 0n }].map((changes) => ({
        ...conditional,
        payments: [payment(1), { ...payment(2), ...changes }],
      })),
    ].map(hashConditionalVoucher);
    expect(new Set(digests)).to.have.property("size", 7);
  });

  it("refuse payments that do not fit, wherever they stand", () => {
    for (const changes of [{ amount: 2n ** 128n + 5n }, { amount: -1n }, { parametersHash: "0x" }, { condition: "0x" }])
      for (const index of [0, 1]) {
        const payments = conditional.payments.map((item, i) => (i === index ? { ...item, ...changes } : item));
        expect(() => hashConditionalVoucher({ ...conditional, payments } as never)).to.throw(InvalidFieldError);
      }
    const badRefs = ["0x01", "0x", "ref", 5n, undefined].flatMap((bad) => [
      [{ ...payment(1), ref: bad }],
      [payment(1), { ...payment(2), ref: bad }],
    ]);
    for (const payments of [...badRefs, { length: 0, entries: () => [] }])
      expect(() => hashConditionalVoucher({ ...conditional, payments } as never)).to.throw(InvalidFieldError);
  });

  it("refuse refs that are not strictly ascending, and say where", async () => {
    const refused: [order: Hex[], index: number][] = [
      [[ref(1), ref(1)], 1],
      [[ref(2), ref(1)], 1],
      [[ref(1), ref(3), ref(2)], 2],
      [[`0x${"ab".repeat(32)}`, `0x${"AB".repeat(32)}`], 1],
      [[`0x${"ab".repeat(32)}`, `0x${"AA".repeat(32)}`], 1],
    ];
    for (const [refs, index] of refused) {
      const statement = { ...conditional, payments: refs.map((item) => ({ ...payment(1), ref: item })) };
      expect(() => hashConditionalVoucher(statement))
        .to.throw(PaymentOrderError, `payments[${index}].ref`)
        .that.includes({ code: "payments-not-ascending", index });
      expect(await rejection(signConditionalVoucher({ ...statement, account }))).to.be.instanceOf(PaymentOrderError);
    }
    const ascending = [`0x${"aa".repeat(32)}`, `0x${"AB".repeat(32)}`, `0x${"ff".repeat(32)}`] as Hex[];
    hashConditionalVoucher({ ...conditional, payments: ascending.map((item) => ({ ...payment(1), ref: item })) });
  });
});

describe("signing", () => {
  const { signature: expected } = vectors.vouchers[1]!;

  it("gives the same bytes whatever signs: viem, ethers, hardware with v 0 or 1, EIP-2098 (F110)", async () => {
    const wallet = new Wallet(vectors.key);
    const accounts: Record<string, SigningAccount> = {
      viem: account,
      "typed data only": byTypedData((signature) => signature),
      "0 or 1": byTypedData(
        (signature) => `${signature.slice(0, 130)}${signature.endsWith("1b") ? "00" : "01"}` as Hex,
      ),
      compact: byTypedData(compact),
      "upper case": byTypedData((signature) => `0x${signature.slice(2).toUpperCase()}`),
      ethers: {
        address: account.address,
        signTypedData: async ({ domain, types, message }) =>
          (await wallet.signTypedData(domain, types, message)) as Hex,
      },
    };
    for (const [name, signer] of Object.entries(accounts)) {
      expect(await signVoucher({ ...voucher, account: signer }), name).to.equal(expected);
      expect(await signConditionalVoucher({ ...conditional, account: signer }), name).to.equal(
        await signConditionalVoucher({ ...conditional, account }),
      );
    }
  });

  it("asks for the bare hash where that is possible, but never a smart account", async () => {
    const asked: string[] = [];
    const signer = (type?: string): SigningAccount => ({
      address: account.address,
      type,
      sign: async ({ hash }) => {
        asked.push("hash");
        return account.sign({ hash });
      },
      signTypedData: async (parameters: TypedData) => {
        asked.push("typed data");
        return account.signTypedData(parameters);
      },
    });
    for (const type of [undefined, "local", "smart"])
      expect(await signVoucher({ ...voucher, account: signer(type) })).to.equal(expected);
    expect(asked).to.deep.equal(["hash", "hash", "typed data"]);
  });

  it("refuses what is no plain ECDSA signature, and signs nothing that does not fit", async () => {
    for (const change of [highS, () => "0x" as Hex, (signature: Hex) => `${signature}${"00".repeat(64)}` as Hex])
      expect(await rejection(signVoucher({ ...voucher, account: byTypedData(change) }))).to.be.instanceOf(
        InvalidSignatureError,
      );

    const untouched: SigningAccount = { address: account.address, signTypedData: () => expect.fail("asked to sign") };
    for (const cumulativeAmount of [2n ** 128n, 2n ** 128n + 5n, 2n ** 256n - 1n, -1n])
      expect(await rejection(signVoucher({ ...voucher, cumulativeAmount, account: untouched }))).to.be.instanceOf(
        InvalidFieldError,
      );
  });

  it("passes on what a wallet throws", async () => {
    const refusal = new Error("User rejected the request.");
    const signer = byTypedData(() => Promise.reject(refusal));
    expect(await rejection(signVoucher({ ...voucher, account: signer }))).to.equal(refusal);
  });
});

describe("verifying", () => {
  type Check = (changes: object) => Promise<boolean>;
  const cases: [name: string, make: () => Promise<Check>, changes: object[]][] = [
    [
      "verifyVoucher",
      async () => {
        const good = { ...voucher, signature: await signVoucher({ ...voucher, account }), signer: account.address };
        return (changes) => verifyVoucher({ ...good, ...changes });
      },
      [{ cumulativeAmount: 250_001n }, { channelId: zeroHash }, { contract: stranger.address }, { chainId: 1 }],
    ],
    [
      "verifyConditionalVoucher",
      async () => {
        const signature = await signConditionalVoucher({ ...conditional, account });
        return (changes) =>
          verifyConditionalVoucher({ ...conditional, signature, signer: account.address, ...changes });
      },
      [{ cumulativeAmount: 1n }, { payments: [payment(1)] }, { contract: stranger.address }, { chainId: 1 }],
    ],
    [
      "verifyReceipt",
      async () => {
        const signature = await signReceipt({ ...receipt, account });
        return (changes) => verifyReceipt({ ...receipt, signature, signer: account.address, ...changes });
      },
      [{ spent: 1n }, { statementHash: zeroHash }, { responseHash: zeroHash }, { issuedAt: 0n }, { chainId: 1 }],
    ],
    [
      "verifyVerdict",
      async () => {
        const signature = await signVerdict({ ...verdict, account });
        return (changes) => verifyVerdict({ ...verdict, signature, signer: account.address, ...changes });
      },
      [{ amount: 0n }, { paymentId: zeroHash }, { condition: contract }, { issuedAt: 0n }, { chainId: 1 }],
    ],
    [
      "verifyRelease",
      async () => {
        const signature = await signRelease({ ...release, account });
        return (changes) => verifyRelease({ ...release, signature, signer: account.address, ...changes });
      },
      [{ cumulativeAmount: 1n }, { taskId: zeroHash }, { deadline: 0n }, { contract: zeroAddress }, { chainId: 1 }],
    ],
    [
      "verifyRefund",
      async () => {
        const signature = await signRefund({ ...refund, account });
        return (changes) => verifyRefund({ ...refund, signature, signer: account.address, ...changes });
      },
      [{ taskId: zeroHash }, { deadline: 0n }, { contract: zeroAddress }, { chainId: 1 }],
    ],
  ];

  for (const [name, make, changes] of cases)
    it(`${name} accepts its signer's signature over exactly this, and nothing else`, async () => {
      const check = await make();
      expect(await check({})).to.equal(true);
      expect(await check({ signer: account.address.toLowerCase() })).to.equal(true);
      for (const change of [...changes, { signer: stranger.address }, { signer: zeroAddress }])
        expect(await check(change), Object.keys(change).join()).to.equal(false);
    });

  it("accepts one form of a signature only (F014)", async () => {
    const { signature } = vectors.vouchers[1]!;
    const signer = terms.payer;
    const flipped = signature.endsWith("1b") ? "1c" : "1b";
    const s = (order - BigInt(`0x${signature.slice(66, 130)}`)).toString(16).padStart(64, "0");
    const refused = [
      `${signature.slice(0, 66)}${s}${flipped}`,
      `${signature.slice(0, 130)}${flipped}`,
      signature.slice(0, 130),
      ...["00", "01"].map((v) => signature.slice(0, 130) + v),
      `${signature}00`,
      signature.slice(2),
      "0x",
      `0x${"00".repeat(65)}`,
      `0x${"00".repeat(64)}1b`,
      undefined,
      // No point has the x coordinate 5.
      `${ref(5)}${ref(1).slice(2)}1b`,
    ];
    expect(await verifyVoucher({ ...voucher, signature, signer })).to.equal(true);
    for (const form of refused)
      expect(await verifyVoucher({ ...voucher, signature: form as Hex, signer }), form).to.equal(false);
  });

  it("refuses every flipped bit", async () => {
    const { signature } = vectors.vouchers[1]!;
    const random = createRandom(5);
    for (let i = 0; i < 100; i++) {
      const bytes = Buffer.from(signature.slice(2), "hex");
      const bit = random.below(bytes.length * 8);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      const flipped: Hex = `0x${bytes.toString("hex")}`;
      expect(await verifyVoucher({ ...voucher, signature: flipped, signer: terms.payer }), flipped).to.equal(false);
    }
  });
});
