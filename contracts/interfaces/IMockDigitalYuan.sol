// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IERC3009} from "./IERC3009.sol";

/// @title A mock of the digital yuan (e-CNY), for sandboxes and tests
/// @notice A mock: it has no value, nobody backs or redeems it, anyone can mint it, and it has nothing to do with the
/// People's Bank of China. It is ERC-20 with EIP-2612 and EIP-3009, and models what an e-CNY wallet has and other tokens
/// lack: limits by wallet class, and freezing by the operator.
///
/// Every amount is in base units: 6 decimals, so 1 is 0.000001 yuan, or 0.0001 fen. Every time is in seconds.
///
/// **Limits.** An account has a wallet class from 1 to 4, and class 2 until the operator sets another. The limits at
/// deployment follow those published for e-CNY wallets (which have yearly ones too; these are left out):
///
/// | class | one payment | a day      | balance    |
/// |-------|-------------|------------|------------|
/// | 1     | no limit    | no limit   | no limit   |
/// | 2     | 50,000 ¥    | 100,000 ¥  | 500,000 ¥  |
/// | 3     | 5,000 ¥     | 10,000 ¥   | 20,000 ¥   |
/// | 4     | 2,000 ¥     | 5,000 ¥    | 10,000 ¥   |
///
/// The single and the daily limit apply to what an account sends, by whichever function and to whomever; the balance
/// limit to what it holds after it received. Days are those of China: they begin at 00:00 UTC+8. What was sent stays
/// counted when an account's class or the class' limits change, and money above a lowered balance limit stays where it is.
/// A transfer of nothing, or to oneself, changes no balance: it is neither limited nor counted. All limits are inclusive.
///
/// **Exemption.** A contract that holds other people's money, such as a payment channel, can be exempted: as a sender
/// it is not limited and not counted, as a recipient it has no balance limit. Who pays it, or is paid by it, keeps its own
/// limits. An exempt account can still be frozen.
///
/// **Warning.** As anyone can mint to, or pay, anyone, anyone can fill an account up to its balance limit. Where that would
/// hurt, exempt the account, or put it into class 1.
///
/// **Freezing.** A frozen account neither sends nor receives, not even nothing. It can still approve, cancel an
/// authorization, and move as a spender what others allowed it to.
interface IMockDigitalYuan is IERC3009 {
    /// @notice What the accounts of one wallet class may do. Zero allows nothing; the type's largest value is no limit,
    /// since more can never be minted.
    /// @param singleLimit Most base units in one payment
    /// @param dailyLimit Most base units sent in one day (UTC+8)
    /// @param balanceLimit Most base units held after a payment came in
    struct WalletLimits {
        uint80 singleLimit;
        uint80 dailyLimit;
        uint80 balanceLimit;
    }

    /// @notice The operator was changed from `previousOperator` to `newOperator`; from zero at deployment.
    event OperatorTransferred(address indexed previousOperator, address indexed newOperator);
    /// @notice The operator offered its role to `pendingOperator`, or took an offer back (zero).
    event OperatorTransferStarted(address indexed operator, address indexed pendingOperator);
    /// @notice The operator froze `account`, or released it.
    event FrozenSet(address indexed account, bool frozen);
    /// @notice The operator exempted `account` from the limits, or no longer does.
    event ExemptSet(address indexed account, bool exempt);
    /// @notice The operator put `account` into a wallet class.
    event WalletClassSet(address indexed account, uint8 walletClass);
    /// @notice The operator changed the limits of a wallet class.
    event ClassLimitsSet(uint8 indexed walletClass, WalletLimits limits);

    /// @notice Only the operator may do this.
    error NotOperator(address caller, address operator);
    /// @notice Only the account that the role was offered to may take it.
    error NotPendingOperator(address caller, address pendingOperator);
    /// @notice The operator at deployment is the zero address.
    error InvalidOperator(address operator);
    /// @notice There is no such wallet class: they go from 1 to 4.
    error InvalidWalletClass(uint8 walletClass);
    /// @notice The account is frozen: it neither sends nor receives.
    error AccountFrozen(address account);
    /// @notice The payment of `amount` is larger than the sender's class allows.
    error SingleLimitExceeded(address account, uint256 amount, uint256 limit);
    /// @notice With this payment the sender would have sent `total` today, more than its class allows.
    error DailyLimitExceeded(address account, uint256 total, uint256 limit);
    /// @notice With this payment the recipient would hold `balance`, more than its class allows.
    error BalanceLimitExceeded(address account, uint256 balance, uint256 limit);
    /// @notice One call of the faucet gives at most `limit`.
    error FaucetLimitExceeded(uint256 amount, uint256 limit);

    /// @notice Mints to anyone. Anyone may call, as often as it likes.
    /// @param to Who gets it; not frozen, and below its balance limit
    /// @param amount Base units, at most FAUCET_LIMIT
    /// @dev Errors: FaucetLimitExceeded, AccountFrozen, BalanceLimitExceeded, ERC20InvalidReceiver.
    function faucet(address to, uint256 amount) external;

    /// @notice Freezes an account, or releases it. Only the operator.
    /// @param account Any account
    /// @param frozen True to freeze
    /// @dev Errors: NotOperator.
    function setFrozen(address account, bool frozen) external;

    /// @notice Exempts an account from the limits, or no longer. Only the operator. Meant for contracts that hold money
    /// of many; without it such a contract is held to the limits of one wallet.
    /// @param account Any account
    /// @param exempt True to exempt
    /// @dev Errors: NotOperator.
    function setExempt(address account, bool exempt) external;

    /// @notice Puts an account into a wallet class. Only the operator.
    /// @param account Any account
    /// @param newClass From 1 to 4
    /// @dev Errors: NotOperator, InvalidWalletClass.
    function setWalletClass(address account, uint8 newClass) external;

    /// @notice Changes the limits of a wallet class, for all its accounts at once. Only the operator.
    /// @param changedClass From 1 to 4
    /// @param limits Base units; zero allows nothing, the largest value is no limit
    /// @dev Errors: NotOperator, InvalidWalletClass.
    function setClassLimits(uint8 changedClass, WalletLimits calldata limits) external;

    /// @notice Offers the operator's role to another account, which takes it by `acceptOperator`. Only the operator.
    /// @param newOperator Who may take the role; replaces an earlier offer, zero takes it back
    /// @dev Errors: NotOperator.
    function transferOperator(address newOperator) external;

    /// @notice Takes the operator's role. Only the account that it was offered to.
    /// @dev Errors: NotPendingOperator.
    function acceptOperator() external;

    /// @notice Who may freeze, exempt, and set classes and limits: the one named at deployment, until it hands the role over.
    /// @return The operator
    function operator() external view returns (address);

    /// @notice Who may take the operator's role.
    /// @return The account, or zero while there is no offer
    function pendingOperator() external view returns (address);

    /// @notice Whether an account is frozen.
    /// @param account Any account
    /// @return True while it neither sends nor receives
    function isFrozen(address account) external view returns (bool);

    /// @notice Whether an account is exempt from the limits.
    /// @param account Any account
    /// @return True while it is
    function isExempt(address account) external view returns (bool);

    /// @notice The wallet class of an account.
    /// @param account Any account
    /// @return From 1 to 4
    function walletClass(address account) external view returns (uint8);

    /// @notice What an account has sent so far today (UTC+8), out of its daily limit.
    /// @param account Any account
    /// @return Base units
    function spentToday(address account) external view returns (uint256);

    /// @notice The limits of a wallet class.
    /// @param ofClass From 1 to 4
    /// @return Base units
    /// @dev Errors: InvalidWalletClass.
    function getClassLimits(uint8 ofClass) external view returns (WalletLimits memory);

    /// @notice The version in the EIP-712 domain, for software that does not read it from `eip712Domain`.
    /// @return `"1"`
    function version() external view returns (string memory);

    /// @notice Most that one call of the faucet gives: a full wallet of the default class.
    /// @return Base units
    function FAUCET_LIMIT() external view returns (uint256);

    /// @notice The wallet class of an account for which none was set.
    /// @return From 1 to 4
    function DEFAULT_WALLET_CLASS() external view returns (uint8);
}
