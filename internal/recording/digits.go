package recording

import (
	"encoding/binary"
	"strconv"
)

const (
	// mostDigits is how many digits a number may have that is permuted; longer ones are hashed.
	mostDigits = 18
	// rounds of the Feistel network.
	rounds = 8
)

// digits is the pseudonym of a number of up to 18 digits: a permutation of all numbers of that
// length, so that no two have the same, however short they are. It is a Feistel network over the two
// halves of the digits (as FF1 in NIST SP 800-38G, though not that), gone through again until the
// first digit is 0 only if it was.
func (r *Redactor) digits(v string) string {
	left := len(v) / 2
	right := len(v) - left
	a, _ := strconv.ParseUint("0"+v[:left], 10, 64) // digits alone
	b, _ := strconv.ParseUint(v[left:], 10, 64)
	for {
		for i := range rounds {
			if i%2 == 0 {
				b = (b + r.round(i, len(v), a)) % power(right)
			} else {
				a = (a + r.round(i, len(v), b)) % power(left)
			}
		}
		text := padded(a, left) + padded(b, right)
		if len(v) == 1 || (text[0] == '0') == (v[0] == '0') {
			return text
		}
	}
}

// round is the keyed function of a round, over the digits of the other half.
func (r *Redactor) round(i, length int, half uint64) uint64 {
	in := []byte{'d', 'i', 'g', 'i', 't', 's', 0, byte(i), byte(length)}
	return binary.BigEndian.Uint64(r.sum(string(binary.BigEndian.AppendUint64(in, half)))) >> 1 // no sum overflows
}

// power is ten to the n, up to 9.
func power(n int) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}

// padded is a number in n digits.
func padded(v uint64, n int) string {
	if n == 0 {
		return ""
	}
	text := strconv.FormatUint(v+power(n), 10) // 1 and the digits
	return text[1:]
}
