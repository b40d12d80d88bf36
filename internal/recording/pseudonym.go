package recording

import (
	"crypto/sha256"
	"encoding/binary"
)

const lettersAndDigits = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

const (
	// leastText is how long a pseudonym is at least that isn't one of digits: 71 bits, so that no two
	// values have the same.
	leastText = 12
	// mostText is how long it is at most.
	mostText = 16 << 10
)

// shape is what a pseudonym has in common with its value, so that programs take it for the same
// kind of thing.
type shape int

const (
	shapeText   shape = iota // letters and digits, of the same length but at least leastText
	shapeDigits              // as many digits, the first of them 0 only if it was
	shapeHex                 // as many hexadecimal digits, in lower case
	shapeHEX                 // in upper case
	shapeUUID                // 8-4-4-4-12
)

// shapeOf looks at a value.
func shapeOf(v string) shape {
	digits, lower, upper, dashes := 0, 0, 0, 0
	for i := range len(v) {
		switch c := v[i]; {
		case '0' <= c && c <= '9':
			digits++
		case 'a' <= c && c <= 'f':
			lower++
		case 'A' <= c && c <= 'F':
			upper++
		case c == '-' && (i == 8 || i == 13 || i == 18 || i == 23):
			dashes++
		default:
			return shapeText
		}
	}
	switch {
	case digits == len(v):
		return shapeDigits
	case len(v) == 36 && dashes == 4:
		return shapeUUID
	case dashes > 0 || len(v) < leastText || digits == 0:
		return shapeText
	case upper == 0:
		return shapeHex
	case lower == 0:
		return shapeHEX
	default:
		return shapeText
	}
}

// pseudonym is what stands for a value, made of the keyed hash of it.
func pseudonym(v string, hash []byte) string {
	e := expander{seed: hash}
	n := min(len(v), mostText)
	pick := func(from string) byte { return from[e.below(len(from))] }
	out := make([]byte, 0, max(n, leastText))
	switch shapeOf(v) {
	case shapeDigits:
		for i := range n {
			if i == 0 && v[0] != '0' {
				out = append(out, pick("123456789"))
				continue
			}
			if i == 0 && n > 1 {
				out = append(out, '0')
				continue
			}
			out = append(out, pick("0123456789"))
		}
	case shapeHex, shapeUUID:
		for i := range n {
			if v[i] == '-' {
				out = append(out, '-')
				continue
			}
			out = append(out, pick("0123456789abcdef"))
		}
	case shapeHEX:
		for range n {
			out = append(out, pick("0123456789ABCDEF"))
		}
	default:
		for range max(n, leastText) {
			out = append(out, pick(lettersAndDigits))
		}
	}
	return string(out)
}

// expander makes a stream of numbers of a seed.
type expander struct {
	seed  []byte
	block [sha256.Size]byte
	left  int
	count uint64
}

// below returns a number from 0 to n-1, of at most 256.
func (e *expander) below(n int) int {
	for {
		if e.left == 0 {
			b := append(make([]byte, 0, sha256.Size+8), e.seed...)
			e.block = sha256.Sum256(binary.LittleEndian.AppendUint64(b, e.count))
			e.count++
			e.left = len(e.block)
		}
		c := int(e.block[len(e.block)-e.left])
		e.left--
		if c < 256/n*n { // else some numbers would be more frequent
			return c % n
		}
	}
}
