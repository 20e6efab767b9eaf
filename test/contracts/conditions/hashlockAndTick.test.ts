import { expect } from "chai";
import { concat, dataSlice, hexlify, keccak256, randomBytes, sha256, ZeroHash } from "ethers";
import { network } from "hardhat";

import { createRandom } from "../../model/random.ts";
import { encodeValues, saltOf } from "../helpers/channels.ts";
import { deployConditions, dueOf, PAYMENT, tickChain, tickEvidence, tickParameters } from "../helpers/conditions.ts";

const connection = await network.create();
const { loadFixture } = connection.networkHelpers;

const AMOUNT = 1_000n;
const MAX_UINT128 = 2n ** 128n - 1n;

async function deployed() {
  return deployConditions(connection);
}

describe("HashlockCondition", () => {
  const preimage = keccak256("0x01");
  const parameters = sha256(preimage);

  it("everything is due by the preimage, whatever the payment", async () => {
    const world = await loadFixture(deployed);
    for (const payment of [{}, { paymentId: saltOf(9) }, { amount: 0n }, { amount: MAX_UINT128 }])
      expect(await dueOf(world, world.hashlock, parameters, preimage, payment)).to.equal(
        "amount" in payment ? payment.amount : AMOUNT,
      );
    expect(await dueOf(world, world.hashlock, sha256(ZeroHash), ZeroHash)).to.equal(AMOUNT);
    // 32 bytes as Lightning uses them: the known hash of 32 zero bytes.
    expect(sha256(ZeroHash)).to.equal("0x66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925");
  });

  it("nothing is due by anything else", async () => {
    const world = await loadFixture(deployed);
    for (const evidence of [
      "0x",
      "0x00",
      ZeroHash,
      parameters,
      keccak256("0x02"),
      dataSlice(preimage, 0, 31),
      dataSlice(concat(["0x00", preimage]), 0, 32),
      `0x${(BigInt(preimage) ^ 1n).toString(16).padStart(64, "0")}`,
    ])
      expect(await dueOf(world, world.hashlock, parameters, evidence), evidence).to.equal(0n);
    // The hash is SHA-256, not Keccak.
    expect(await dueOf(world, world.hashlock, keccak256(preimage), preimage)).to.equal(0n);
    for (const bad of ["0x", dataSlice(parameters, 0, 31), ZeroHash])
      expect(await dueOf(world, world.hashlock, bad, preimage), bad).to.equal(0n);
  });

  it("what follows the preimage is not looked at", async () => {
    const world = await loadFixture(deployed);
    expect(await dueOf(world, world.hashlock, parameters, concat([preimage, randomBytes(40)]))).to.equal(AMOUNT);
  });
});

describe("TickCondition", () => {
  const seed = saltOf(44);
  const chain = tickChain(seed, 50, PAYMENT);
  const root = chain[0]!;

  it("each tick that is revealed is worth one tick amount", async () => {
    const world = await loadFixture(deployed);
    const parameters = tickParameters(root, 7n, 50);
    // Around the turns of ten in which the chain is walked.
    for (const n of [1, 2, 8, 9, 10, 11, 12, 19, 20, 21, 29, 30, 31, 49, 50])
      expect(await dueOf(world, world.tick, parameters, tickEvidence(n, chain[n]!)), `${n}`).to.equal(7n * BigInt(n));
    expect(await dueOf(world, world.tick, parameters, tickEvidence(0, root))).to.equal(0n);
  });

  it("INV14: the n-th value authorises n ticks, no more and, but for itself, no fewer", async () => {
    const world = await loadFixture(deployed);
    const parameters = tickParameters(root, 7n, 50);
    for (const n of [0, 1, 9, 10, 11, 30])
      for (const claimed of [0, n - 10, n - 1, n + 1, n + 10, 50].filter((other) => other >= 0 && other !== n))
        expect(
          await dueOf(world, world.tick, parameters, tickEvidence(claimed, chain[n]!)),
          `${claimed} by ${n}`,
        ).to.equal(0n);
    // Everything that can be made of x_10 is x_9 to x_0.
    for (const [n, x] of chain.slice(0, 11).entries())
      expect(await dueOf(world, world.tick, parameters, tickEvidence(n, x))).to.equal(7n * BigInt(n));
  });

  it("INV13: a tick is worth nothing for another payment", async () => {
    const world = await loadFixture(deployed);
    const parameters = tickParameters(root, 7n, 50);
    const [one, ten] = [tickEvidence(1, chain[1]!), tickEvidence(10, chain[10]!)];
    for (const evidence of [one, ten]) {
      expect(await dueOf(world, world.tick, parameters, evidence, { paymentId: saltOf(78) })).to.equal(0n);
      expect((await dueOf(world, world.tick, parameters, evidence)) > 0n).to.equal(true);
    }
  });

  it("counts no tick above the agreed number", async () => {
    const world = await loadFixture(deployed);
    for (const [count, n, due] of [
      [10, 10, 70n],
      [10, 11, 0n],
      [9, 10, 0n],
      [0, 1, 0n],
      [0, 0, 0n],
      [2 ** 32 - 1, 1, 0n],
    ] as const)
      expect(await dueOf(world, world.tick, tickParameters(root, 7n, count), tickEvidence(n, chain[n]!))).to.equal(due);
  });

  it("walks 10,000 ticks and no chain that is agreed to be longer", async () => {
    const world = await loadFixture(deployed);
    const long = tickChain(seed, 10_001, PAYMENT);
    const due = (from: number, count: number, n: number) =>
      dueOf(world, world.tick, tickParameters(long[from]!, 1n, count), tickEvidence(n, long[from + n]!), {
        amount: 20_000n,
      });
    expect(await due(0, 10_000, 10_000)).to.equal(10_000n);
    expect(await due(0, 10_000, 9_999)).to.equal(9_999n);
    expect(await due(0, 10_001, 10_001)).to.equal(0n);
    expect(await due(0, 10_001, 1)).to.equal(0n);
    expect(await due(1, 10_000, 10_000)).to.equal(10_000n);
  });

  it("is at most the amount, and does not overflow", async () => {
    const world = await loadFixture(deployed);
    const [three, fifty] = [tickEvidence(3, chain[3]!), tickEvidence(50, chain[50]!)];
    for (const [tickAmount, amount, evidence, due] of [
      [333n, 1_000n, three, 999n],
      [333n, 999n, three, 999n],
      [333n, 998n, three, 998n],
      [334n, 1_000n, three, 1_000n],
      [0n, 1_000n, three, 0n],
      [MAX_UINT128, 1_000n, three, 1_000n],
      [MAX_UINT128, MAX_UINT128, fifty, MAX_UINT128],
      [MAX_UINT128 / 3n, MAX_UINT128, three, MAX_UINT128],
      [MAX_UINT128 / 3n - 1n, MAX_UINT128, three, MAX_UINT128 - 3n],
      // Three times this is 2^128 + 2, which must not count as 2.
      [(2n ** 128n + 2n) / 3n, MAX_UINT128, three, MAX_UINT128],
    ] as const)
      expect(await dueOf(world, world.tick, tickParameters(root, tickAmount, 50), evidence, { amount })).to.equal(due);
  });

  it("nothing is due by evidence or parameters that are none", async () => {
    const world = await loadFixture(deployed);
    const parameters = tickParameters(root, 7n, 50);
    const evidence = tickEvidence(2, chain[2]!);
    expect(await dueOf(world, world.tick, parameters, concat([evidence, randomBytes(8)]))).to.equal(14n);
    for (const bad of [
      "0x",
      "0x02",
      dataSlice(evidence, 0, 32),
      dataSlice(evidence, 0, 63),
      hexlify(randomBytes(64)),
      tickEvidence(2, chain[3]!),
      tickEvidence(2, ZeroHash),
      encodeValues(["uint256", "bytes32"], [2n ** 32n + 2n, chain[2]!]),
    ])
      expect(await dueOf(world, world.tick, parameters, bad), bad).to.equal(0n);
    for (const bad of [
      "0x",
      dataSlice(parameters, 0, 95),
      tickParameters(ZeroHash, 7n, 50),
      encodeValues(["bytes32", "uint256", "uint32"], [root, 2n ** 128n + 7n, 50]),
      encodeValues(["bytes32", "uint128", "uint256"], [root, 7n, 2n ** 32n + 50n]),
    ])
      expect(await dueOf(world, world.tick, bad, evidence), bad).to.equal(0n);
  });

  it("monotone: a later tick is never worth less", async () => {
    const world = await loadFixture(deployed);
    const random = createRandom(14);
    for (let round = 0; round < 20; round++) {
      const [first, second] = [random.below(51), random.below(51)].toSorted((a, b) => a - b) as [number, number];
      const parameters = tickParameters(root, BigInt(random.below(60)), 50);
      const [less, more] = [
        await dueOf(world, world.tick, parameters, tickEvidence(first, chain[first]!)),
        await dueOf(world, world.tick, parameters, tickEvidence(second, chain[second]!)),
      ];
      expect(more >= less).to.equal(true);
    }
  });

  it("says how long a chain may be", async () => {
    const { tick } = await loadFixture(deployed);
    expect(await tick.MAX_TICKS()).to.equal(10_000n);
  });
});
