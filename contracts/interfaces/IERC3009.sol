// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// @title EIP-3009: transfers by signed authorization
/// @notice A holder signs (EIP-712, in the token's domain) what it allows, and anybody, or the recipient alone, sends it.
/// Each function comes with the signature as `(v, r, s)`, which is ECDSA only, and as `bytes`, which is ECDSA (65 bytes
/// `r || s || v`) and, where that fails, ERC-1271. Both want a low `s` and a `v` of 27 or 28.
///
/// Values are in base units of the token. Times are Unix times in seconds, and both ends are excluded: an authorization
/// is good while `validAfter < block.timestamp < validBefore`. A nonce is any 32 bytes that its authorizer has not used
/// up, in any order.
interface IERC3009 {
    /// @notice An authorization was carried out.
    event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce);
    /// @notice An authorization was made worthless before it was used.
    event AuthorizationCanceled(address indexed authorizer, bytes32 indexed nonce);

    /// @notice The signature is not a valid one by `signer`.
    error InvalidSignature(address signer);
    /// @notice The authorization is good only after `validAfter`.
    error AuthorizationNotYetValid(uint256 validAfter);
    /// @notice The authorization was good only before `validBefore`.
    error AuthorizationExpired(uint256 validBefore);
    /// @notice The nonce was used or canceled.
    error AuthorizationAlreadyUsed(address authorizer, bytes32 nonce);
    /// @notice Only the recipient itself may send a `receiveWithAuthorization`.
    error NotRecipient(address caller, address recipient);

    /// @notice Moves `value` from `from` to `to`. Anyone may call.
    /// @param from Who pays, and signed a TransferWithAuthorization
    /// @param to Who is paid
    /// @param value Base units
    /// @param validAfter Good after this time
    /// @param validBefore Good before this time
    /// @param nonce Not used before by `from`
    /// @param v The signature's recovery byte, 27 or 28
    /// @param r The signature's `r`
    /// @param s The signature's `s`
    /// @dev Errors: InvalidSignature, AuthorizationNotYetValid, AuthorizationExpired, AuthorizationAlreadyUsed, and those
    /// of an ERC-20 transfer.
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external;

    /// @notice As above, with the signature as bytes and also for contract wallets. Anyone may call.
    /// @param from Who pays, and signed a TransferWithAuthorization
    /// @param to Who is paid
    /// @param value Base units
    /// @param validAfter Good after this time
    /// @param validBefore Good before this time
    /// @param nonce Not used before by `from`
    /// @param signature ECDSA or ERC-1271 signature of `from`
    /// @dev Errors as above.
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;

    /// @notice Moves `value` from `from` to the caller. Only `to` may call: a contract that acts on the money it pulls in
    /// cannot be preceded by a stranger who sends the bare transfer first.
    /// @param from Who pays, and signed a ReceiveWithAuthorization
    /// @param to Who is paid, and calls
    /// @param value Base units
    /// @param validAfter Good after this time
    /// @param validBefore Good before this time
    /// @param nonce Not used before by `from`
    /// @param v The signature's recovery byte, 27 or 28
    /// @param r The signature's `r`
    /// @param s The signature's `s`
    /// @dev Errors: NotRecipient, and those of `transferWithAuthorization`.
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external;

    /// @notice As above, with the signature as bytes and also for contract wallets. Only `to` may call.
    /// @param from Who pays, and signed a ReceiveWithAuthorization
    /// @param to Who is paid, and calls
    /// @param value Base units
    /// @param validAfter Good after this time
    /// @param validBefore Good before this time
    /// @param nonce Not used before by `from`
    /// @param signature ECDSA or ERC-1271 signature of `from`
    /// @dev Errors as above.
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;

    /// @notice Uses up a nonce without a transfer. Anyone may call.
    /// @param authorizer Who signed a CancelAuthorization
    /// @param nonce Not used before by `authorizer`
    /// @param v The signature's recovery byte, 27 or 28
    /// @param r The signature's `r`
    /// @param s The signature's `s`
    /// @dev Errors: InvalidSignature, AuthorizationAlreadyUsed.
    function cancelAuthorization(address authorizer, bytes32 nonce, uint8 v, bytes32 r, bytes32 s) external;

    /// @notice As above, with the signature as bytes and also for contract wallets. Anyone may call.
    /// @param authorizer Who signed a CancelAuthorization
    /// @param nonce Not used before by `authorizer`
    /// @param signature ECDSA or ERC-1271 signature of `authorizer`
    /// @dev Errors as above.
    function cancelAuthorization(address authorizer, bytes32 nonce, bytes calldata signature) external;

    /// @notice Whether a nonce is used up.
    /// @param authorizer Whose nonce
    /// @param nonce The nonce
    /// @return True once it was used or canceled
    function authorizationState(address authorizer, bytes32 nonce) external view returns (bool);
}
