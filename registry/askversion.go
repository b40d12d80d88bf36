package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
)

// AskVersion says who may ask for a version of the service that a request goes to, with the header
// field X-Version. All others' is removed.
type AskVersion struct {
	// From are the clients' addresses, or networks such as 10.0.0.0/8.
	From []string `json:"from,omitempty" yaml:"from,omitempty,flow"`
	// Tokens are SHA-256 sums, as "sha256:" and 64 hexadecimal digits, of what may stand in the
	// header field X-Version-Token.
	Tokens []string `json:"tokens,omitempty" yaml:"tokens,omitempty"`
}

const (
	maxAsk  = 64
	sumRule = `"sha256:" and the 64 lower-case hexadecimal digits that sha256sum prints for the token`
)

// ParseNetwork reads an address, or a network such as 10.0.0.0/8.
func ParseNetwork(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, errors.New("want an address, or a network such as 10.0.0.0/8")
	}
	return p.Masked(), nil
}

// ParseToken reads a token's sum.
func ParseToken(s string) (sum [sha256.Size]byte, err error) {
	digits, ok := strings.CutPrefix(s, "sha256:")
	if n, err := hex.Decode(sum[:], []byte(digits[:min(len(digits), 2*len(sum))])); !ok || err != nil || n != len(sum) || len(digits) != 2*len(sum) {
		return sum, errors.New("want " + sumRule)
	}
	return sum, nil
}

func (r *Routes) checkAsk(p *problems) {
	a := r.Ask
	if a == nil {
		return
	}
	if len(a.From)+len(a.Tokens) == 0 {
		p.at("", "ask_version", "empty: want from, tokens or both, or no such field")
	}
	if len(a.From)+len(a.Tokens) > maxAsk {
		p.at("", "ask_version", "%d addresses and tokens: want at most %d", len(a.From)+len(a.Tokens), maxAsk)
		return
	}
	for _, s := range a.From {
		if _, err := ParseNetwork(s); err != nil {
			p.at("", "ask_version.from", "%s: %v", quote(s), err)
		}
	}
	for i, s := range a.Tokens {
		if _, err := ParseToken(s); err != nil { // not shown: it may be the token itself
			p.at("", "ask_version.tokens", "number %d: %v", i+1, err)
		}
	}
}

func readAsk(r reader) *AskVersion {
	n, ok := r.field("ask_version", kindObject)
	if !ok {
		return nil
	}
	a := reader{p: r.p, place: r.place, group: "ask_version.", obj: n}
	a.only("from", "tokens")
	return &AskVersion{From: readTexts(a, "from"), Tokens: readTexts(a, "tokens")}
}

func readTexts(r reader, field string) []string {
	var out []string
	for _, v := range r.list(field) {
		if kindOf(v) != kindText {
			r.p.at(r.place, r.group+field, "%s: want a list of texts", show(v))
			return nil
		}
		out = append(out, v.Value)
	}
	return out
}
