import type { Address } from "viem";

import type { ChainClient } from "../chain/write.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { SigningAccount } from "../protocol/typedMessage.ts";
import type { ConditionalOptions, TickOptions } from "./conditions.ts";
import type { GatewayEvent } from "./gatewayEvent.ts";
import type { SettlerOptions } from "./settler.ts";

/** How single requests are sold by `evm`/`charge`, each in a transaction of its own at the seller's gas. */
export type ChargeOptions = {
  /** Base units below which no charge is offered, since each costs the seller gas; 100,000 (0.1 ¥) by default. */
  readonly minAmount?: bigint | undefined;
  /**
   * When the money moves: `after` the work, so that work that fails costs nothing, by default; or `before` it, so that
   * no work is done for money that does not come: a buyer whose work fails then keeps its credential, which is good
   * until it succeeds.
   */
  readonly settle?: "after" | "before" | undefined;
};

/** What a gateway is made of. */
export type GatewayParameters = {
  /** A viem client whose account sends openings, settlements and closings: the payee, or for settling its operator. */
  client: ChainClient;
  /** The PaymentChannels contract; by default that of the chain's deployment, see `getDeployment`. */
  contract?: Address | undefined;
  /** The token that is taken; by default that of the chain's deployment, where one is recorded. */
  token?: Address | undefined;
  /**
   * Contracts to use although their code is not known to this package, such as a token of another issuer: it must move
   * what is asked and nothing by itself, see docs/security.md. None by default.
   */
  trustedContracts?: readonly Address[] | undefined;
  /** The name of the protection space; the same to all processes of one seller. */
  realm: string;
  /** At least 16 bytes that bind challenges, as bytes or text; the same to all processes of one seller. */
  secret: Uint8Array | string;
  /** Who is paid; the client's account by default. */
  payee?: Address;
  /** A file by default, see `ledgerPath`. */
  ledger?: Ledger;
  /** The file of the default ledger; `subfen-ledger.db` in the working folder by default. */
  ledgerPath?: string;
  /**
   * The block to look for openings from, such as that of the contract's deployment, when the ledger is compared with
   * the chain at the start; by default the newest block that the ledger knows of.
   */
  fromBlock?: bigint;
  /** Base units to propose as a deposit. */
  suggestedDeposit?: bigint;
  /** Base units below which no channel is opened at the seller's gas; 100,000 (0.1 ¥) by default. */
  minDeposit?: bigint;
  /** Openings and top-ups that are sent at the seller's gas for one payer within any hour; 10 by default. */
  maxRelaysPerHour?: number;
  /** Base units by which a statement must grow; 0 by default. */
  minVoucherDelta?: bigint;
  /** Which conditional payments are taken for offers that allow them; none by default. */
  conditional?: ConditionalOptions;
  /** How ticks are taken; not at all by default. */
  ticks?: TickOptions;
  /** Blocks to wait for; 1 on a local chain and 2 elsewhere by default. */
  confirmations?: number;
  /** Set to sell by single transfers too, where {@link Offer.charge} does not say otherwise; not sold so by default. */
  charge?: ChargeOptions;
  /** When the gateway settles by itself; `false` where nobody but {@link Gateway.settleAll} does. */
  settler?: SettlerOptions | false;
  /** Milliseconds after which a transaction that is not mined is sent again with a higher fee; 45,000 by default. */
  replaceAfter?: number;
  /** Wei for each unit of gas that no transaction of the seller's exceeds; five times what the node says by default. */
  maxFeePerGas?: bigint;
  /** Milliseconds to wait for a transaction by which a payer has funded a channel itself; 60,000 by default. */
  transactionTimeout?: number;
  /** Seconds after which a channel is read from the chain again before it is served; 60 by default. */
  recheckAfter?: number;
  /** Seconds a challenge is good for; 600 by default. */
  challengeLifetime?: number;
  /** Milliseconds the work may take: at most half the contract's grace period, which is the default. */
  workTimeout?: number;
  /** Milliseconds a stream waits for its next payment before it ends; 30,000 by default. */
  paymentTimeout?: number;
  /**
   * Signs receipts: an account of `createFastAccount` takes a tenth of the time. The client's account by default, where
   * that signs by itself; `false` where receipts are not signed.
   */
  receiptAccount?: SigningAccount | false;
  /** Milliseconds a closing waits for the channel's running requests; 30,000 by default. */
  drainTimeout?: number;
  /** Bytes of a request's body; 4 MiB by default. */
  maxBody?: number;
  /** Milliseconds in which a request's body must have come; 30,000 by default. */
  bodyTimeout?: number;
  /** Bytes up to which an answer is kept for a repeated request; 1 MiB by default. */
  maxKeptAnswer?: number;
  /** Characters of a credential; 16,384 by default. Servers and proxies often take less. */
  maxCredential?: number;
  /** Requests and streams that may run at a time, paid or not; 1,024 by default. */
  maxRunning?: number;
  /** Requests and streams of one channel that may run at a time; 256 by default. */
  maxHolds?: number;
  /** Told what the gateway does. What it throws changes nothing, and is told to `onError`. */
  observe?: (event: GatewayEvent) => void;
  /** Told what went wrong inside; the buyer is told a general sentence. */
  onError?: (error: unknown) => void;
  /** The clock, in milliseconds; `Date.now` by default. */
  now?: () => number;
};
