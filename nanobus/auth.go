package nanobus

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	// MinSecret and MaxSecret bound the shared secret, in bytes.
	MinSecret = 16
	MaxSecret = 4096

	// nonceSize is the length of a hello's nonce in bytes.
	nonceSize = 32
	// proofSize is the length of a proof in bytes: HMAC-SHA256.
	proofSize = sha256.Size

	// proofLabel keeps a proof from being taken for, or made of, anything else
	// that is ever signed with the same secret.
	proofLabel = "nanobus proof"

	// The side that proves: a proof reflected to its author is then wrong.
	roleConnecting byte = 1
	roleAccepting  byte = 2
)

// errUnproven: a peer that has not shown that it knows the shared secret.
var errUnproven = errors.New("nanobus: not authenticated")

// Security says how peers are told from strangers. The zero value trusts the
// network: whoever reaches a listening bus can take part.
type Security struct {
	// TLS is for tls+tcp addresses.
	TLS TLS
	// Secret is shared by all processes; each proves to know it before a link
	// is used, and it never travels. MinSecret..MaxSecret bytes. nil: none is
	// wanted, and peers that want one are not linked with.
	//
	// It says who is there when a link comes up. What passes afterwards is
	// neither hidden nor sealed: that takes TLS.
	Secret []byte
}

func (s *Security) validate() error {
	if n := len(s.Secret); n != 0 && (n < MinSecret || n > MaxSecret) {
		return fmt.Errorf("nanobus: the secret has %d bytes: want %d to %d", n, MinSecret, MaxSecret)
	}
	return nil
}

// newNonce is what makes a link's proofs worthless on any other.
func newNonce() []byte {
	n := make([]byte, nonceSize)
	_, _ = rand.Read(n) // never fails (crypto/rand)
	return n
}

// newProcess is what tells this bus from others of its name.
func newProcess() []byte {
	p := make([]byte, processSize)
	_, _ = rand.Read(p) // never fails (crypto/rand)
	return p
}

// proof is what prover sends to verifier, whose hellos these are.
func proof(secret []byte, role byte, prover, verifier *Hello) []byte {
	b := appendString8(make([]byte, 0, 256), proofLabel)
	b = binary.BigEndian.AppendUint16(b, ProtocolVersion)
	b = append(b, role)
	for _, s := range []string{
		string(prover.Nonce), string(verifier.Nonce),
		prover.Service, prover.Instance, verifier.Service, verifier.Instance,
	} {
		b = appendString8(b, s)
	}
	mac := hmac.New(sha256.New, secret)
	_, _ = mac.Write(b) // never fails (hash.Hash)
	return mac.Sum(nil)
}

// challenge is a link's part in the exchange of proofs. The reader's alone,
// but for mine, which doesn't change.
type challenge struct {
	mine   *Hello // our hello on this link
	theirs *Hello // the peer's, until it is proven; nil before and after
}

// role is what our side does on the link.
func (l *Link) role() byte {
	if l.instance != nil {
		return roleConnecting
	}
	return roleAccepting
}

// prove sends our proof.
func (l *Link) prove(peer *Hello) {
	l.control(kindProof, 0, 0, proof(l.bus.opts.Security.Secret, l.role(), l.challenge.mine, peer)...)
}

// introduced is called with each hello. It reports whether the peer is to be
// greeted now, and not only after its proof.
func (l *Link) introduced(h *Hello) (bool, error) {
	secret := l.bus.opts.Security.Secret
	switch {
	case len(secret) == 0 && h.Nonce == nil:
		return true, nil
	case len(secret) == 0:
		return false, fmt.Errorf("%w: the peer wants the shared secret and this process has none: start it with the peer's --bus-secret-file", errUnproven)
	case h.Nonce == nil:
		return false, fmt.Errorf("%w: the peer has no shared secret: start it with the --bus-secret-file that this process has", errUnproven)
	case string(h.Nonce) == string(l.challenge.mine.Nonce):
		return false, fmt.Errorf("%w: the peer sends our own nonce back", errUnproven)
	}
	for _, before := range []*Hello{l.hello.Load(), l.challenge.theirs} {
		if before != nil && (string(h.Nonce) != string(before.Nonce) || h.Service != before.Service || h.Instance != before.Instance) {
			return false, fmt.Errorf("%w: a later hello has another nonce, service or instance than the first", errUnproven)
		}
	}
	if l.hello.Load() != nil {
		return true, nil // proven before
	}
	first := l.challenge.theirs == nil
	l.challenge.theirs = h
	l.unproven.Store(true)
	// The connecting side proves first: a stranger who only knocks gets nothing
	// from which to guess the secret.
	if first && l.role() == roleConnecting {
		l.prove(h)
	}
	return false, nil
}

// proven is called with each proof. It returns the hello of a peer that is to
// be greeted now; nil if there is none.
func (l *Link) proven(body []byte) (*Hello, error) {
	h := l.challenge.theirs
	if h == nil {
		l.bus.metrics.droppedStray.Inc() // before its hello, or a second one
		return nil, nil
	}
	if len(body) < proofSize {
		return nil, fmt.Errorf("%w: proof of %d bytes", ErrMalformed, len(body))
	}
	theirs := roleConnecting
	if l.role() == roleConnecting {
		theirs = roleAccepting
	}
	if !hmac.Equal(body[:proofSize], proof(l.bus.opts.Security.Secret, theirs, h, l.challenge.mine)) {
		return nil, fmt.Errorf("%w: the peer's proof is wrong: most likely its --bus-secret-file has another content", errUnproven)
	}
	l.challenge.theirs = nil
	l.unproven.Store(false)
	if l.role() == roleAccepting {
		l.prove(h)
	}
	return h, nil
}
