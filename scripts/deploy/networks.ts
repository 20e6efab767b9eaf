// The networks that `npm run deploy` knows. hardhat.config.ts makes its own from the same table.
export type KnownNetwork = {
  /** What the node must answer; without it, the variable SUBFEN_CHAIN_ID says it. */
  chainId?: number;
  /** The variable with the URL of the node. */
  urlVariable: string;
  /** The node that is asked where the variable is not set. */
  publicUrl?: string;
  /** Whether the chain's money is worthless, so that a mock token may stand there. */
  isTest: boolean;
  /** Where an account gets the chain's coin. */
  faucet?: string;
};

const localUrl = "http://127.0.0.1:8545";

export const networks: Readonly<Record<string, KnownNetwork>> = {
  local: { chainId: 31337, urlVariable: "SUBFEN_LOCAL_RPC_URL", publicUrl: localUrl, isTest: true },
  anvil: { chainId: 31337, urlVariable: "SUBFEN_ANVIL_RPC_URL", publicUrl: localUrl, isTest: true },
  sepolia: {
    chainId: 11155111,
    urlVariable: "SUBFEN_SEPOLIA_RPC_URL",
    publicUrl: "https://ethereum-sepolia-rpc.publicnode.com",
    isTest: true,
    faucet: "https://cloud.google.com/application/web3/faucet/ethereum/sepolia",
  },
  "base-sepolia": {
    chainId: 84532,
    urlVariable: "SUBFEN_BASE_SEPOLIA_RPC_URL",
    publicUrl: "https://sepolia.base.org",
    isTest: true,
    faucet: "https://docs.base.org/base-chain/tools/network-faucets",
  },
  custom: { urlVariable: "SUBFEN_RPC_URL", isTest: false },
};

/** The key of the account that deploys. A node of one's own lends its first account where it is not set. */
export const keyVariable = "SUBFEN_DEPLOYER_KEY";

/** The id of the chain of the network `custom`. */
export const chainIdVariable = "SUBFEN_CHAIN_ID";

/** Where an explorer with Etherscan's interface shows the chain of the network `custom`, if Etherscan itself does not. */
export const explorerVariable = "SUBFEN_EXPLORER_URL";

/** Whether the node itself holds the keys. */
export function usesAccountsOfNode(name: string): boolean {
  return (name === "local" || name === "anvil") && process.env[keyVariable] === undefined;
}

/** @returns A whole number of at least 1, or nothing where the text is no such number. */
export function toChainId(text: string | undefined): number | undefined {
  const chainId = /^[1-9][0-9]*$/.test(text ?? "") ? Number(text) : Number.NaN;
  return Number.isSafeInteger(chainId) ? chainId : undefined;
}
