import type { Address } from "viem";

import { getChainId } from "../chain/actions.ts";
import { getCloseGracePeriod } from "../chain/channels.ts";
import { getDeployment } from "../chain/getDeployment.ts";
import { requireKnownContract } from "../chain/knownContracts.ts";
import { isLocalChain } from "../chain/localChains.ts";
import { MissingAccountError } from "../chain/write.ts";
import { SubfenError } from "../errors.ts";
import type { Ledger, LedgerOwner } from "../ledger/ledger.ts";
import { createSqliteLedger, ForeignLedgerError } from "../ledger/sqlite/sqliteLedger.ts";
import { createReport } from "../report.ts";
import { type Charging, createCharging } from "./charging.ts";
import type { GatewayParameters } from "./gatewayParameters.ts";
import { observeLedger } from "./gatewayEvent.ts";
import { createOutbox } from "./outbox.ts";
import { requireLedgerUpToDate } from "./resynchronize.ts";
import type { Seller } from "./seller.ts";
import { type Settler, startSettler } from "./settler.ts";
import { createSettling, type Settling } from "./settling.ts";
import { createVoucherVerifier } from "./voucherVerifier.ts";

/** The contract's grace period is too short to settle in. */
export class UnsuitableContractError extends SubfenError {
  override readonly name = "UnsuitableContractError";

  constructor(contract: Address, gracePeriod: number) {
    super(`The channel contract ${contract} has a grace period of ${gracePeriod} s; at least 600 s are needed.`, {
      code: "unsuitable-contract",
      metaMessages: ["Deploy PaymentChannels with a longer one: 900 s is usual."],
    });
  }
}

/** A gateway was told no token, and none is recorded for its chain. */
export class NoTokenError extends SubfenError {
  override readonly name = "NoTokenError";

  constructor(chainId: number) {
    super(`No token is recorded for chain ${chainId}.`, {
      code: "no-token",
      metaMessages: ["Pass `token`: its address depends on who operates it.", "Or give a client of another chain."],
    });
  }
}

/** The ledger that was passed in belongs to another seller. */
function requireOwnLedger(ledger: Ledger, owner: LedgerOwner): void {
  for (const field of ["chainId", "contract", "token", "payee"] as const) {
    const [found, wanted] = [ledger.owner?.[field], owner[field]].map((value) => String(value).toLowerCase());
    if (ledger.owner && found !== wanted) throw new ForeignLedgerError(field, String(found), String(wanted));
  }
}

/** A seller that is ready to sell. */
export type OpenSeller = {
  seller: Seller;
  /** Seconds. */
  gracePeriod: number;
  settling: Settling;
  /** Where single transfers are taken. */
  charging: Charging | undefined;
  settler: Settler | undefined;
  /** Tells the owner what went wrong inside; what comes of that changes no answer. */
  report: (error: unknown) => void;
  /** Ends what runs by itself, and the ledger unless it was passed in. */
  close: () => Promise<void>;
};

/**
 * Opens the ledger, compares it with the chain, and starts what a seller does without being asked: it looks after what
 * was sent, and settles.
 *
 * @throws As {@link createGateway}.
 */
export async function openSeller(parameters: GatewayParameters & { now: () => number }): Promise<OpenSeller> {
  const { client, fromBlock, maxFeePerGas, trustedContracts } = parameters;
  const { now, minDeposit = 100_000n, transactionTimeout = 60_000, replaceAfter = 45_000 } = parameters;
  if (!client.account) throw new MissingAccountError("createGateway");
  const chainId = await getChainId(client);
  const deployment = getDeployment(chainId);
  const { contract = deployment.paymentChannels, token = deployment.token } = parameters;
  if (token === undefined) throw new NoTokenError(chainId);
  const check = { trustedContracts, chainId };
  await requireKnownContract(client, { ...check, address: contract, contract: "PaymentChannels" });
  await requireKnownContract(client, { ...check, address: token, contract: "MockDigitalYuan" });
  const gracePeriod = await getCloseGracePeriod(client, { contract });
  if (gracePeriod < 600) throw new UnsuitableContractError(contract, gracePeriod);
  const isLocal = isLocalChain(chainId);
  const confirmations = parameters.confirmations ?? (isLocal ? 1 : 2);
  const payee = parameters.payee ?? client.account.address;
  const verifier = await createVoucherVerifier({ contract, chainId });
  const report = createReport(parameters.onError);

  const owner: LedgerOwner = { chainId, contract, token, payee };
  const { ledgerPath = "subfen-ledger.db" } = parameters;
  const plain = parameters.ledger ?? (await createSqliteLedger({ path: ledgerPath, owner, now, onError: report }));
  const ledger = parameters.observe ? observeLedger(plain, parameters.observe) : plain;
  const closeLedger = async (): Promise<void> => (parameters.ledger ? undefined : ledger.close());
  try {
    requireOwnLedger(ledger, owner);
    await requireLedgerUpToDate({ client, ...owner, ledger, fromBlock });
    const timeout = 180_000;
    const sending = { client, chainId, ledger, confirmations, replaceAfter, maxFeePerGas, timeout, now, report };
    const outbox = createOutbox(sending);
    const shared = { verifier, confirmations, transactionTimeout, minDeposit, now, outbox };
    const seller: Seller = { client, ...owner, ledger, ...shared };
    const settling = createSettling(seller);
    const charging = parameters.charge ? await createCharging(seller, report) : undefined;
    const lagAfter = isLocal ? undefined : gracePeriod / 4;
    const settler =
      parameters.settler === false
        ? undefined
        : startSettler({
            seller,
            settling,
            charging,
            options: parameters.settler ?? {},
            gracePeriod,
            lagAfter,
            report,
          });
    await outbox.adopt();
    const close = async (): Promise<void> => {
      settler?.stop();
      outbox.stop();
      await closeLedger();
    };
    return { seller, gracePeriod, settling, charging, settler, report, close };
  } catch (error) {
    await closeLedger();
    throw error;
  }
}
