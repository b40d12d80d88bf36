package wire

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

const (
	// NonceSize is the length of a hello's nonce in bytes.
	NonceSize = 32
	// ProofSize is the length of a proof in bytes: HMAC-SHA256.
	ProofSize = sha256.Size

	// proofLabel keeps a proof from being taken for, or made of, anything else
	// that is ever signed with the same secret.
	proofLabel = "nanobus proof"

	// The side that proves: a proof reflected to its author is then wrong.
	RoleConnecting byte = 1
	RoleAccepting  byte = 2
)

// Proof is what prover sends to verifier, whose hellos these are.
func Proof(secret []byte, role byte, prover, verifier *Hello) []byte {
	b := AppendString8(make([]byte, 0, 256), proofLabel)
	b = binary.BigEndian.AppendUint16(b, ProtocolVersion)
	b = append(b, role)
	for _, s := range []string{
		string(prover.Nonce), string(verifier.Nonce),
		prover.Service, prover.Instance, verifier.Service, verifier.Instance,
	} {
		b = AppendString8(b, s)
	}
	mac := hmac.New(sha256.New, secret)
	_, _ = mac.Write(b) // never fails (hash.Hash)
	return mac.Sum(nil)
}
