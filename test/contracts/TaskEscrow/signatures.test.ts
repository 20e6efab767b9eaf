import { expect } from "chai";
import { concat, dataSlice, type Signer, TypedDataEncoder, ZeroAddress, ZeroHash } from "ethers";
import { network } from "hardhat";

import { LATER, saltOf } from "../helpers/channels.ts";
import {
  AMOUNT,
  authorizeFund,
  deployEscrow,
  type EscrowWorld,
  evidenceOf,
  expectTaskEffects,
  fundTask,
  PARAMETERS,
  sendFund,
  signTask,
  type Task,
  TASK_TYPES,
  taskIdOf,
  taskOf,
} from "../helpers/tasks.ts";
import { asCompact, withBareV, withHighS } from "../helpers/token.ts";

const connection = await network.create();
const { ethers } = connection;
const { loadFixture, setCode, takeSnapshot, time } = connection.networkHelpers;

async function funded() {
  const world = await deployEscrow(connection);
  return { ...world, ...(await fundTask(world)) };
}

type Funded = Awaited<ReturnType<typeof funded>>;

type Type = keyof typeof TASK_TYPES;
const types: Type[] = ["Release", "Refund"];

/** Who must sign what. */
const signerOf = ({ client, provider }: EscrowWorld, type: Type) => (type === "Release" ? client : provider);

type Message = { taskId: string; cumulativeAmount: bigint; deadline: bigint };

/** Signs only the fields that the type has. */
function signType(world: EscrowWorld, signer: Signer, type: Type, message: Message, domain = world.domain) {
  const { cumulativeAmount, ...common } = message;
  return signTask(world, signer, type, type === "Release" ? { ...common, cumulativeAmount } : common, domain);
}

const messageOf = (taskId: string): Message => ({ taskId, cumulativeAmount: 40n, deadline: LATER });

/** Uses a signature as one of a type, whoever made it; what else is needed is right. */
const use = (
  { escrow, relayer, task }: Funded,
  type: Type,
  signature: string,
  { deadline = LATER, amount = 40n } = {},
) =>
  type === "Release"
    ? escrow.connect(relayer).releaseWithAuthorization(task, amount, deadline, signature)
    : escrow.connect(relayer).refundWithAuthorization(task, deadline, signature);

const expectInvalid = (world: EscrowWorld, promise: Promise<unknown>, signer: string, message = "") =>
  expect(promise, message).to.be.revertedWithCustomError(world.escrow, "InvalidSignature").withArgs(signer);

describe("TaskEscrow: what a signature is good for", () => {
  it("the domain is told by the contract", async () => {
    const { escrow, domain } = await loadFixture(funded);
    const { name, version, chainId, verifyingContract } = domain;
    expect([...(await escrow.eip712Domain())]).to.deep.equal([
      "0x0f",
      name,
      version,
      chainId,
      verifyingContract,
      ZeroHash,
      [],
    ]);
    expect(TypedDataEncoder.from({ Release: TASK_TYPES.Release }).encodeType("Release")).to.equal(
      "Release(bytes32 taskId,uint128 cumulativeAmount,uint64 deadline)",
    );
    expect(TypedDataEncoder.from({ Refund: TASK_TYPES.Refund }).encodeType("Refund")).to.equal(
      "Refund(bytes32 taskId,uint64 deadline)",
    );
  });

  for (const type of types) {
    it(`${type}: serves where it belongs`, async () => {
      const world = await loadFixture(funded);
      await use(world, type, await signType(world, signerOf(world, type), type, messageOf(world.taskId)));
    });

    it(`${type}: must be signed by the one whose right it is`, async () => {
      const world = await loadFixture(funded);
      const signer = signerOf(world, type);
      for (const other of ["client", "provider", "relayer", "stranger"] as const) {
        if (world[other] === signer) continue;
        const signature = await signType(world, world[other], type, messageOf(world.taskId));
        await expectInvalid(world, use(world, type, signature), signer.address, other);
      }
    });

    it(`INV13: ${type}: works for one task only`, async () => {
      const world = await loadFixture(funded);
      const signer = signerOf(world, type);
      const changes: Partial<Task>[] = [
        { salt: saltOf(2) },
        { amount: AMOUNT - 1n },
        { deadline: world.deadline - 1n },
      ];
      for (const change of changes) {
        const { task, taskId } = await fundTask(world, change);
        const signature = await signType(world, signer, type, messageOf(world.taskId));
        await expectInvalid(world, use({ ...world, task, taskId }, type, signature), signer.address);
      }
    });

    it(`INV13: ${type}: works under one domain only`, async () => {
      const world = await loadFixture(funded);
      const signer = signerOf(world, type);
      for (const change of [
        { name: "EVM Payment Channel" },
        { version: "2" },
        { chainId: 1n },
        { verifyingContract: world.tokenAddress },
      ]) {
        const domain = { ...world.domain, ...change };
        const signature = await signType(world, signer, type, messageOf(world.taskId), domain);
        await expectInvalid(world, use(world, type, signature), signer.address, JSON.stringify(Object.keys(change)));
      }
    });

    it(`INV13: ${type}: is worthless at another escrow and on another chain, with the same terms`, async () => {
      const world = await loadFixture(funded);
      const { client, token, task, domain } = world;
      const signer = signerOf(world, type);
      const second = await ethers.deployContract("TaskEscrow");
      await token.connect(client).approve(second, AMOUNT);
      await second.connect(client).fund(task);
      const taskId = await second.computeTaskId(task);
      const there = { ...world, escrow: second, taskId };
      for (const id of [world.taskId, taskId])
        await expectInvalid(
          there,
          use(there, type, await signType(world, signer, type, messageOf(id), domain)),
          signer.address,
        );
      const verifyingContract = await second.getAddress();
      await use(there, type, await signType(world, signer, type, messageOf(taskId), { ...domain, verifyingContract }));

      const elsewhere = await network.create({ override: { chainId: 31338 } });
      const far = await deployEscrow(elsewhere);
      const farTask = { ...far, ...(await fundTask(far, { deadline: world.deadline })) };
      expect(farTask.task).to.deep.equal(task);
      for (const id of [world.taskId, farTask.taskId])
        await expectInvalid(
          far,
          use(farTask, type, await signType(world, signer, type, messageOf(id))),
          signer.address,
        );
      await use(farTask, type, await signType(far, signerOf(far, type), type, messageOf(farTask.taskId)));
      await elsewhere.close();
    });

    it(`F003: ${type}: no other type takes its place`, async () => {
      // Client and provider are one, so nothing but the type tells the signatures apart.
      const world = await loadFixture(funded);
      const own = { ...world, ...(await fundTask(world, { provider: world.parties.client })) };
      const other = types.find((candidate) => candidate !== type)!;
      const signature = await signType(world, world.client, other, messageOf(own.taskId));
      await expectInvalid(world, use(own, type, signature), world.parties.client);
      // Nor does the authorization that funded it.
      const authorized = await authorizeFund(world, own.task);
      await expectInvalid(world, use(own, type, authorized.signature), world.parties.client);
      await use(own, type, await signType(world, world.client, type, messageOf(own.taskId)));
    });

    it(`INV15: ${type}: no relayer can change what was signed`, async () => {
      const world = await loadFixture(funded);
      const signer = signerOf(world, type);
      const signature = await signType(world, signer, type, messageOf(world.taskId));
      for (const deadline of [LATER + 1n, LATER - 1n])
        await expectInvalid(world, use(world, type, signature, { deadline }), signer.address);
      if (type === "Release")
        for (const amount of [39n, 41n, AMOUNT])
          await expectInvalid(world, use(world, type, signature, { amount }), signer.address);
      await use(world, type, signature);
    });

    it(`F014, F110: ${type}: has one form, 65 bytes with low s and v of 27 or 28`, async () => {
      const world = await loadFixture(funded);
      const signer = signerOf(world, type);
      const signature = await signType(world, signer, type, messageOf(world.taskId));
      const forms = {
        "high s": withHighS(signature),
        "v of 0 or 1": withBareV(signature),
        "64 bytes": asCompact(signature),
        "no v": dataSlice(signature, 0, 64),
        "66 bytes": concat([signature, "0x00"]),
        "the other v": concat([dataSlice(signature, 0, 64), signature.endsWith("1b") ? "0x1c" : "0x1b"]),
        zeros: `0x${"00".repeat(65)}`,
        nothing: "0x",
      };
      for (const [form, changed] of Object.entries(forms))
        await expectInvalid(world, use(world, type, changed), signer.address, form);
      await use(world, type, signature);
    });

    it(`${type}: deadline, then signature, then task: each with its own error`, async () => {
      const world = await loadFixture(funded);
      const { escrow } = world;
      const past = BigInt(await time.latest()) - 1n;
      await expect(use(world, type, "0x", { deadline: past }))
        .to.be.revertedWithCustomError(escrow, "AuthorizationExpired")
        .withArgs(past);
      const task = taskOf(world, { salt: saltOf(9) });
      const unknown = { ...world, task, taskId: taskIdOf(world, task) };
      await expectInvalid(world, use(unknown, type, "0x"), signerOf(world, type).address);
      const signature = await signType(world, signerOf(world, type), type, messageOf(unknown.taskId));
      await expect(use(unknown, type, signature))
        .to.be.revertedWithCustomError(escrow, "TaskNotFound")
        .withArgs(unknown.taskId);
    });
  }

  it("a client that is nobody signs nothing", async () => {
    const world = await loadFixture(funded);
    const { escrow } = world;
    // Only a token that does not care who pays lets such a task be.
    const token = await ethers.deployContract("PlainToken");
    await escrow.fundWithAuthorization(
      taskOf(world, { token: await token.getAddress(), client: ZeroAddress }),
      0n,
      LATER,
      "0x",
    );
    const task = taskOf(world, { token: await token.getAddress(), client: ZeroAddress });
    for (const signature of ["0x", `0x${"00".repeat(65)}`])
      await expectInvalid(world, escrow.releaseWithAuthorization(task, 40n, LATER, signature), ZeroAddress);
  });
});

/** A wallet, whose owner is the sponsor, is client and provider of two tasks. */
async function walletOwned() {
  const world = await deployEscrow(connection);
  const wallet = await ethers.deployContract("ERC1271Wallet", [world.sponsor]);
  const address = await wallet.getAddress();
  await world.token.faucet(wallet, AMOUNT);
  const asClient = taskOf(world, { client: address });
  await sendFund(world, await authorizeFund(world, asClient, { signer: world.sponsor }));
  const asProvider = await fundTask(world, { provider: address });
  const asClientOf = { ...world, task: asClient, taskId: taskIdOf(world, asClient) };
  return { ...world, wallet, address, Release: asClientOf, Refund: { ...world, ...asProvider } };
}

describe("TaskEscrow: contracts that sign (ERC-1271)", () => {
  for (const type of types)
    it(`${type}: a wallet signs by its owner, as long as it says so`, async () => {
      const world = await loadFixture(walletOwned);
      const { sponsor, stranger, wallet, address } = world;
      const owned = world[type];
      const signature = await signType(world, sponsor, type, messageOf(owned.taskId));
      await expectInvalid(
        world,
        use(owned, type, await signType(world, stranger, type, messageOf(owned.taskId))),
        address,
      );
      const start = await takeSnapshot();
      await wallet.setAnswer("0xffffffff".padEnd(66, "0"), false);
      await expectInvalid(world, use(owned, type, signature), address);
      for (const [answer, reverts] of [
        ["0x", false],
        ["0x1626ba7e", false],
        ["0x1626ba7e".padEnd(66, "0"), true],
      ] as const) {
        await wallet.setAnswer(answer, reverts);
        await expectInvalid(world, use(owned, type, signature), address, answer);
      }
      await start.restore();
      await expectTaskEffects(world, use(owned, type, signature), {
        events: [type === "Release" ? ["TaskReleased", owned.taskId, 40n] : ["TaskRefunded", owned.taskId, AMOUNT]],
        balances: type === "Release" ? { contract: -40n, provider: 40n } : { contract: -AMOUNT, client: AMOUNT },
      });
    });

  it("F041: a signature of a wallet that is not there yet (ERC-6492) calls nothing, and is refused", async () => {
    const world = await loadFixture(funded);
    const { parties, token, taskId } = world;
    const suffix = "0x6492649264926492649264926492649264926492649264926492649264926492";
    const call = token.interface.encodeFunctionData("transferFrom", [parties.client, parties.relayer, 1n]);
    const signature = await signType(world, world.client, "Release", messageOf(taskId));
    const wrapped = concat([
      ethers.AbiCoder.defaultAbiCoder().encode(
        ["address", "bytes", "bytes"],
        [await token.getAddress(), call, signature],
      ),
      suffix,
    ]);
    await expectInvalid(world, use(world, "Release", wrapped), parties.client);
  });
});

describe("TaskEscrow: signers that gain code (EIP-7702)", () => {
  /** Ways in which an account comes to answer for itself, and to deny what it signed. */
  const gains: Record<string, (world: Funded, address: string) => Promise<void>> = {
    "a delegation": async ({ stranger }, address) => {
      const wallet = await ethers.deployContract("ERC1271Wallet", [stranger]);
      await setCode(address, concat(["0xef0100", await wallet.getAddress()]));
    },
    "a delegation to a contract that burns gas": async (_world, address) => {
      const burner = await ethers.deployContract("HostileSigner", [0]);
      await setCode(address, concat(["0xef0100", await burner.getAddress()]));
    },
    "code that only fails": async (_world, address) => setCode(address, "0xfe"),
  };

  for (const [name, gain] of Object.entries(gains))
    for (const type of types)
      it(`INV12: ${type}: a signer with ${name} cannot disown what it signed before`, async () => {
        const world = await loadFixture(funded);
        const signer = signerOf(world, type);
        const signature = await signType(world, signer, type, messageOf(world.taskId));
        await gain(world, signer.address);
        expect(await ethers.provider.getCode(signer)).not.to.equal("0x");
        await expectTaskEffects(world, use(world, type, signature), {
          events: [type === "Release" ? ["TaskReleased", world.taskId, 40n] : ["TaskRefunded", world.taskId, AMOUNT]],
          balances: type === "Release" ? { contract: -40n, provider: 40n } : { contract: -AMOUNT, client: AMOUNT },
        });
      });

  it("lets an account's code sign for it as well", async () => {
    const world = await loadFixture(funded);
    const signature = await signType(world, world.stranger, "Release", messageOf(world.taskId));
    await expectInvalid(world, use(world, "Release", signature), world.parties.client);
    await gains["a delegation"]!(world, world.parties.client);
    await use(world, "Release", signature);
  });

  it("a claim needs no signature of the escrow's own, and no party's code", async () => {
    const world = await loadFixture(funded);
    const { escrow, task, taskId, parties } = world;
    for (const party of [parties.client, parties.provider]) await setCode(party, "0xfe");
    await expectTaskEffects(world, escrow.claim(task, PARAMETERS, evidenceOf(40n)), {
      events: [["TaskReleased", taskId, 40n]],
      balances: { contract: -40n, provider: 40n },
    });
  });
});
