import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

import { artifacts } from "hardhat";
import { type Address, createTestClient, type Hex, http, publicActions, walletActions } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import { mockDigitalYuanAbi, parseYuan } from "../../sdk/src/index.ts";
import { payerKey, sellerKey } from "../server/helpers.ts";
import { freePort, pause, type Process, startProcess } from "./processes.ts";

const require = createRequire(import.meta.url);

/** The program itself: a script around it would be killed in its place. */
function anvilPath(): string {
  const architecture = process.arch === "x64" ? "amd64" : process.arch;
  const name = `@foundry-rs/anvil-${process.platform}-${architecture}/package.json`;
  const fromAnvil = createRequire(require.resolve("@foundry-rs/anvil/package.json"));
  return join(dirname(fromAnvil.resolve(name)), "bin", process.platform === "win32" ? "anvil.exe" : "anvil");
}

/** A chain in a process of its own, with the contracts, a payer with money and a seller with gas. */
export type Chain = Awaited<ReturnType<typeof startChain>>;

export async function startChain(folder: string) {
  const port = await freePort();
  const rpc = `http://127.0.0.1:${port}`;
  const state = join(folder, "anvil.json");
  /** The last state that was written whole: a process that is killed while it writes leaves half a file. */
  const kept = join(folder, "anvil-kept.json");
  let anvil: Process;

  async function start(from: string | undefined): Promise<void> {
    const args = ["--host", "127.0.0.1", "--port", `${port}`, "--chain-id", "31337", "--dump-state", state];
    // Blocks come by themselves too, as on any chain: one that was killed grows as high as it was.
    args.push("--block-time", "1", "--mixed-mining", "--state-interval", "1", ...(from ? ["--load-state", from] : []));
    anvil = startProcess(anvilPath(), args, { HOME: folder });
    await anvil.line(/^Listening on/);
  }
  await start(undefined);
  const client = createTestClient({ mode: "anvil", transport: http(rpc), pollingInterval: 20 })
    .extend(publicActions)
    .extend(walletActions);
  const [deployer] = (await client.getAddresses()) as [Address];
  const common = { account: deployer, chain: null } as const;
  async function mined(hash: Hex) {
    const receipt = await client.waitForTransactionReceipt({ hash });
    if (receipt.status !== "success") throw new Error("a transaction of the set-up failed");
    return receipt;
  }
  async function deploy(name: string, args: unknown[]): Promise<Address> {
    const { abi, bytecode } = await artifacts.readArtifact(name);
    const hash = await client.deployContract({ ...common, abi, bytecode: bytecode as Hex, args });
    return (await mined(hash)).contractAddress as Address;
  }
  const token = await deploy("MockDigitalYuan", []);
  const contract = await deploy("PaymentChannels", [900]);
  const payer = privateKeyToAccount(payerKey);
  const seller = privateKeyToAccount(sellerKey);
  const call = { ...common, address: token, abi: mockDigitalYuanAbi } as const;
  await mined(await client.writeContract({ ...call, functionName: "setExempt", args: [contract, true] }));
  await mined(await client.writeContract({ ...call, functionName: "faucet", args: [payer.address, parseYuan("100")] }));
  await client.setBalance({ address: seller.address, value: 10n ** 20n });

  /** Keeps the written state if it is whole. @returns Its newest block, or -1 where it is not whole. */
  function keep(): number {
    try {
      const text = readFileSync(state, "utf8");
      const { best_block_number: newest } = JSON.parse(text) as { best_block_number: number };
      writeFileSync(kept, text);
      return newest;
    } catch {
      return -1;
    }
  }

  return {
    rpc,
    client,
    token,
    contract,
    payer,
    seller,
    balanceOf: (account: Address): Promise<bigint> =>
      client.readContract({ address: token, abi: mockDigitalYuanAbi, functionName: "balanceOf", args: [account] }),
    /** Waits until it has written its newest state, and keeps that. */
    async written(): Promise<void> {
      const from = Number(await client.getBlockNumber({ cacheTime: 0 }));
      for (let looks = 0; looks < 200; looks++) {
        if (keep() >= from) return;
        await pause(50);
      }
      throw new Error(`the chain does not write its state: ${anvil.output()}`);
    },
    /** Kills it: it forgets what it has not written. */
    async kill(): Promise<void> {
      await anvil.kill();
      keep();
    },
    /** Starts it again from the last state that it has written whole. */
    restart: () => start(kept),
  };
}
