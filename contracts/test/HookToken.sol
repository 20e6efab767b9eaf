// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";

import {PlainToken} from "./PlainToken.sol";

/// @title A token that makes one call of the tester's choice from inside a transfer
contract HookToken is PlainToken {
    /// @notice True if the call came back without an error.
    bool public hookSucceeded;

    /// @notice What the call returned; empty before it was made.
    bytes public hookResult;

    /// @notice How often the call was made.
    uint256 public hookCount;

    address private _target;
    bytes private _data;
    bool private _isBeforeMove;

    /// @notice Arms the hook for the next transfer.
    /// @param target Who is called
    /// @param data With what
    /// @param isBeforeMove True to call before the balances change, false after
    function arm(address target, bytes calldata data, bool isBeforeMove) external {
        (_target, _data, _isBeforeMove) = (target, data, isBeforeMove);
    }

    /// @notice Lets the token act as a party of a channel.
    /// @param target Who is called
    /// @param data With what
    function execute(address target, bytes calldata data) external {
        Address.functionCall(target, data);
    }

    function _update(address from, address to, uint256 value) internal override {
        if (_isBeforeMove) _callHook();
        super._update(from, to, value);
        if (!_isBeforeMove) _callHook();
    }

    function _callHook() private {
        address target = _target;
        if (target == address(0)) return;
        _target = address(0);
        ++hookCount;
        // solhint-disable-next-line avoid-low-level-calls
        (hookSucceeded, hookResult) = target.call(_data);
    }
}
