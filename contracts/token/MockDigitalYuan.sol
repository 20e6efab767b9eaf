// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {IERC3009} from "../interfaces/IERC3009.sol";
import {IMockDigitalYuan} from "../interfaces/IMockDigitalYuan.sol";
import {Signatures} from "../libraries/Signatures.sol";

/// @title MockDigitalYuan
/// @notice A mock of the digital yuan for sandboxes: worthless, and mintable by anyone. Everything a caller must know is
/// told in IMockDigitalYuan and IERC3009.
contract MockDigitalYuan is ERC20, ERC20Permit, IMockDigitalYuan {
    /// @param spent Base units sent on `day`; fits, since a daily limit does
    /// @param day The last day on which the account sent, counted from 1970 in UTC+8
    /// @param walletClass Zero while none was set
    struct Account {
        // slot 0: 80 + 40 + 8 + 8 + 8 bits
        uint80 spent;
        uint40 day;
        uint8 walletClass;
        bool frozen;
        bool exempt;
    }

    /// @inheritdoc IMockDigitalYuan
    uint256 public constant FAUCET_LIMIT = 500_000e6;

    /// @inheritdoc IMockDigitalYuan
    uint8 public constant DEFAULT_WALLET_CLASS = 2;

    uint8 private constant WALLET_CLASS_COUNT = 4;
    uint80 private constant NO_LIMIT = type(uint80).max;

    /// China has one time zone and, since 1991, no daylight saving time.
    uint256 private constant CHINA_STANDARD_TIME = 8 hours;

    bytes32 private constant TRANSFER_WITH_AUTHORIZATION_TYPEHASH = keccak256(
        "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );
    bytes32 private constant RECEIVE_WITH_AUTHORIZATION_TYPEHASH = keccak256(
        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );
    bytes32 private constant CANCEL_AUTHORIZATION_TYPEHASH = keccak256(
        "CancelAuthorization(address authorizer,bytes32 nonce)"
    );

    /// @inheritdoc IMockDigitalYuan
    address public operator;

    /// @inheritdoc IMockDigitalYuan
    address public pendingOperator;

    mapping(address account => Account) private _accounts;
    mapping(uint8 walletClass => WalletLimits) private _classLimits;

    /// @inheritdoc IERC3009
    mapping(address authorizer => mapping(bytes32 nonce => bool)) public authorizationState;

    /// @param firstOperator Gets the operator's role. Not the deployer, which may be a factory
    constructor(address firstOperator) ERC20("Mock Digital Yuan", "e-CNY") ERC20Permit("Mock Digital Yuan") {
        if (firstOperator == address(0)) revert InvalidOperator(firstOperator);
        _setOperator(firstOperator);
        _setClassLimits(1, WalletLimits(NO_LIMIT, NO_LIMIT, NO_LIMIT));
        _setClassLimits(2, WalletLimits(50_000e6, 100_000e6, 500_000e6));
        _setClassLimits(3, WalletLimits(5_000e6, 10_000e6, 20_000e6));
        _setClassLimits(4, WalletLimits(2_000e6, 5_000e6, 10_000e6));
    }

    /* GETTING MONEY */

    /// @inheritdoc IMockDigitalYuan
    function faucet(address to, uint256 amount) external {
        if (amount > FAUCET_LIMIT) revert FaucetLimitExceeded(amount, FAUCET_LIMIT);
        _mint(to, amount);
    }

    /* TRANSFERS BY AUTHORIZATION */

    /// @inheritdoc IERC3009
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
    ) external {
        bytes32 structHash = keccak256(
            abi.encode(TRANSFER_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce)
        );
        _requireSignature(from, structHash, v, r, s);
        _transferByAuthorization(from, to, value, validAfter, validBefore, nonce);
    }

    /// @inheritdoc IERC3009
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        bytes32 structHash = keccak256(
            abi.encode(TRANSFER_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce)
        );
        _requireSignature(from, structHash, signature);
        _transferByAuthorization(from, to, value, validAfter, validBefore, nonce);
    }

    /// @inheritdoc IERC3009
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
    ) external {
        _requireRecipient(to);
        bytes32 structHash = keccak256(
            abi.encode(RECEIVE_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce)
        );
        _requireSignature(from, structHash, v, r, s);
        _transferByAuthorization(from, to, value, validAfter, validBefore, nonce);
    }

    /// @inheritdoc IERC3009
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        _requireRecipient(to);
        bytes32 structHash = keccak256(
            abi.encode(RECEIVE_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce)
        );
        _requireSignature(from, structHash, signature);
        _transferByAuthorization(from, to, value, validAfter, validBefore, nonce);
    }

    /// @inheritdoc IERC3009
    function cancelAuthorization(address authorizer, bytes32 nonce, uint8 v, bytes32 r, bytes32 s) external {
        _requireSignature(authorizer, keccak256(abi.encode(CANCEL_AUTHORIZATION_TYPEHASH, authorizer, nonce)), v, r, s);
        _cancelAuthorization(authorizer, nonce);
    }

    /// @inheritdoc IERC3009
    function cancelAuthorization(address authorizer, bytes32 nonce, bytes calldata signature) external {
        _requireSignature(
            authorizer,
            keccak256(abi.encode(CANCEL_AUTHORIZATION_TYPEHASH, authorizer, nonce)),
            signature
        );
        _cancelAuthorization(authorizer, nonce);
    }

    /* OPERATING */

    /// @inheritdoc IMockDigitalYuan
    function setFrozen(address account, bool frozen) external {
        _requireOperator();
        _accounts[account].frozen = frozen;
        emit FrozenSet(account, frozen);
    }

    /// @inheritdoc IMockDigitalYuan
    function setExempt(address account, bool exempt) external {
        _requireOperator();
        _accounts[account].exempt = exempt;
        emit ExemptSet(account, exempt);
    }

    /// @inheritdoc IMockDigitalYuan
    function setWalletClass(address account, uint8 newClass) external {
        _requireOperator();
        _requireClass(newClass);
        _accounts[account].walletClass = newClass;
        emit WalletClassSet(account, newClass);
    }

    /// @inheritdoc IMockDigitalYuan
    function setClassLimits(uint8 changedClass, WalletLimits calldata limits) external {
        _requireOperator();
        _requireClass(changedClass);
        _setClassLimits(changedClass, limits);
    }

    /// @inheritdoc IMockDigitalYuan
    function transferOperator(address newOperator) external {
        _requireOperator();
        pendingOperator = newOperator;
        emit OperatorTransferStarted(msg.sender, newOperator);
    }

    /// @inheritdoc IMockDigitalYuan
    function acceptOperator() external {
        if (msg.sender != pendingOperator) revert NotPendingOperator(msg.sender, pendingOperator);
        pendingOperator = address(0);
        _setOperator(msg.sender);
    }

    /* VIEWS */

    /// @inheritdoc IMockDigitalYuan
    function isFrozen(address account) external view returns (bool) {
        return _accounts[account].frozen;
    }

    /// @inheritdoc IMockDigitalYuan
    function isExempt(address account) external view returns (bool) {
        return _accounts[account].exempt;
    }

    /// @inheritdoc IMockDigitalYuan
    function walletClass(address account) external view returns (uint8) {
        return _classOf(_accounts[account]);
    }

    /// @inheritdoc IMockDigitalYuan
    function spentToday(address account) external view returns (uint256) {
        return _spentToday(_accounts[account]);
    }

    /// @inheritdoc IMockDigitalYuan
    function getClassLimits(uint8 ofClass) external view returns (WalletLimits memory) {
        _requireClass(ofClass);
        return _classLimits[ofClass];
    }

    /// @inheritdoc IMockDigitalYuan
    function version() external view returns (string memory) {
        return _EIP712Version();
    }

    /// @notice 1 base unit is 0.000001 yuan.
    /// @return 6
    function decimals() public pure override returns (uint8) {
        return 6;
    }

    /* MOVING MONEY */

    /// Every way to move money ends here. Limits are checked after the move, when balances are what they are to be.
    function _update(address from, address to, uint256 value) internal override {
        bool isMint = from == address(0);
        if (!isMint && _accounts[from].frozen) revert AccountFrozen(from);
        if (_accounts[to].frozen) revert AccountFrozen(to);

        super._update(from, to, value);

        // Such a transfer must work even for an account that is above a limit lowered since.
        if (value == 0 || from == to) return;
        if (!isMint) _countSpending(from, value);
        _requireBalanceAllowed(to);
    }

    function _countSpending(address from, uint256 amount) private {
        Account memory account = _accounts[from];
        if (account.exempt) return;
        WalletLimits memory limits = _classLimits[_classOf(account)];
        if (amount > limits.singleLimit) revert SingleLimitExceeded(from, amount, limits.singleLimit);
        uint256 total = _spentToday(account) + amount;
        if (total > limits.dailyLimit) revert DailyLimitExceeded(from, total, limits.dailyLimit);

        account.spent = uint80(total);
        account.day = _today();
        _accounts[from] = account;
    }

    function _requireBalanceAllowed(address to) private view {
        Account memory account = _accounts[to];
        if (account.exempt) return;
        uint256 balance = balanceOf(to);
        uint256 limit = _classLimits[_classOf(account)].balanceLimit;
        if (balance > limit) revert BalanceLimitExceeded(to, balance, limit);
    }

    function _transferByAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce
    ) private {
        if (block.timestamp <= validAfter) revert AuthorizationNotYetValid(validAfter);
        if (block.timestamp >= validBefore) revert AuthorizationExpired(validBefore);
        _useNonce(from, nonce);
        emit AuthorizationUsed(from, nonce);

        _transfer(from, to, value);
    }

    function _cancelAuthorization(address authorizer, bytes32 nonce) private {
        _useNonce(authorizer, nonce);
        emit AuthorizationCanceled(authorizer, nonce);
    }

    function _useNonce(address authorizer, bytes32 nonce) private {
        if (authorizationState[authorizer][nonce]) revert AuthorizationAlreadyUsed(authorizer, nonce);
        authorizationState[authorizer][nonce] = true;
    }

    /* CHECKS AND SETTERS */

    function _setOperator(address newOperator) private {
        emit OperatorTransferred(operator, newOperator);
        operator = newOperator;
    }

    function _setClassLimits(uint8 changedClass, WalletLimits memory limits) private {
        _classLimits[changedClass] = limits;
        emit ClassLimitsSet(changedClass, limits);
    }

    function _requireOperator() private view {
        if (msg.sender != operator) revert NotOperator(msg.sender, operator);
    }

    function _requireRecipient(address to) private view {
        if (msg.sender != to) revert NotRecipient(msg.sender, to);
    }

    function _requireClass(uint8 class) private pure {
        if (class == 0 || class > WALLET_CLASS_COUNT) revert InvalidWalletClass(class);
    }

    function _requireSignature(address signer, bytes32 structHash, uint8 v, bytes32 r, bytes32 s) private view {
        (address recovered, ECDSA.RecoverError failure, ) = ECDSA.tryRecover(_hashTypedDataV4(structHash), v, r, s);
        if (failure != ECDSA.RecoverError.NoError || recovered != signer) revert InvalidSignature(signer);
    }

    function _requireSignature(address signer, bytes32 structHash, bytes calldata signature) private view {
        if (!Signatures.isValid(signer, _hashTypedDataV4(structHash), signature)) revert InvalidSignature(signer);
    }

    function _classOf(Account memory account) private pure returns (uint8) {
        return account.walletClass == 0 ? DEFAULT_WALLET_CLASS : account.walletClass;
    }

    function _spentToday(Account memory account) private view returns (uint256) {
        return account.day == _today() ? account.spent : 0;
    }

    function _today() private view returns (uint40) {
        return uint40((block.timestamp + CHINA_STANDARD_TIME) / 1 days);
    }
}
