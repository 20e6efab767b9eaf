// Checked by the compiler alone: `npm run check`.
import { expectTypeOf } from "expect-type";

import {
  type approveToken,
  type ChainClient,
  type Deployment,
  getDeployment,
  type KnownContract,
  type openChannel,
  requireKnownContract,
  type SubfenActions,
  UnknownContractError,
} from "../../sdk/src/index.ts";
import type { ConditionalOptions, createGateway, NoTokenError, TickOptions } from "../../sdk/src/server/index.ts";

type Hex = `0x${string}`;
type Trusted = readonly Hex[] | undefined;

expectTypeOf(getDeployment).parameters.toEqualTypeOf<[chainId: number]>();
expectTypeOf(getDeployment).returns.toEqualTypeOf<Deployment>();
expectTypeOf<Deployment>().toEqualTypeOf<{
  readonly chainId: number;
  readonly paymentChannels: Hex;
  readonly taskEscrow: Hex;
  readonly conditions: {
    readonly hashlock: Hex;
    readonly attestation: Hex;
    readonly ticks: Hex;
    readonly kth: Hex;
    readonly review: Hex;
  };
  readonly token: Hex | undefined;
  readonly fromBlock: bigint | undefined;
}>();

expectTypeOf<KnownContract>().toEqualTypeOf<
  | "PaymentChannels"
  | "TaskEscrow"
  | "HashlockCondition"
  | "AttestationCondition"
  | "TickCondition"
  | "KthCondition"
  | "ReviewCondition"
  | "MockDigitalYuan"
>();
expectTypeOf(requireKnownContract).parameters.toEqualTypeOf<[ChainClient, requireKnownContract.Parameters]>();
expectTypeOf(requireKnownContract).returns.resolves.toEqualTypeOf<void>();
expectTypeOf<requireKnownContract.Parameters>().toEqualTypeOf<{
  address: Hex;
  contract: KnownContract | readonly KnownContract[];
  trustedContracts?: Trusted;
  chainId?: number | undefined;
}>();
expectTypeOf<requireKnownContract.ErrorType>().toEqualTypeOf<UnknownContractError>();
expectTypeOf<UnknownContractError>().toExtend<{
  readonly address: Hex;
  readonly chainId: number;
  readonly fault: "missing" | "code" | "values";
}>();

// Whatever lets a contract have money can be told to trust it.
type Option<action extends (...parameters: never[]) => unknown> = Parameters<action>[1] extends infer parameters
  ? parameters extends { trustedContracts?: infer trusted }
    ? trusted
    : never
  : never;
expectTypeOf<Option<typeof openChannel>>().toEqualTypeOf<Trusted>();
expectTypeOf<Option<typeof approveToken>>().toEqualTypeOf<Trusted>();
for (const name of ["openChannel", "topUpChannel", "fundTask", "fundTasks", "approveToken"] as const)
  expectTypeOf<Parameters<SubfenActions[typeof name]>[0]["trustedContracts"]>().toEqualTypeOf<Trusted>();

// What a gateway finds by itself may be left out.
expectTypeOf<createGateway.Parameters["contract"]>().toEqualTypeOf<Hex | undefined>();
expectTypeOf<createGateway.Parameters["token"]>().toEqualTypeOf<Hex | undefined>();
expectTypeOf<createGateway.Parameters["trustedContracts"]>().toEqualTypeOf<Trusted>();
expectTypeOf<{ client: ChainClient; realm: string; secret: string }>().toExtend<createGateway.Parameters>();
expectTypeOf<{ creditLimit: bigint }>().toExtend<ConditionalOptions>();
expectTypeOf<object>().toExtend<TickOptions>();
expectTypeOf<NoTokenError["code"]>().toEqualTypeOf<string>();

/** What the compiler refuses. */
export function refused(client: ChainClient): void {
  // @ts-expect-error: chains have numbers
  getDeployment("sepolia");
  // @ts-expect-error: none of ours
  void requireKnownContract(client, { address: "0x", contract: "WrappedEther" });
  // @ts-expect-error: addresses, not names
  void requireKnownContract(client, { address: "0x", contract: "TaskEscrow", trustedContracts: ["TaskEscrow"] });
}
