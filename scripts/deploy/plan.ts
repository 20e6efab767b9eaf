// What is deployed, and where. Nothing here asks a chain: the addresses depend on the code and on these constants alone.
import type { Address, Hex } from "viem";
import { encodeAbiParameters, getCreate2Address, keccak256 } from "viem/utils";

/** CreateX, the CREATE2 factory that has this address on every chain. */
export const factory: Address = "0xba5Ed099633D3B313e4D5F7bdc1305d3c28ba5Ed";

/** keccak256("subfen"). It begins with no account's address, so whoever deploys reaches the same addresses. */
export const salt: Hex = "0x1009d59bbccf3a52e9e4dcc72957234cdc9befe1d216a151ebe1dff4616ec2f1";

/** The grace period of channels unless somebody chooses another, in seconds. */
export const usualGracePeriod = 900;

/** What the arguments of constructors are made of: values, or what stands for them in an Ignition module. */
export type Choices<period = number, account = Address> = {
  /** The grace period of channels, in seconds. */
  gracePeriod: period;
  /** Who may freeze accounts of the mock token. */
  operator: account;
};

export type PlannedContract = {
  name: string;
  /** Its file, from the root of the repository. */
  source: string;
  /** The Ignition module that deploys it. */
  module: string;
  /** The arguments of its constructor. */
  arguments: <period, account>(choices: Choices<period, account>) => (period | account)[];
};

const condition = (name: string): PlannedContract => ({
  name,
  source: `contracts/conditions/${name}.sol`,
  module: "Conditions",
  arguments: () => [],
});

/** The token stands last: it is left out where a real one is used. */
export const contracts: readonly PlannedContract[] = [
  {
    name: "PaymentChannels",
    source: "contracts/PaymentChannels.sol",
    module: "Channels",
    arguments: ({ gracePeriod }) => [gracePeriod],
  },
  { name: "TaskEscrow", source: "contracts/TaskEscrow.sol", module: "Escrow", arguments: () => [] },
  condition("HashlockCondition"),
  condition("AttestationCondition"),
  condition("TickCondition"),
  condition("KthCondition"),
  condition("ReviewCondition"),
  {
    name: "MockDigitalYuan",
    source: "contracts/token/MockDigitalYuan.sol",
    module: "Token",
    arguments: ({ operator }) => [operator],
  },
];

/**
 * Where the factory puts a contract.
 *
 * @param initCode - Its creation code with the arguments of its constructor.
 * @returns The same address on every chain.
 */
export function addressOf(initCode: Hex): Address {
  // CreateX hashes a salt that is bound to no sender, as this one is.
  const guarded = keccak256(encodeAbiParameters([{ type: "bytes32" }], [salt]));
  return getCreate2Address({ from: factory, salt: guarded, bytecode: initCode });
}
