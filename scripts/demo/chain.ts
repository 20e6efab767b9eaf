// The chain that the demo plays on, in this process, with every contract deployed.
import { network, tasks } from "hardhat";
import { type Address, createWalletClient, custom, type Hex, publicActions, toHex } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";

import { mockDigitalYuanAbi, subfenActions } from "subfen";

/** Enough of the chain's coin for the few transactions of the demo. */
const gasMoney = 10n ** 18n;

/** 32 random bytes: a salt, a ref or a nonce. */
export function randomBytes32(): Hex {
  return toHex(crypto.getRandomValues(new Uint8Array(32)));
}

export type DemoChain = Awaited<ReturnType<typeof openChain>>;
export type DemoClient = ReturnType<DemoChain["newClient"]>;

/** Opens the chain. */
export async function openChain() {
  await tasks.getTask("build").run({ quiet: true });
  const { provider, ethers } = await network.create();
  const deploy = async (name: string, parameters: readonly unknown[] = []): Promise<Address> => {
    const contract = await ethers.deployContract(name, [...parameters]);
    return (await contract.getAddress()) as Address;
  };
  const [operator] = await ethers.getSigners();
  const token = await deploy("MockDigitalYuan", [operator?.address]);
  const channels = await deploy("PaymentChannels", [900]);
  const escrow = await deploy("TaskEscrow");
  const attestation = await deploy("AttestationCondition");
  const review = await deploy("ReviewCondition");
  const ticks = await deploy("TickCondition");
  const mock = await ethers.getContractAt("MockDigitalYuan", token);
  for (const custody of [channels, escrow]) await mock.setExempt(custody, true);

  const newClient = () =>
    createWalletClient({
      account: privateKeyToAccount(generatePrivateKey()),
      transport: custom(provider as Parameters<typeof custom>[0]),
      pollingInterval: 20,
    })
      .extend(publicActions)
      .extend(subfenActions());
  const observer = newClient();

  return {
    chainId: 31337,
    token,
    channels,
    escrow,
    attestation,
    review,
    ticks,
    /** A client with an account of its own. */
    newClient,
    async faucet(account: Address, amount: bigint): Promise<void> {
      await mock.faucet(account, amount);
    },
    async giveGas(account: Address): Promise<void> {
      await provider.request({ method: "hardhat_setBalance", params: [account, toHex(gasMoney)] });
    },
    balanceOf: (account: Address): Promise<bigint> =>
      observer.readContract({ address: token, abi: mockDigitalYuanAbi, functionName: "balanceOf", args: [account] }),
    /** The chain's own time, in Unix seconds. */
    async now(): Promise<bigint> {
      return (await observer.getBlock()).timestamp;
    },
    async passTime(seconds: number): Promise<void> {
      await provider.request({ method: "evm_increaseTime", params: [seconds] });
      await provider.request({ method: "evm_mine", params: [] });
    },
    /** Gas of every transaction that a contract told of since a block. */
    async gasOf(contract: Address, fromBlock: bigint): Promise<{ gas: bigint; transactions: number }> {
      const logs = await observer.getLogs({ address: contract, fromBlock });
      const hashes = [...new Set(logs.map(({ transactionHash }) => transactionHash))];
      const receipts = await Promise.all(hashes.map((hash: Hex) => observer.getTransactionReceipt({ hash })));
      return { gas: receipts.reduce((sum, { gasUsed }) => sum + gasUsed, 0n), transactions: hashes.length };
    },
    nextBlock: async (): Promise<bigint> => (await observer.getBlockNumber({ cacheTime: 0 })) + 1n,
  };
}
