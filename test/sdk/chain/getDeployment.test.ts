import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect } from "chai";
import { type Address, encodeDeployData, type Hex } from "viem";

import { describeDeployments } from "../../../scripts/deploy/describeDeployments.ts";
import { addressOf, contracts } from "../../../scripts/deploy/plan.ts";
import { type Deployment, getDeployment } from "../../../sdk/src/index.ts";
import { recordedDeployments } from "../../../sdk/src/chain/abis/deployments.ts";

