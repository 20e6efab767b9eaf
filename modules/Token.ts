import { moduleOf } from "../scripts/deploy/moduleOf.ts";

/** The mock of the digital yuan, for chains whose money is worthless. Parameter `operator`: who may freeze accounts. */
export default moduleOf("Token");
