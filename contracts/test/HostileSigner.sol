// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

/// @title A contract that makes the question whether it signed an expensive one
contract HostileSigner {
    /// @param BurnGas Takes all the gas it is given
    /// @param LongNo Says no in a megabyte
    /// @param LongYes Says yes in a megabyte
    enum Behaviour {
        BurnGas,
        LongNo,
        LongYes
    }

    /// @notice How it answers.
    Behaviour public immutable BEHAVIOUR;

    /// @param behaviour How it answers
    constructor(Behaviour behaviour) {
        BEHAVIOUR = behaviour;
    }

    /// @notice Answers as its behaviour says.
    function isValidSignature(bytes32, bytes calldata) external view {
        Behaviour behaviour = BEHAVIOUR;
        bytes32 answer = behaviour == Behaviour.LongYes ? bytes32(IERC1271.isValidSignature.selector) : bytes32(0);
        assembly ("memory-safe") {
            if iszero(behaviour) {
                invalid()
            }
            mstore(0, answer)
            return(0, 1000000)
        }
    }
}
