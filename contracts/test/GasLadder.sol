// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IPaymentChannels} from "../interfaces/IPaymentChannels.sol";

/// @title Makes one call with many amounts of gas, each from the same state
contract GasLadder {
    /// @notice What a call came to.
    /// @param success False if it reverted
    /// @param creditAdded Base units that it left as credit instead of paying out
    /// @param result What it returned, or its error
    struct Outcome {
        bool success;
        uint256 creditAdded;
        bytes result;
    }

    /// @dev Carries an outcome out of the attempt whose changes it undoes.
    error Attempted(Outcome outcome);

    /// @param channels The contract called
    /// @param data With what
    /// @param token Whose credit is looked at
    /// @param accounts Whose credit is looked at, in all
    /// @param firstGas Gas of the first call
    /// @param step Gas that each call gets more than the one before
    /// @param count How many calls
    /// @return outcomes One a call
    function climb(
        IPaymentChannels channels,
        bytes calldata data,
        address token,
        address[] calldata accounts,
        uint256 firstGas,
        uint256 step,
        uint256 count
    ) external returns (Outcome[] memory outcomes) {
        outcomes = new Outcome[](count);
        for (uint256 i = 0; i < count; ++i) {
            try this.attempt(channels, data, token, accounts, firstGas + i * step) {} catch (bytes memory reason) {
                assembly ("memory-safe") {
                    // What follows the selector is the outcome.
                    let size := sub(mload(reason), 4)
                    reason := add(reason, 4)
                    mstore(reason, size)
                }
                outcomes[i] = abi.decode(reason, (Outcome));
            }
        }
    }

    /// @notice One call; always reverts.
    /// @param channels The contract called
    /// @param data With what
    /// @param token Whose credit is looked at
    /// @param accounts Whose credit is looked at, in all
    /// @param gasAmount Gas of the call
    function attempt(
        IPaymentChannels channels,
        bytes calldata data,
        address token,
        address[] calldata accounts,
        uint256 gasAmount
    ) external {
        uint256 creditBefore = _creditOf(channels, token, accounts);
        // solhint-disable-next-line avoid-low-level-calls
        (bool success, bytes memory result) = address(channels).call{gas: gasAmount}(data);
        uint256 creditAdded = _creditOf(channels, token, accounts) - creditBefore;
        revert Attempted(Outcome(success, creditAdded, result));
    }

    function _creditOf(
        IPaymentChannels channels,
        address token,
        address[] calldata accounts
    ) private view returns (uint256 total) {
        for (uint256 i = 0; i < accounts.length; ++i) total += channels.credit(token, accounts[i]);
    }
}
