// Made by `npm run generate` from the production build and `deployments/`. Do not edit.

type Recorded = {
  readonly token: `0x${string}`;
  readonly fromBlock: bigint | undefined;
  readonly contracts: Readonly<Record<string, { readonly address: `0x${string}`; readonly codeHash: `0x${string}` }>>;
};

/** Where `npm run deploy` puts a contract on any chain: its code and the values it is deployed with decide about it. */
export const usualAddresses = {
  PaymentChannels: "0xf8358aAa2Ff0d9cF70C67ad2b2Cd935cD6a3ff48",
  TaskEscrow: "0x53b423933030b11d5046f8f2e75511f06DA44389",
  HashlockCondition: "0xE757b47efB2e1048038960E1b23a3983Dcd37082",
  AttestationCondition: "0x5aA4152d25d5FB72a5045A7bd19E90AE60128B92",
  TickCondition: "0xEd02508a920AF7416b963D6E8cc322935dAA0F3e",
  KthCondition: "0x159a10b0830E9fea6E787719b48700FC0bab787f",
  ReviewCondition: "0xC848a995A2de81267E2e337982ba3026353b0CBb",
} as const;

/** What was deployed, by chain id: addresses, hashes of the whole code, and the first block of all, where it is known. */
export const recordedDeployments: Readonly<Record<number, Recorded>> = {};
