import { expect } from "chai";
import { concat, dataSlice, hexlify, keccak256, randomBytes, Wallet, ZeroAddress, ZeroHash } from "ethers";
import { network } from "hardhat";

import { createRandom } from "../../model/random.ts";
import { encodeValues, hashValues, saltOf } from "../helpers/channels.ts";
import {
  type Attestation,
  attestationEvidence,
  attestationParameters,
  deployConditions,
  dueOf,
  PAYMENT,
  signVerdict,
  type Verdict,
  VERDICT_TYPES,
  verdictDomain,
} from "../helpers/conditions.ts";
import { asCompact, withBareV, withHighS } from "../helpers/token.ts";

const connection = await network.create();
const { ethers } = connection;
const { loadFixture } = connection.networkHelpers;

const SPEC = saltOf(5);
const DELIVERABLE = saltOf(6);
const JUDGE_BY = 1_800_000_000n;
const AMOUNT = 1_000n;

const evaluators = [1, 2, 3, 4].map((number) => new Wallet(keccak256(saltOf(number))));
const addresses = evaluators.map(({ address }) => address);

async function deployed() {
  const conditions = await deployConditions(connection);
  return { ...conditions, domain: verdictDomain(await conditions.attestation.getAddress()) };
}

type World = Awaited<ReturnType<typeof deployed>>;

/** What an evaluator says, signed. */
async function attest(
  { domain }: Pick<World, "domain">,
  evaluator: number,
  amount: bigint,
  { signer = evaluators[evaluator]!, ...changes }: Partial<Verdict> & { signer?: Wallet } = {},
): Promise<Attestation> {
  const verdict = {
    paymentId: PAYMENT,
    specHash: SPEC,
    deliverableHash: DELIVERABLE,
    amount,
    issuedAt: JUDGE_BY,
    ...changes,
  };
  return { evaluator, amount, issuedAt: verdict.issuedAt, signature: await signVerdict(signer, domain, verdict) };
}

type Asking = {
  threshold?: number;
  list?: string[];
  specHash?: string;
  judgeBy?: bigint;
  deliverableHash?: string;
  paymentId?: string;
  amount?: bigint;
};

const ask = (
  world: World,
  attestations: Attestation[],
  {
    threshold = 1,
    list = addresses,
    specHash = SPEC,
    judgeBy = JUDGE_BY,
    deliverableHash = DELIVERABLE,
    ...payment
  }: Asking = {},
): Promise<bigint> =>
  dueOf(
    world,
    world.attestation,
    attestationParameters(list, threshold, specHash, judgeBy),
    attestationEvidence(deliverableHash, attestations),
    payment,
  );

describe("AttestationCondition", () => {
  it("what an evaluator signed is due, at most the amount", async () => {
    const world = await loadFixture(deployed);
    for (const [said, due] of [
      [0n, 0n],
      [1n, 1n],
      [AMOUNT - 1n, AMOUNT - 1n],
      [AMOUNT, AMOUNT],
      [AMOUNT + 1n, AMOUNT],
      [2n ** 128n - 1n, AMOUNT],
    ] as const)
      expect(await ask(world, [await attest(world, 0, said)]), `${said}`).to.equal(due);
    const most = 2n ** 128n - 1n;
    expect(await ask(world, [await attest(world, 0, most)], { amount: most })).to.equal(most);
  });

  it("has the domain and the type that evaluators sign", async () => {
    const { attestation, domain } = await loadFixture(deployed);
    const { name, version, verifyingContract } = domain;
    expect([...(await attestation.eip712Domain())]).to.deep.equal([
      "0x0f",
      name,
      version,
      31337n,
      verifyingContract,
      ZeroHash,
      [],
    ]);
    expect(ethers.TypedDataEncoder.from(VERDICT_TYPES).encodeType("Verdict")).to.equal(
      "Verdict(bytes32 paymentId,bytes32 specHash,bytes32 deliverableHash,uint128 amount,uint64 issuedAt)",
    );
  });

  it("INV13: a verdict is for one payment, specification, deliverable, amount and time", async () => {
    const world = await loadFixture(deployed);
    const good = await attest(world, 0, 600n);
    expect(await ask(world, [good])).to.equal(600n);
    expect(await ask(world, [good], { paymentId: saltOf(78) })).to.equal(0n);
    expect(await ask(world, [good], { specHash: saltOf(7) })).to.equal(0n);
    expect(await ask(world, [good], { deliverableHash: saltOf(7) })).to.equal(0n);
    expect(await ask(world, [{ ...good, amount: 601n }])).to.equal(0n);
    expect(await ask(world, [{ ...good, amount: 599n }])).to.equal(0n);
    expect(await ask(world, [{ ...good, issuedAt: JUDGE_BY - 1n }])).to.equal(0n);
    expect(await ask(world, [{ ...good, evaluator: 1 }])).to.equal(0n);
  });

  it("INV13: a verdict is for one condition contract, chain, name and version", async () => {
    const world = await loadFixture(deployed);
    for (const change of [
      { name: "subfen TaskEscrow" },
      { version: "2" },
      { chainId: 1n },
      { verifyingContract: await world.kth.getAddress() },
    ])
      expect(
        await ask(world, [await attest({ domain: { ...world.domain, ...change } }, 0, 600n)]),
        JSON.stringify(Object.keys(change)),
      ).to.equal(0n);
    const second = await ethers.deployContract("AttestationCondition");
    expect(await ask({ ...world, attestation: second }, [await attest(world, 0, 600n)])).to.equal(0n);
    const there = { domain: verdictDomain(await second.getAddress()) };
    expect(await ask({ ...world, attestation: second }, [await attest(there, 0, 600n)])).to.equal(600n);
  });

  it("counts a verdict of the last second, and none issued after", async () => {
    const world = await loadFixture(deployed);
    for (const [issuedAt, due] of [
      [0n, 600n],
      [JUDGE_BY - 1n, 600n],
      [JUDGE_BY, 600n],
      [JUDGE_BY + 1n, 0n],
      [2n ** 64n - 1n, 0n],
    ] as const)
      expect(await ask(world, [await attest(world, 0, 600n, { issuedAt })]), `${issuedAt}`).to.equal(due);
  });

  it("does not look at the time it is asked: what was due stays due", async () => {
    const world = await loadFixture(deployed);
    const attestation = await attest(world, 0, 600n, { issuedAt: 100n });
    expect(await ask(world, [attestation], { judgeBy: 100n })).to.equal(600n);
  });

  it("takes plain keys only: 65 bytes, low s, v of 27 or 28", async () => {
    const world = await loadFixture(deployed);
    const good = await attest(world, 0, 600n);
    const { signature } = good;
    const forms = {
      "high s": withHighS(signature),
      "v of 0 or 1": withBareV(signature),
      "64 bytes": asCompact(signature),
      "66 bytes": concat([signature, "0x00"]),
      "no v": dataSlice(signature, 0, 64),
      "the other v": concat([dataSlice(signature, 0, 64), signature.endsWith("1b") ? "0x1c" : "0x1b"]),
      "v of 29": concat([dataSlice(signature, 0, 64), "0x1d"]),
      zeros: `0x${"00".repeat(65)}`,
      noise: hexlify(randomBytes(65)),
      nothing: "0x",
    };
    for (const [form, changed] of Object.entries(forms)) {
      expect(await ask(world, [{ ...good, signature: changed }]), form).to.equal(0n);
      // It stands beside good evidence, and lowers nothing.
      expect(await ask(world, [{ ...good, signature: changed }, good]), form).to.equal(600n);
      expect(await ask(world, [good, { ...good, amount: 900n, signature: changed }]), form).to.equal(600n);
    }
    const wallet = await ethers.deployContract("ERC1271Wallet", [evaluators[0]!.address]);
    expect(await ask(world, [good], { list: [await wallet.getAddress()] })).to.equal(0n);
  });

  it("nobody is no evaluator: a signature that is none proves nothing for the zero address", async () => {
    const world = await loadFixture(deployed);
    const good = await attest(world, 0, 600n);
    for (const signature of ["0x", `0x${"00".repeat(65)}`, withHighS(good.signature)])
      expect(await ask(world, [{ ...good, signature }], { list: [ZeroAddress] })).to.equal(0n);
  });

  it("passes over an index that is out of range", async () => {
    const world = await loadFixture(deployed);
    const good = await attest(world, 0, 600n);
    for (const evaluator of [4, 5, 255]) {
      expect(await ask(world, [{ ...good, evaluator }])).to.equal(0n);
      expect(await ask(world, [good, { ...good, evaluator }])).to.equal(600n);
    }
    expect(await ask(world, [await attest(world, 3, 600n)])).to.equal(600n);
    expect(await ask(world, [], { list: [] })).to.equal(0n);
    expect(await ask(world, [good], { list: [] })).to.equal(0n);
  });

  it("k of n: due is the k-th highest", async () => {
    const world = await loadFixture(deployed);
    const said = [300n, 900n, 600n, 100n];
    const all = await Promise.all(said.map((amount, i) => attest(world, i, amount)));
    for (const [threshold, due] of [0n, 900n, 600n, 300n, 100n, 0n].entries())
      expect(await ask(world, all, { threshold }), `${threshold} of 4`).to.equal(due);
    for (const [threshold, due] of [0n, 900n, 300n, 0n, 0n].entries())
      expect(await ask(world, all.slice(0, 2), { threshold }), `${threshold} of 4, 2 given`).to.equal(due);
    expect(await ask(world, all, { threshold: 255 })).to.equal(0n);
  });

  it("without a k-th evaluator it answers that nothing is due, and does not fail", async () => {
    const world = await loadFixture(deployed);
    const evidence = attestationEvidence(DELIVERABLE, [await attest(world, 0, 600n)]);
    for (const threshold of [0, 5, 255])
      expect(
        await world.attestation.amountDue(
          PAYMENT,
          AMOUNT,
          attestationParameters(addresses, threshold, SPEC, JUDGE_BY),
          evidence,
        ),
      ).to.equal(0n);
  });

  it("an evaluator counts once, with its highest verdict", async () => {
    const world = await loadFixture(deployed);
    const [low, high] = [await attest(world, 0, 300n), await attest(world, 0, 700n)];
    const other = await attest(world, 1, 500n);
    for (const list of [
      [low, high],
      [high, low],
      [high, high],
    ]) {
      expect(await ask(world, list)).to.equal(700n);
      expect(await ask(world, list, { threshold: 2 })).to.equal(0n);
      expect(await ask(world, [...list, other], { threshold: 2 })).to.equal(500n);
    }
  });

  it("a key that is listed twice counts twice", async () => {
    const world = await loadFixture(deployed);
    const list = [addresses[0]!, addresses[0]!];
    const once = await attest(world, 0, 600n);
    expect(await ask(world, [once], { list, threshold: 2 })).to.equal(0n);
    expect(await ask(world, [once, { ...once, evaluator: 1 }], { list, threshold: 2 })).to.equal(600n);
  });

  it("the k-th is right for every order of every amount", async () => {
    const world = await loadFixture(deployed);
    const random = createRandom(34);
    const said = [0n, 1n, 500n, 500n, 999n, 1_000n, 1_500n];
    for (let round = 0; round < 25; round++) {
      const amounts = addresses.map(() => random.pick(said));
      const all = await Promise.all(amounts.map((amount, i) => attest(world, i, amount)));
      const threshold = 1 + random.below(4);
      const kth = amounts.toSorted((a, b) => (a < b ? 1 : -1))[threshold - 1]!;
      const given = all.toSorted(() => (random.chance(0.5) ? 1 : -1));
      expect(await ask(world, given, { threshold }), `${threshold} of ${amounts}`).to.equal(
        kth < AMOUNT ? kth : AMOUNT,
      );
    }
  });

  it("nothing is due by evidence or parameters that are none, and asking never costs the caller more than that", async () => {
    const world = await loadFixture(deployed);
    const { attestation, probe } = world;
    const parameters = attestationParameters(addresses, 1, SPEC, JUDGE_BY);
    const evidence = attestationEvidence(DELIVERABLE, [await attest(world, 0, 600n)]);
    const askWith = (p: string, e: string) =>
      probe.amountDue(attestation, PAYMENT, AMOUNT, p, e, { gasLimit: 3_000_000n });
    expect(await askWith(parameters, evidence)).to.equal(600n);
    // Longer than needed is read all the same.
    expect(await askWith(parameters, `${evidence}00`)).to.equal(600n);
    expect(await askWith(parameters, concat([evidence, randomBytes(64)]))).to.equal(600n);
    const bad = [
      "0x",
      "0x00",
      ZeroHash,
      dataSlice(evidence, 0, 64),
      dataSlice(evidence, 0, 128),
      dataSlice(evidence, 0, evidence.length / 2 - 1 - 64),
      hexlify(randomBytes(256)),
      `0x${"ff".repeat(256)}`,
      // Points beyond what is there, and an array of 2^64 - 1.
      encodeValues(["bytes32", "uint256"], [DELIVERABLE, 2n ** 255n]),
      encodeValues(["bytes32", "uint256", "uint256"], [DELIVERABLE, 64n, 2n ** 64n - 1n]),
    ];
    for (const [i, e] of bad.entries()) expect(await askWith(parameters, e), `${i}`).to.equal(0n);
    for (const p of [...bad, dataSlice(parameters, 0, 96)]) expect(await askWith(p, evidence)).to.equal(0n);
  });

  it("monotone: no further attestation, of whatever kind and in whatever order, lowers what is due", async () => {
    const world = await loadFixture(deployed);
    const { domain } = world;
    const random = createRandom(5);
    const pool: { attestation: Attestation; counts: boolean }[] = [];
    for (const evaluator of [0, 1, 2, 3]) {
      for (const amount of [200n, 500n, 1_100n])
        pool.push({ attestation: await attest(world, evaluator, amount), counts: true });
      const good = await attest(world, evaluator, 800n);
      const bad = [
        await attest(world, evaluator, 800n, { issuedAt: JUDGE_BY + 1n }),
        await attest(world, evaluator, 800n, { paymentId: saltOf(78) }),
        await attest(world, evaluator, 800n, { signer: evaluators[(evaluator + 1) % 4]! }),
        await attest({ domain: { ...domain, chainId: 1n } }, evaluator, 800n),
        { ...good, evaluator: evaluator + 4 },
        { ...good, signature: withHighS(good.signature) },
        { ...good, signature: "0x" },
      ];
      for (const attestation of bad) pool.push({ attestation, counts: false });
    }
    const drawn = () => Array.from({ length: random.below(8) }, () => random.pick(pool));
    for (let round = 0; round < 60; round++) {
      const threshold = 1 + random.below(3);
      const few = drawn();
      const many = [...few, ...drawn()].toSorted(() => (random.chance(0.5) ? 1 : -1));
      const expected = (given: typeof pool): bigint => {
        const best = addresses.map((_, i) =>
          given
            .filter(({ counts, attestation }) => counts && attestation.evaluator === i)
            .reduce((most, { attestation: { amount } }) => (amount > most ? amount : most), 0n),
        );
        const kth = best.toSorted((a, b) => (a < b ? 1 : -1))[threshold - 1]!;
        return kth < AMOUNT ? kth : AMOUNT;
      };
      const [less, more] = await Promise.all(
        [few, many].map((given) =>
          ask(
            world,
            given.map(({ attestation }) => attestation),
            { threshold },
          ),
        ),
      );
      expect(less).to.equal(expected(few));
      expect(more).to.equal(expected(many));
      expect(more! >= less!).to.equal(true);
    }
  });

  it("hashes a verdict as it is told here", async () => {
    const { domain } = await loadFixture(deployed);
    const verdict = { paymentId: PAYMENT, specHash: SPEC, deliverableHash: DELIVERABLE, amount: 1n, issuedAt: 2n };
    const structHash = hashValues(
      ["bytes32", "bytes32", "bytes32", "bytes32", "uint128", "uint64"],
      [
        ethers.id("Verdict(bytes32 paymentId,bytes32 specHash,bytes32 deliverableHash,uint128 amount,uint64 issuedAt)"),
        ...Object.values(verdict),
      ],
    );
    const digest = keccak256(concat(["0x1901", ethers.TypedDataEncoder.hashDomain(domain), structHash]));
    expect(ethers.TypedDataEncoder.hash(domain, VERDICT_TYPES, verdict)).to.equal(digest);
  });
});
