// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

/// @notice The token under which gas is measured: OpenZeppelin's ERC-20 and the least of EIP-3009.
contract GasToken is ERC20, EIP712 {
    bytes32 private constant RECEIVE_TYPEHASH = keccak256(
        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );

    mapping(address authorizer => mapping(bytes32 nonce => bool)) public authorizationState;

    error CallerMustBePayee(address caller, address payee);
    error AuthorizationNotInForce(uint256 validAfter, uint256 validBefore);
    error AuthorizationUsedAlready(address authorizer, bytes32 nonce);
    error InvalidAuthorizationSignature(address authorizer);

    constructor() ERC20("Gas Token", "GAS") EIP712("Gas Token", "1") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        if (to != msg.sender) revert CallerMustBePayee(msg.sender, to);
        if (block.timestamp <= validAfter || block.timestamp >= validBefore) {
            revert AuthorizationNotInForce(validAfter, validBefore);
        }
        if (authorizationState[from][nonce]) revert AuthorizationUsedAlready(from, nonce);
        bytes32 structHash = keccak256(abi.encode(RECEIVE_TYPEHASH, from, to, value, validAfter, validBefore, nonce));
        if (ECDSA.recoverCalldata(_hashTypedDataV4(structHash), signature) != from) {
            revert InvalidAuthorizationSignature(from);
        }
        authorizationState[from][nonce] = true;
        _transfer(from, to, value);
    }

    // solhint-disable-next-line func-name-mixedcase
    function DOMAIN_SEPARATOR() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    function decimals() public pure override returns (uint8) {
        return 6;
    }
}
