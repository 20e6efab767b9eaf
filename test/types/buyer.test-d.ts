// Checked by the compiler alone: `npm run check`.
import type { Provider, Signer, Wallet } from "ethers";
import { expectTypeOf } from "expect-type";
import type { Account, Chain, Client, PublicClient, Transport, WalletClient } from "viem";

import { accountFromEthers, clientFromEthers } from "../../sdk/src/ethers/index.ts";
import {
  type BuyerStore,
  type ChainClient,
  type Channel,
  type ChannelBalance,
  type ChannelEvent,
  type ChargePayment,
  type ClosedChannel,
  type CloseOptions,
  ContractRefusedError,
  getChannel,
  openChannel,
  type Payment,
  payingFetch,
  type PayingFetch,
  PriceAboveLimitError,
  settleChannels,
  type SigningAccount,
  type SubfenActions,
  subfenActions,
  type Terms,
} from "../../sdk/src/index.ts";

type Hex = `0x${string}`;

expectTypeOf(payingFetch).parameters.toEqualTypeOf<[payingFetch.Parameters]>();
expectTypeOf(payingFetch).returns.toEqualTypeOf<PayingFetch>();
expectTypeOf<PayingFetch>().toExtend<typeof fetch>();
expectTypeOf<payingFetch.Parameters>().toEqualTypeOf<{
  account: SigningAccount;
  client: ChainClient;
  maxDeposit: bigint;
  maxPrice: bigint;
  onPayment?: ((payment: Payment) => void) | undefined;
  onCharge?: ((payment: ChargePayment) => void) | undefined;
  trustedContracts?: readonly Hex[] | undefined;
  fetch?: typeof fetch | undefined;
  store?: BuyerStore | undefined;
  recoverFrom?: bigint | undefined;
}>();
expectTypeOf<PayingFetch["balance"]>().toEqualTypeOf<() => ChannelBalance[]>();
expectTypeOf<PayingFetch["close"]>().toEqualTypeOf<(options?: CloseOptions) => Promise<ClosedChannel[]>>();
expectTypeOf<ClosedChannel["by"]>().toEqualTypeOf<"seller" | "withdrawal" | "pending">();
expectTypeOf<Payment["amount"]>().toEqualTypeOf<bigint>();

// Any client of viem will do.
expectTypeOf<PublicClient>().toExtend<ChainClient>();
expectTypeOf<WalletClient>().toExtend<ChainClient>();
expectTypeOf<Client<Transport, Chain, Account>>().toExtend<ChainClient>();

expectTypeOf<Channel>().toEqualTypeOf<{
  readonly deposit: bigint;
  readonly settled: bigint;
  readonly closeRequestedAt: number;
  readonly finalized: boolean;
}>();
expectTypeOf(getChannel)
  .parameter(1)
  .toEqualTypeOf<{ channelId: Hex; blockNumber?: bigint | undefined } & { contract: Hex }>();
expectTypeOf(getChannel).returns.resolves.toEqualTypeOf<Channel>();
expectTypeOf(openChannel).returns.resolves.toEqualTypeOf<Hex>();
expectTypeOf(openChannel).parameter(1).toExtend<{ contract: Hex; terms: Omit<Terms, "payer">; deposit: bigint }>();
expectTypeOf(subfenActions()).parameters.toEqualTypeOf<[ChainClient]>();
expectTypeOf<SubfenActions["settleChannels"]>().parameters.toEqualTypeOf<[Parameters<typeof settleChannels>[1]]>();
expectTypeOf<Extract<ChannelEvent, { eventName: "ChannelSettled" }>["args"]>().toExtend<{ channelId: Hex }>();

expectTypeOf<ContractRefusedError["errorName"]>().toEqualTypeOf<string | undefined>();
expectTypeOf<ContractRefusedError["args"]>().toEqualTypeOf<readonly unknown[]>();
expectTypeOf<PriceAboveLimitError["price"]>().toEqualTypeOf<bigint>();

expectTypeOf(accountFromEthers).parameters.toEqualTypeOf<[Signer]>();
expectTypeOf(accountFromEthers).returns.resolves.toEqualTypeOf<SigningAccount>();

/** What the compiler refuses, and what it knows of each way in. */
export function refused(
  parameters: payingFetch.Parameters,
  channel: Channel,
  payment: Payment,
  wallet: Wallet,
  provider: Provider,
): void {
  expectTypeOf(clientFromEthers(wallet)).resolves.toExtend<{ account: { address: Hex; type: "json-rpc" } }>();
  expectTypeOf(clientFromEthers(provider)).resolves.toExtend<{ account: undefined }>();
  expectTypeOf(clientFromEthers(provider)).resolves.toExtend<ChainClient>();
  // @ts-expect-error: amounts are bigint
  payingFetch({ ...parameters, maxDeposit: 5 });
  // @ts-expect-error: there is no default for what a call may cost
  payingFetch({ account: parameters.account, client: parameters.client, maxDeposit: 5n });
  // @ts-expect-error: an address begins with 0x
  payingFetch({ ...parameters, trustedContracts: ["PaymentChannels"] });
  // @ts-expect-error: what was read is read only
  channel.deposit = 5n;
  // @ts-expect-error: a payment that was made does not change
  payment.amount = 0n;
  // @ts-expect-error: a provider cannot sign
  void accountFromEthers(provider);
}
