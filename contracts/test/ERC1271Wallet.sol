// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title A contract wallet for tests
/// @notice Signs by the key of its owner, until it is told to answer something else.
contract ERC1271Wallet is IERC1271 {
    address public immutable owner;

    bytes private _answer;
    bool private _isScripted;
    bool private _reverts;

    constructor(address owner_) {
        owner = owner_;
    }

    /// @notice From now on returns these bytes as they are, whatever is asked, or reverts with them. Anyone may call.
    function setAnswer(bytes calldata answer, bool reverts) external {
        _isScripted = true;
        _answer = answer;
        _reverts = reverts;
    }

    /// @inheritdoc IERC1271
    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        if (_isScripted) _giveAnswer();
        (address recovered, ECDSA.RecoverError failure, ) = ECDSA.tryRecoverCalldata(hash, signature);
        bool isValid = failure == ECDSA.RecoverError.NoError && recovered == owner;
        return isValid ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }

    /// Ends the call: a lying wallet need not return what the ABI says.
    function _giveAnswer() private view {
        bytes memory answer = _answer;
        bool reverts = _reverts;
        assembly ("memory-safe") {
            if reverts {
                revert(add(answer, 0x20), mload(answer))
            }
            return(add(answer, 0x20), mload(answer))
        }
    }
}
