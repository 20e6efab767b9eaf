// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title What every contract that holds tokens for others has in common
/// @notice A payout that cannot be delivered becomes credit, so that no receiver can block anybody else. Amounts are in
/// base units of the token.
interface ITokenCustody {
    /// @notice A payout could not be delivered and waits for `claimCredit`.
    event CreditAdded(address indexed token, address indexed account, uint256 amount);
    /// @notice An earlier undeliverable payout was delivered.
    event CreditClaimed(address indexed token, address indexed account, uint256 amount);

    /// @notice There is no token contract at this address.
    error InvalidToken(address token);
    /// @notice The token moved another amount than asked, for example because it takes a fee.
    error UnexpectedTransferAmount(uint256 received, uint256 expected);
    /// @notice A payout failed with so little gas left that the lack of gas may have been the cause.
    error InsufficientPayoutGas(uint256 gasLeft, uint256 required);
    /// @notice There is no credit to claim.
    error NoCredit(address token, address account);
    /// @notice The signature is not a valid one by `signer`.
    error InvalidSignature(address signer);
    /// @notice The signed deadline has passed. Deadlines include their last second.
    error AuthorizationExpired(uint256 deadline);

    /// @notice Pays out what could not be delivered to `account` before. Anyone may call; `account` is paid.
    /// @param token The token
    /// @param account Whom it is owed
    /// @dev Errors: NoCredit, or the token's own.
    function claimCredit(address token, address account) external;

    /// @param token The token
    /// @param account Whom it is owed
    /// @return Base units of undelivered payouts
    function credit(address token, address account) external view returns (uint256);
}
