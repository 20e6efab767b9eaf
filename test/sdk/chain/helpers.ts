import { type Address, createWalletClient, custom, type Hex, keccak256, publicActions, stringToHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import { hashlock, hashPreimage, subfenActions, type Task } from "../../../sdk/src/index.ts";
import { createWorld } from "../../server/helpers.ts";

export const chainId = 31337;
export const later = 2n ** 40n;
export const bytes32 = (text: string): Hex => keccak256(stringToHex(text));
export const preimage = bytes32("preimage");

export type Stage = Awaited<ReturnType<typeof createStage>>;

/** A chain with the escrow and conditions beside the rest, and three parties who have gas; the payer has money. */
export async function createStage() {
  const world = await createWorld();
  const { ethers, provider, networkHelpers, token } = world;
  const deploy = async (name: string, parameters: unknown[] = []) =>
    (await (await ethers.deployContract(name, parameters)).getAddress()) as Address;
  const escrow = await deploy("TaskEscrow");
  await token.contract.setExempt(escrow, true);
  const third = privateKeyToAccount(`0x${"c3".repeat(32)}`);
  await networkHelpers.setBalance(third.address, 10n ** 18n);
  const transport = custom(provider as Parameters<typeof custom>[0], { retryCount: 0 });
  const thirdClient = createWalletClient({ account: third, transport, pollingInterval: 10 }).extend(publicActions);
  const lock = hashlock({ condition: await deploy("HashlockCondition"), sha256Hash: hashPreimage(preimage) });
  const now = async () => BigInt(await networkHelpers.time.latest());
  const oneDay = 86_400n;
  const deadline = (await now()) + 10n * oneDay;
  return {
    ...world,
    provider,
    deploy,
    escrow,
    lock,
    deadline,
    oneDay,
    now,
    third,
    payerSdk: world.payerClient.extend(subfenActions()),
    sellerSdk: world.sellerClient.extend(subfenActions()),
    thirdSdk: thirdClient.extend(subfenActions()),
    taskOf: (text: string, changes: Partial<Task> = {}): Task => ({
      client: world.payer.address,
      provider: world.seller.address,
      token: token.address,
      amount: 1000n,
      condition: lock.address,
      parametersHash: lock.parametersHash,
      deadline,
      salt: bytes32(text),
      ...changes,
    }),
  };
}
