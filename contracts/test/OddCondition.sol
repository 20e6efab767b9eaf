// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title A condition that answers as its parameters say, whatever the evidence
contract OddCondition {
    error Odd();

    /// @dev Parameters: `abi.encode(uint8 kind, uint256 value)`: 0 answers `value`, 1 reverts, 2 answers in 31 bytes, 3 answers
    /// `value` and 64 kilobytes more.
    // solhint-disable-next-line no-complex-fallback
    fallback() external {
        (, , bytes memory parameters, ) = abi.decode(msg.data[4:], (bytes32, uint128, bytes, bytes));
        (uint8 kind, uint256 value) = abi.decode(parameters, (uint8, uint256));
        if (kind == 1) revert Odd();
        uint256 size =
            kind == 2
                ? 31
                : kind == 3
                    ? 65_568
                    : 32;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, value)
            return(free, size)
        }
    }
}
