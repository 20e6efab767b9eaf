import type { Charge, ChargeRef, ChargeStore } from "./charge.ts";
import type { Answer } from "./ledger.ts";

/** Keeps charges in memory. */
export function createMemoryCharges(): ChargeStore {
  const charges = new Map<string, Charge>();
  const answers = new Map<string, Answer>();

  function drop(ref: ChargeRef): void {
    charges.delete(keyOf(ref));
    answers.delete(keyOf(ref));
  }

  return {
    charge: (ref) => charges.get(keyOf(ref)),
    putCharge: (charge) => void charges.set(keyOf(charge), charge),
    dropCharge: drop,
    isOwnCharge: () => true,
    earnedCharges: () => [...charges.values()].filter(({ status }) => status === "earned"),
    chargeAnswer: (ref) => answers.get(keyOf(ref)),
    putChargeAnswer: (ref, answer) => void answers.set(keyOf(ref), answer),
    forgetCharges(before) {
      for (const charge of charges.values()) {
        if (charge.status === "settled" && charge.heldAt < before) drop(charge);
      }
      return true;
    },
  };
}

function keyOf({ payer, nonce }: ChargeRef): string {
  return `${payer} ${nonce}`.toLowerCase();
}
