import { moduleOf } from "../scripts/deploy/moduleOf.ts";

/** The escrow of tasks. */
export default moduleOf("Escrow");
