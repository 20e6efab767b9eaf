import { createRequire } from "node:module";

import hardhatToolboxMochaEthers from "@nomicfoundation/hardhat-toolbox-mocha-ethers";
import { configVariable, defineConfig } from "hardhat/config";

import { salt } from "./scripts/deploy/plan.ts";
import {
  chainIdVariable,
  explorerVariable,
  keyVariable,
  type KnownNetwork,
  networks,
  toChainId,
  usesAccountsOfNode,
} from "./scripts/deploy/networks.ts";

const require = createRequire(import.meta.url);

// The compiler comes from npm, so that nothing is downloaded outside the package registry. No metadata is appended:
// the same source gives the same code hash wherever it is compiled, and the SDK checks code hashes.
const compiler = (settings: { runs: number; viaIR: boolean }) => ({
  version: "0.8.37",
  path: require.resolve("solc/soljson.js"),
  settings: {
    evmVersion: "cancun",
    viaIR: settings.viaIR,
    optimizer: { enabled: true, runs: settings.runs },
    metadata: { bytecodeHash: "none" as const, appendCBOR: false },
  },
});

// Keys and URLs come from the environment or from Hardhat's keystore, when they are used and not before.
function reached([name, known]: [string, KnownNetwork]) {
  const { chainId = toChainId(process.env[chainIdVariable]), urlVariable, publicUrl } = known;
  const network = {
    type: "http" as const,
    chainType: name === "base-sepolia" ? ("op" as const) : ("l1" as const),
    url: configVariable(urlVariable, publicUrl === undefined ? {} : { default: publicUrl }),
    accounts: usesAccountsOfNode(name) ? ("remote" as const) : [configVariable(keyVariable)],
    ...(chainId === undefined ? {} : { chainId }),
  };
  return [name, network] as const;
}

function explorers() {
  const [chainId, url] = [toChainId(process.env[chainIdVariable]), process.env[explorerVariable]];
  if (chainId === undefined || !url) return {};
  return { [chainId]: { name: "custom", blockExplorers: { etherscan: { url, apiUrl: `${url}/api` } } } };
}

const build = process.env.SUBFEN_BUILD;

export default defineConfig({
  plugins: [hardhatToolboxMochaEthers],
  solidity: {
    profiles: {
      default: compiler({ runs: 200, viaIR: false }),
      production: compiler({ runs: 1_000_000, viaIR: true }),
    },
  },
  paths: {
    ignition: ".",
    // Other builds are kept apart: the one that is measured and deployed (scripts/production.ts), and the one that counts
    // which lines ran (scripts/coverage.ts). Within `artifacts` they would be taken for parts of the plain build.
    ...(build === undefined ? {} : { artifacts: `./cache/${build}/artifacts`, cache: `./cache/${build}` }),
    tests: { mocha: "./test", solidity: "./test/solidity" },
  },
  networks: {
    default: { type: "edr-simulated", chainType: "l1", hardfork: "prague" },
    ...Object.fromEntries(Object.entries(networks).map(reached)),
  },
  ignition: { strategyConfig: { create2: { salt } } },
  chainDescriptors: explorers(),
  verify: { etherscan: { apiKey: configVariable("ETHERSCAN_API_KEY") } },
  test: {
    mocha: { timeout: 60_000 },
    solidity: {
      profiles: {
        default: {
          fuzz: { runs: 256, seed: "0x5f" },
          invariant: { runs: 24, depth: 64, failOnRevert: true },
        },
        deep: {
          fuzz: { runs: 5_000, seed: "0x5f" },
          invariant: { runs: 128, depth: 160, failOnRevert: true },
        },
      },
    },
  },
  typechain: { outDir: build === undefined ? "./types" : `./cache/${build}/types` },
});
