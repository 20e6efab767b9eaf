import { createRequire } from "node:module";

import hardhatToolboxMochaEthers from "@nomicfoundation/hardhat-toolbox-mocha-ethers";
import { defineConfig } from "hardhat/config";

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
    // Scripts that measure or deploy work on the production build, which is kept apart: see scripts/production.ts.
    ...(process.env.SUBFEN_PROFILE === "production"
      ? { artifacts: "./artifacts/production", cache: "./cache/production" }
      : {}),
    tests: { mocha: "./test", solidity: "./test/solidity" },
  },
  networks: {
    default: { type: "edr-simulated", chainType: "l1", hardfork: "prague" },
  },
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
  typechain: { outDir: process.env.SUBFEN_PROFILE === "production" ? "./artifacts/production/types" : "./types" },
});
