// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IERC3009} from "../interfaces/IERC3009.sol";
import {ITokenCustody} from "../interfaces/ITokenCustody.sol";
import {Signatures} from "./Signatures.sol";

/// @title Taking tokens in and paying them out
/// @notice Everything a caller must know is told in ITokenCustody. Whoever moves tokens by this is `nonReentrant` and has
/// written its own state before.
abstract contract TokenCustody is ITokenCustody, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// A call gets at most 63/64 of the gas, so when this much is left after a failed transfer, the transfer had at least
    /// 63 times as much: only a token that needs over 12.6 million gas could fail for the lack of it (6.3 million where it
    /// fails one call deeper, as behind a proxy).
    uint256 private constant MIN_GAS_AFTER_FAILED_PAYOUT = 200_000;

    /// @inheritdoc ITokenCustody
    mapping(address token => mapping(address account => uint256)) public credit;

    /// @inheritdoc ITokenCustody
    function claimCredit(address token, address account) external nonReentrant {
        uint256 amount = credit[token][account];
        if (amount == 0) revert NoCredit(token, account);

        credit[token][account] = 0;
        emit CreditClaimed(token, account, amount);

        IERC20(token).safeTransfer(account, amount);
    }

    function _pullByAllowance(address token, uint256 amount) internal {
        uint256 balanceBefore = _balance(token);
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        _requireReceived(token, balanceBefore, amount);
    }

    function _pullByAuthorization(
        address token,
        address from,
        uint256 amount,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) internal {
        uint256 balanceBefore = _balance(token);
        IERC3009(token).receiveWithAuthorization(
            from,
            address(this),
            amount,
            validAfter,
            validBefore,
            nonce,
            signature
        );
        _requireReceived(token, balanceBefore, amount);
    }

    /// A receiver that cannot be paid must not be able to block anybody else, so what fails becomes credit.
    function _payOut(address token, address account, uint256 amount) internal {
        if (amount == 0 || IERC20(token).trySafeTransfer(account, amount)) return;
        uint256 gasLeft = gasleft();
        if (gasLeft < MIN_GAS_AFTER_FAILED_PAYOUT) revert InsufficientPayoutGas(gasLeft, MIN_GAS_AFTER_FAILED_PAYOUT);

        credit[token][account] += amount;
        emit CreditAdded(token, account, amount);
    }

    function _requireBefore(uint256 deadline) internal view {
        if (block.timestamp > deadline) revert AuthorizationExpired(deadline);
    }

    function _requireSignature(address signer, bytes32 digest, bytes calldata signature) internal view {
        if (!Signatures.isValid(signer, digest, signature)) revert InvalidSignature(signer);
    }

    function _requireReceived(address token, uint256 balanceBefore, uint256 amount) private view {
        uint256 balanceAfter = _balance(token);
        uint256 received = balanceAfter > balanceBefore ? balanceAfter - balanceBefore : 0;
        if (received != amount) revert UnexpectedTransferAmount(received, amount);
    }

    /// A plain call would revert without a reason where no token is.
    function _balance(address token) private view returns (uint256) {
        (bool success, bytes memory result) = token.staticcall(abi.encodeCall(IERC20.balanceOf, (address(this))));
        if (!success || result.length < 32) revert InvalidToken(token);
        return abi.decode(result, (uint256));
    }
}
