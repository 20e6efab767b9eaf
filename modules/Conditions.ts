import { moduleOf } from "../scripts/deploy/moduleOf.ts";

/** The conditions that payments may hang on. */
export default moduleOf("Conditions");
