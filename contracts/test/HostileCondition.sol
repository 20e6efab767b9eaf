// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title A condition that misbehaves, in a way that anybody may change at any time
contract HostileCondition {
    /// @param Pay Says that everything is due, and more
    /// @param Revert Reverts
    /// @param RevertWithAmount Reverts with what would be a good answer
    /// @param ReturnNothing Ends without an answer
    /// @param ReturnShort Answers in 31 bytes
    /// @param ReturnLong Answers in a megabyte, of which the first word is a good answer
    /// @param RevertLong Reverts with a megabyte
    /// @param BurnGas Takes all the gas it is given
    /// @param Write Writes to its storage
    enum Behaviour {
        Pay,
        Revert,
        RevertWithAmount,
        ReturnNothing,
        ReturnShort,
        ReturnLong,
        RevertLong,
        BurnGas,
        Write
    }

    /// @notice How it answers.
    Behaviour public behaviour;

    /// @param newBehaviour How it answers from now on
    function setBehaviour(Behaviour newBehaviour) external {
        behaviour = newBehaviour;
    }

    /// @notice Answers as its behaviour says. Not declared as a view, so that it can try to be none.
    function amountDue(bytes32, uint128, bytes calldata, bytes calldata) external {
        Behaviour current = behaviour;
        assembly ("memory-safe") {
            mstore(0, not(0))
            switch current
            case 0 {
                return(0, 32)
            }
            case 1 {
                revert(0, 0)
            }
            case 2 {
                revert(0, 32)
            }
            case 3 {
                return(0, 0)
            }
            case 4 {
                return(0, 31)
            }
            case 5 {
                return(0, 1000000)
            }
            case 6 {
                revert(0, 1000000)
            }
            case 7 {
                invalid()
            }
            default {
                sstore(1, 1)
                return(0, 32)
            }
        }
    }
}
