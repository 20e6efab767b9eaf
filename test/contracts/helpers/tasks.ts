import { type ContractTransactionResponse, keccak256, type Signer } from "ethers";
import type { NetworkConnection } from "hardhat/types/network";

import type { PlainToken } from "../../../types/index.ts";
import { encodeValues, hashValues, LATER, saltOf } from "./channels.ts";
import { type Effects, expectEffectsOn } from "./effects.ts";
import { signForToken } from "./token.ts";

export const MAX_AMOUNT = 2n ** 104n - 1n;
export const AMOUNT = 1_000n;
export const DAY = 86_400n;
export const MAX_DURATION = 365n * DAY;

/** The parameters of the condition that says what the evidence tells it to say: its answer takes no memory. */
export const PARAMETERS = encodeValues(["uint256"], [0n]);

/** Evidence by which that condition says that this is due. */
export const evidenceOf = (due: bigint): string => encodeValues(["uint256"], [due]);

/** The types signed under the escrow's domain, told once more so that the contract's own are checked. */
export const TASK_TYPES = {
  Release: [
    { name: "taskId", type: "bytes32" },
    { name: "cumulativeAmount", type: "uint128" },
    { name: "deadline", type: "uint64" },
  ],
  Refund: [
    { name: "taskId", type: "bytes32" },
    { name: "deadline", type: "uint64" },
  ],
};

export type Task = {
  client: string;
  provider: string;
  token: string;
  amount: bigint;
  condition: string;
  parametersHash: string;
  deadline: bigint;
  salt: string;
};

/** Deploys the escrow, the token and a condition that says what it is told. The client has money, and approved all of it. */
export async function deployEscrow(connection: NetworkConnection) {
  const { ethers, networkHelpers } = connection;
  const [deployer, client, provider, relayer, stranger, sponsor] = await ethers.getSigners();
  const token = await ethers.deployContract("MockDigitalYuan", [deployer!.address]);
  const escrow = await ethers.deployContract("TaskEscrow");
  const condition = await ethers.deployContract("EchoCondition");
  const contract = await escrow.getAddress();
  await token.faucet(client!, 100n * AMOUNT);
  await token.connect(client!).approve(contract, 100n * AMOUNT);

  const { chainId } = await ethers.provider.getNetwork();
  return {
    connection,
    token,
    escrow,
    condition,
    deployer: deployer!,
    client: client!,
    provider: provider!,
    relayer: relayer!,
    stranger: stranger!,
    sponsor: sponsor!,
    tokenAddress: await token.getAddress(),
    conditionAddress: await condition.getAddress(),
    /** The deadline of every task that names no other. */
    deadline: BigInt(await networkHelpers.time.latest()) + 7n * DAY,
    domain: { name: "subfen TaskEscrow", version: "1", chainId, verifyingContract: contract },
    /** Everybody whose balance is watched. */
    parties: {
      client: client!.address,
      provider: provider!.address,
      contract,
      relayer: relayer!.address,
      stranger: stranger!.address,
      sponsor: sponsor!.address,
    },
  };
}

export type EscrowWorld = Awaited<ReturnType<typeof deployEscrow>>;

type Party = keyof EscrowWorld["parties"];

type Issuable = {
  mint: PlainToken["mint"];
  connect(owner: EscrowWorld["client"]): { approve: PlainToken["approve"] };
};

/** A token with faults, with money for the client, approved. */
export async function issueTo<token extends Issuable>(
  { client, parties }: EscrowWorld,
  token: token,
  amount = 100n * AMOUNT,
): Promise<token> {
  await token.mint(client, amount);
  await token.connect(client).approve(parties.contract, amount);
  return token;
}

export const taskOf = (world: EscrowWorld, changes: Partial<Task> = {}): Task => ({
  client: world.parties.client,
  provider: world.parties.provider,
  token: world.tokenAddress,
  amount: AMOUNT,
  condition: world.conditionAddress,
  parametersHash: keccak256(PARAMETERS),
  deadline: world.deadline,
  salt: saltOf(1),
  ...changes,
});

export const taskIdOf = ({ parties, domain }: EscrowWorld, task: Task): string =>
  hashValues(
    ["address", "address", "address", "uint128", "address", "bytes32", "uint64", "bytes32", "address", "uint256"],
    [
      task.client,
      task.provider,
      task.token,
      task.amount,
      task.condition,
      task.parametersHash,
      task.deadline,
      task.salt,
      parties.contract,
      domain.chainId,
    ],
  );

/** Funds a task, sent by the client. */
export async function fundTask(world: EscrowWorld, changes: Partial<Task> = {}) {
  const task = taskOf(world, changes);
  await world.escrow.connect(world.client).fund(task);
  return { task, taskId: taskIdOf(world, task) };
}

/** Signs one of the escrow's types. */
export const signTask = (
  world: EscrowWorld,
  signer: Signer,
  type: keyof typeof TASK_TYPES,
  message: Record<string, unknown>,
  domain = world.domain,
): Promise<string> => signer.signTypedData(domain, { [type]: TASK_TYPES[type] }, message);

type AuthorizationOptions = {
  signer?: EscrowWorld["client"];
  /** Whose authorization it is, if not the signer's own. */
  from?: string;
  validAfter?: bigint;
  validBefore?: bigint;
};

/** The arguments of `fundWithAuthorization`, by name. */
export async function authorizeFund(
  world: EscrowWorld,
  task: Task,
  { signer = world.client, from = task.client, validAfter = 0n, validBefore = LATER }: AuthorizationOptions = {},
) {
  const nonce = taskIdOf(world, task);
  const message = { from, to: world.parties.contract, value: task.amount, validAfter, validBefore, nonce };
  const signature = await signForToken(signer, world.token, "ReceiveWithAuthorization", message);
  return { task, validAfter, validBefore, signature };
}

/** Sends it by the relayer, if nobody else is told. */
export const sendFund = (
  { escrow, relayer }: EscrowWorld,
  { task, validAfter, validBefore, signature }: Awaited<ReturnType<typeof authorizeFund>>,
  sender: Signer = relayer,
): Promise<ContractTransactionResponse> =>
  escrow.connect(sender).fundWithAuthorization(task, validAfter, validBefore, signature);

/** Asserts all that a transaction did: the escrow's events and everybody's balance. */
export const expectTaskEffects = (
  { escrow, parties, token }: EscrowWorld,
  transaction: Promise<ContractTransactionResponse>,
  effects: Effects<Party>,
): Promise<void> => expectEffectsOn({ contract: escrow, parties, token }, transaction, effects);

/** The event of a task that is funded. */
export const fundedEvent = (taskId: string, task: Task): [string, ...unknown[]] => [
  "TaskFunded",
  taskId,
  task.client,
  task.provider,
  task.token,
  task.amount,
  task.condition,
  task.parametersHash,
  task.deadline,
  task.salt,
];

/** What is stored of a task, as an object. */
export async function taskStateOf({ escrow }: EscrowWorld, taskId: string) {
  const { funded, released, closed } = await escrow.getTask(taskId);
  return { funded, released, closed };
}
