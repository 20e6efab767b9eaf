import { moduleOf } from "../scripts/deploy/moduleOf.ts";

/** Payment channels. Parameter `gracePeriod`: seconds from a request to close until the payer has its money. */
export default moduleOf("Channels");
