// By this file mppx's command line pays sellers of both intents: `npx mppx --config config.ts URL`.
import { charge } from "mppx/evm/client";
import { session } from "subfen/mppx";
import { type Address, createPublicClient, type Hex, http } from "viem";
import { privateKeyToAccount } from "viem/accounts";

const { MPPX_PRIVATE_KEY, RPC_URL, TOKEN } = process.env as Record<string, string>;
const account = privateKeyToAccount(MPPX_PRIVATE_KEY as Hex);
const client = createPublicClient({ transport: http(RPC_URL) });

export default {
  methods: [
    // Give it a store, `await createFileStore({ path })` of subfen/client, so that channels outlive the command.
    session({ account, client, maxDeposit: 2_000_000n, maxPrice: 300_000n }),
    charge({
      account,
      authorization: { name: "Mock Digital Yuan", version: "1" },
      networks: [31337],
      currencies: [TOKEN as Address],
      maxAtomicAmount: "300000",
    }),
  ],
};
