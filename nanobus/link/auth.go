package link

import (
	"crypto/hmac"
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"

	"nanofront/nanobus/wire"
)

// errUnproven: a peer that has not shown that it knows the shared secret.
var errUnproven = errors.New("nanobus: peer not authenticated")

// NewNonce is what makes a link's proofs worthless on any other.
func NewNonce() []byte {
	n := make([]byte, wire.NonceSize)
	_, _ = rand.Read(n) // never fails (crypto/rand)
	return n
}

// NewProcess is what tells this bus from others of its name.
func NewProcess() []byte {
	p := make([]byte, wire.ProcessSize)
	_, _ = rand.Read(p) // never fails (crypto/rand)
	return p
}

// challenge is a link's part in the exchange of proofs. The reader's alone,
// but for ours, which doesn't change.
type challenge struct {
	link   *Link
	Ours   *wire.Hello // our hello on this link
	theirs *wire.Hello // the peer's, until it is proven; nil before and after
	Owed   atomic.Bool // the peer has said hello and owes its proof
}

// role is what our side does on the link.
func (c *challenge) role() byte {
	if c.link.Instance != nil {
		return wire.RoleConnecting
	}
	return wire.RoleAccepting
}

// prove sends our proof.
func (c *challenge) prove(peer *wire.Hello) {
	c.link.Control(wire.KindProof, 0, 0, wire.Proof(c.link.bus.Secret, c.role(), c.Ours, peer)...)
}

// introduced is called with each hello. It reports whether the peer is to be
// greeted now, and not only after its proof.
func (c *challenge) introduced(h *wire.Hello) (bool, error) {
	secret := c.link.bus.Secret
	switch {
	case len(secret) == 0 && h.Nonce == nil:
		return true, nil
	case len(secret) == 0:
		return false, fmt.Errorf("%w: the peer wants the shared secret and this process has none: start it with the peer's --bus-secret-file", errUnproven)
	case h.Nonce == nil:
		return false, fmt.Errorf("%w: the peer has no shared secret: start it with this process's --bus-secret-file", errUnproven)
	case string(h.Nonce) == string(c.Ours.Nonce):
		return false, fmt.Errorf("%w: the peer sends back our own nonce", errUnproven)
	}
	for _, before := range []*wire.Hello{c.link.Hello.Load(), c.theirs} {
		if before != nil && (string(h.Nonce) != string(before.Nonce) || h.Service != before.Service || h.Instance != before.Instance) {
			return false, fmt.Errorf("%w: a later hello has another nonce, service or instance than the first", errUnproven)
		}
	}
	if c.link.Hello.Load() != nil {
		return true, nil // proven before
	}
	first := c.theirs == nil
	c.theirs = h
	c.Owed.Store(true)
	// The connecting side proves first: a stranger that only connects gets nothing from which to
	// guess the secret.
	if first && c.role() == wire.RoleConnecting {
		c.prove(h)
	}
	return false, nil
}

// proven is called with each proof. It returns the hello of a peer that is to
// be greeted now; nil if there is none.
func (c *challenge) proven(body []byte) (*wire.Hello, error) {
	h := c.theirs
	if h == nil {
		c.link.bus.Metrics.DroppedStray.Inc() // before its hello, or a second one
		return nil, nil
	}
	if len(body) < wire.ProofSize {
		return nil, fmt.Errorf("%w: proof of %d bytes", wire.ErrMalformed, len(body))
	}
	theirs := wire.RoleConnecting
	if c.role() == wire.RoleConnecting {
		theirs = wire.RoleAccepting
	}
	if !hmac.Equal(body[:wire.ProofSize], wire.Proof(c.link.bus.Secret, theirs, h, c.Ours)) {
		return nil, fmt.Errorf("%w: the peer's proof is wrong: most likely its --bus-secret-file has different content", errUnproven)
	}
	c.theirs = nil
	c.Owed.Store(false)
	if c.role() == wire.RoleAccepting {
		c.prove(h)
	}
	return h, nil
}
