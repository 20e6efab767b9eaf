import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { privateKeyToAccount } from "viem/accounts";

import { parseYuan } from "../../sdk/src/index.ts";
import { anvilPath } from "../fixtures/anvil.ts";
import { setUpChain } from "../fixtures/setUpChain.ts";
import { payerKey, sellerKey } from "../server/helpers.ts";
import { freePort, pause, type Process, startProcess } from "./processes.ts";

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
  const payer = privateKeyToAccount(payerKey);
  const seller = privateKeyToAccount(sellerKey);
  const set = await setUpChain(rpc, {
    mode: "anvil",
    payer: payer.address,
    money: parseYuan("100"),
    seller: seller.address,
  });
  const { client } = set;

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
    ...set,
    rpc,
    payer,
    seller,
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
