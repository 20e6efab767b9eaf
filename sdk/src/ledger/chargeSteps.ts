import type { Hex } from "viem";

import type { Charge, ChargeRef, ChargeStore, HoldChargeResult, KnownCharge } from "./charge.ts";
import type { Answer } from "./ledger.ts";
import { UnknownHoldError } from "./steps.ts";

/**
 * Makes the steps of charges, as {@link createSteps} those of channels.
 *
 * @param store - Where charges are kept.
 * @param now - The clock, in milliseconds.
 * @returns The steps.
 */
export function createChargeSteps(store: ChargeStore, now: () => number) {
  function get(ref: ChargeRef): KnownCharge | undefined {
    const charge = store.charge(ref);
    return charge && { ...charge, answer: store.chargeAnswer(ref) };
  }

  function requireOpen(ref: ChargeRef): Charge {
    const charge = store.charge(ref);
    if (charge?.status === "earned" || (charge?.status === "held" && store.isOwnCharge(ref))) return charge;
    throw new UnknownHoldError(ref);
  }

  function put(charge: Charge): Charge {
    store.putCharge(charge);
    return charge;
  }

  return {
    get,

    hold(asked: Omit<Charge, "status" | "heldAt">): HoldChargeResult {
      const known = get(asked);
      if (known && known.status !== "released") return { kind: "known", charge: known };
      const txHash = known?.txHash ?? asked.txHash;
      return { kind: "held", charge: put({ ...asked, txHash, status: "held", heldAt: now() }) };
    },

    earn({ answer, ...ref }: ChargeRef & { answer: Answer | undefined }): Charge {
      const charge = requireOpen(ref);
      if (charge.status === "earned") throw new UnknownHoldError(ref);
      if (answer) store.putChargeAnswer(ref, answer);
      return put({ ...charge, status: charge.txHash === undefined ? "earned" : "settled" });
    },

    release(ref: ChargeRef): void {
      const charge = requireOpen(ref);
      if (charge.txHash === undefined) store.dropCharge(ref);
      else put({ ...charge, status: "released" });
    },

    settle({ txHash, ...ref }: ChargeRef & { txHash: Hex }): void {
      const charge = store.charge(ref);
      if (charge) put({ ...charge, txHash, status: charge.status === "earned" ? "settled" : charge.status });
    },
  };
}
