import { expect } from "chai";
import { concat, dataSlice, hexlify, randomBytes, sha256, toBeHex, ZeroAddress, ZeroHash } from "ethers";
import { network } from "hardhat";

import { createRandom } from "../../model/random.ts";
import { encodeValues, saltOf } from "../helpers/channels.ts";
import {
  type Child,
  deployConditions,
  dueOf,
  HOSTILE,
  kthEvidence,
  kthParameters,
  PAYMENT,
  tickChain,
  tickEvidence,
  tickParameters,
} from "../helpers/conditions.ts";

const connection = await network.create();
const { ethers } = connection;
const { loadFixture, setCode } = connection.networkHelpers;

const AMOUNT = 1_000n;

/** Parameters of a child that says what it is told, without need of memory. */
const NO_MEMORY = encodeValues(["uint256"], [0n]);
const says = (due: bigint): string => encodeValues(["uint256"], [due]);

async function deployed() {
  const conditions = await deployConditions(connection);
  const echo: Child = { condition: await conditions.echo.getAddress(), parameters: NO_MEMORY };
  return { ...conditions, child: echo, hostileAddress: await conditions.hostile.getAddress() };
}

type World = Awaited<ReturnType<typeof deployed>>;

const ask = (
  world: World,
  k: number,
  children: Child[],
  evidence: string[] | string,
  amount = AMOUNT,
): Promise<bigint> =>
  dueOf(world, world.kth, kthParameters(k, children), Array.isArray(evidence) ? kthEvidence(evidence) : evidence, {
    amount,
  });

const childrenOf = (child: Child, count: number): Child[] => Array.from({ length: count }, () => child);

const askFor = (world: World, k: number, said: bigint[]): Promise<bigint> =>
  ask(world, k, childrenOf(world.child, said.length), said.map(says));

const kthOf = (values: bigint[], k: number): bigint => values.toSorted((a, b) => (a < b ? 1 : -1))[k - 1] ?? 0n;

describe("KthCondition", () => {
  it("any of is the largest, all of the smallest, the median in between", async () => {
    const world = await loadFixture(deployed);
    const said = [300n, 900n, 600n];
    expect(await askFor(world, 1, said)).to.equal(900n);
    expect(await askFor(world, 2, said)).to.equal(600n);
    expect(await askFor(world, 3, said)).to.equal(300n);
    expect(await askFor(world, 1, [5n])).to.equal(5n);
    expect(await askFor(world, 8, [8n, 7n, 6n, 5n, 4n, 3n, 2n, 1n])).to.equal(1n);
  });

  it("nothing is due without a k-th child", async () => {
    const world = await loadFixture(deployed);
    for (const k of [0, 4, 255]) expect(await askFor(world, k, [300n, 900n, 600n]), `${k}`).to.equal(0n);
    expect(await askFor(world, 1, [])).to.equal(0n);
    expect(await askFor(world, 0, [])).to.equal(0n);
    expect(await ask(world, 1, [], "0x")).to.equal(0n);
  });

  it("without a k-th child, or with too many or too much evidence, it answers that nothing is due", async () => {
    const world = await loadFixture(deployed);
    const { child, kth } = world;
    for (const [k, children, given] of [
      [0, 2, 2],
      [3, 2, 2],
      [1, 0, 0],
      [1, 9, 9],
      [1, 2, 3],
    ] as const) {
      const parameters = kthParameters(k, childrenOf(child, children));
      const evidence = kthEvidence(Array<string>(given).fill(says(600n)));
      expect(await kth.amountDue(PAYMENT, AMOUNT, parameters, evidence), `${k} of ${children}`).to.equal(0n);
    }
  });

  it("eight children are asked, nine are not", async () => {
    const world = await loadFixture(deployed);
    expect(await askFor(world, 1, Array<bigint>(8).fill(600n))).to.equal(600n);
    expect(await askFor(world, 1, Array<bigint>(9).fill(600n))).to.equal(0n);
    expect(await world.kth.MAX_CHILDREN()).to.equal(8n);
  });

  it("what a child says above the amount counts as the amount", async () => {
    const world = await loadFixture(deployed);
    for (const said of [AMOUNT, AMOUNT + 1n, 2n ** 128n, 2n ** 256n - 1n])
      expect(await askFor(world, 1, [said, 0n]), `${said}`).to.equal(AMOUNT);
    const most = 2n ** 128n - 1n;
    expect(await ask(world, 1, [world.child], [says(2n ** 256n - 1n)], most)).to.equal(most);
    expect(await ask(world, 1, [world.child], [says(5n)], 0n)).to.equal(0n);
  });

  it("a child without evidence is asked with none, and one that needs none answers", async () => {
    const world = await loadFixture(deployed);
    const { child, hostileAddress } = world;
    // Says everything, whatever the evidence.
    const payer: Child = { condition: hostileAddress, parameters: "0x" };
    const children = [child, payer, child];
    for (const [evidence, due] of [
      ["0x", [AMOUNT, 0n, 0n]],
      [[], [AMOUNT, 0n, 0n]],
      [[says(7n)], [AMOUNT, 7n, 0n]],
      [
        [says(7n), "0x"],
        [AMOUNT, 7n, 0n],
      ],
      [
        ["0x", "0x", says(7n)],
        [AMOUNT, 7n, 0n],
      ],
      [
        [says(7n), "0x", says(9n)],
        [AMOUNT, 9n, 7n],
      ],
      // More than one a child: nothing.
      [
        [says(7n), "0x", says(9n), "0x"],
        [0n, 0n, 0n],
      ],
    ] as const)
      for (const [i, expected] of due.entries())
        expect(await ask(world, i + 1, children, evidence as string | string[])).to.equal(expected);
  });

  it("each child gets its own parameters and evidence, and the same payment and amount", async () => {
    const world = await loadFixture(deployed);
    const [hashlock, tick] = await Promise.all([world.hashlock, world.tick].map((one) => one.getAddress()));
    const preimage = saltOf(3);
    const chain = tickChain(saltOf(4), 20, PAYMENT);
    const children = [
      { condition: hashlock!, parameters: sha256(preimage) },
      { condition: tick!, parameters: tickParameters(chain[0]!, 30n, 20) },
    ];
    const good = [preimage, tickEvidence(12, chain[12]!)];
    expect(await ask(world, 1, children, good)).to.equal(AMOUNT);
    expect(await ask(world, 2, children, good)).to.equal(360n);
    expect(await ask(world, 2, children, good.toReversed())).to.equal(0n);
    expect(await ask(world, 2, children, good, 300n)).to.equal(300n);
    const parameters = kthParameters(2, children);
    expect(await dueOf(world, world.kth, parameters, kthEvidence(good), { paymentId: saltOf(9) })).to.equal(0n);
  });

  it("may be a child itself", async () => {
    const world = await loadFixture(deployed);
    const kth = await world.kth.getAddress();
    const two = childrenOf(world.child, 2);
    const allOf: Child = { condition: kth, parameters: kthParameters(2, two) };
    const anyOf: Child = { condition: kth, parameters: kthParameters(1, two) };
    const evidence = kthEvidence([says(300n), says(800n)]);
    expect(await ask(world, 1, [allOf, anyOf], [evidence, evidence])).to.equal(800n);
    expect(await ask(world, 2, [allOf, anyOf], [evidence, evidence])).to.equal(300n);
    const three: Child = { condition: kth, parameters: kthParameters(1, [allOf, world.child]) };
    expect(await ask(world, 1, [three], [kthEvidence([evidence, says(200n)])])).to.equal(300n);
    // Eight times eight.
    const eight: Child = { condition: kth, parameters: kthParameters(8, childrenOf(world.child, 8)) };
    const all = kthEvidence(Array<string>(8).fill(says(600n)));
    expect(await ask(world, 8, childrenOf(eight, 8), Array<string>(8).fill(all))).to.equal(600n);
  });

  it("nothing is due by evidence or parameters that are none", async () => {
    const world = await loadFixture(deployed);
    const { kth, child } = world;
    const parameters = kthParameters(1, [child]);
    const evidence = kthEvidence([says(7n)]);
    expect(await dueOf(world, kth, parameters, concat([evidence, "0x00"]))).to.equal(7n);
    const bad = [
      "0x00",
      ZeroHash.slice(0, -2),
      dataSlice(evidence, 0, 64),
      dataSlice(evidence, 0, evidence.length / 2 - 2),
      hexlify(randomBytes(128)),
      `0x${"ff".repeat(96)}`,
      encodeValues(["uint256", "uint256"], [32n, 2n ** 64n - 1n]),
    ];
    for (const e of bad) expect(await dueOf(world, kth, parameters, e), e).to.equal(0n);
    for (const p of ["0x", ...bad, dataSlice(parameters, 0, 64), encodeValues(["uint256", "uint256"], [257n, 64n])])
      expect(await dueOf(world, kth, p, evidence), p).to.equal(0n);
  });

  for (const { name, behaviour } of HOSTILE)
    it(`F033: a child that ${name} counts nothing, and the others as before`, async () => {
      const world = await loadFixture(deployed);
      const { hostile, hostileAddress, child } = world;
      await hostile.setBehaviour(behaviour);
      const bad: Child = { condition: hostileAddress, parameters: "0x" };
      for (const [place, children] of [
        [bad, child, child],
        [child, bad, child],
        [child, child, bad],
      ].entries()) {
        const evidence = [300n, 600n].map(says).toSpliced(place, 0, "0x");
        for (const [k, due] of [600n, 300n, 0n].entries())
          expect(await ask(world, k + 1, children, evidence), `${k + 1} with it at ${place}`).to.equal(due);
      }
    });

  it("F033: a child that answers in a megabyte is read for its first word", async () => {
    const world = await loadFixture(deployed);
    await world.hostile.setBehaviour(5);
    expect(
      await ask(world, 2, [{ condition: world.hostileAddress, parameters: "0x" }, world.child], ["0x", says(7n)]),
    ).to.equal(7n);
    expect(
      await ask(world, 1, [{ condition: world.hostileAddress, parameters: "0x" }, world.child], ["0x", says(7n)]),
    ).to.equal(AMOUNT);
  });

  it("F033: a child without code, a precompiled contract and one whose code is gone count nothing", async () => {
    const world = await loadFixture(deployed);
    const { deployer, hostileAddress, child } = world;
    await setCode(hostileAddress, "0x");
    const precompiled = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((number) => toBeHex(number, 20));
    for (const condition of [ZeroAddress, deployer.address, hostileAddress, ...precompiled]) {
      const children = [{ condition, parameters: NO_MEMORY }, child];
      expect(await ask(world, 1, children, [says(900n), says(7n)]), condition).to.equal(7n);
      expect(await ask(world, 2, children, [says(900n), says(7n)]), condition).to.equal(0n);
    }
  });

  it("F033: a child that burns its gas leaves the caller standing, and costs its own conditions alone", async () => {
    const world = await loadFixture(deployed);
    const { hostile, hostileAddress, child, kth, probe } = world;
    await hostile.setBehaviour(7);
    const burner: Child = { condition: hostileAddress, parameters: "0x" };
    const parameters = kthParameters(1, [burner, burner, burner, child]);
    const due = await probe.amountDue(kth, PAYMENT, AMOUNT, parameters, kthEvidence(["0x", "0x", "0x", says(7n)]), {
      gasLimit: 500_000n,
    });
    // Too little is left after three of them for the last child; the caller goes on all the same.
    expect(due).to.equal(0n);
  });

  it("monotone: more evidence, or better, never lowers what is due", async () => {
    const world = await loadFixture(deployed);
    const { hostileAddress, hostile, child } = world;
    await hostile.setBehaviour(1);
    const random = createRandom(8);
    for (let round = 0; round < 60; round++) {
      const count = 1 + random.below(8);
      const children = Array.from({ length: count }, () =>
        random.chance(0.15) ? { condition: hostileAddress, parameters: "0x" } : child,
      );
      const k = 1 + random.below(count);
      const few = Array.from({ length: random.below(count + 1) }, () => BigInt(random.below(1_200)));
      const many = Array.from({ length: few.length + random.below(count - few.length + 1) }, (_, i) =>
        i < few.length ? few[i]! + BigInt(random.below(300)) : BigInt(random.below(1_200)),
      );
      const expected = (said: bigint[]): bigint =>
        kthOf(
          children.map((one, i) => {
            const due = one === child ? (said[i] ?? 0n) : 0n;
            return due < AMOUNT ? due : AMOUNT;
          }),
          k,
        );
      const [less, more] = await Promise.all([few, many].map((said) => ask(world, k, children, said.map(says))));
      expect(less).to.equal(expected(few));
      expect(more).to.equal(expected(many));
      expect(more! >= less!).to.equal(true);
    }
  });

  it("is asked by anybody, and remembers nothing", async () => {
    const world = await loadFixture(deployed);
    expect(await ethers.provider.getStorage(world.kth, 0)).to.equal(ZeroHash);
  });
});
