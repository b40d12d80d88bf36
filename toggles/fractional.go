package toggles

import (
	"math"
	"math/bits"
)

// missingKey is what a share gives that has nobody to hash, where its value is the whole rule's: it
// tells the default for want of a key from a default that is meant.
type missingKey struct{}

// fractionalTail is fractional where its value is the whole rule's.
func fractionalTail(values, data any) any {
	v, missing := share(values, data)
	if missing {
		return missingKey{}
	}
	return v
}

// fractional chooses by a hash: [what to hash, [variant, weight], …]. Without the first, or if it is
// null, that is the toggle's name and the targeting key, so that each toggle chooses others. The
// arithmetic is that of flagd since core 0.15: (hash * weights) >> 32.
func fractional(values, data any) any {
	v, _ := share(values, data)
	return v
}

func share(values, data any) (chosen any, missing bool) {
	args := values.([]any) //nolint:forcetypeassert // an operator's arguments
	flag, args := args[0].(string), args[1:]
	if len(args) == 0 {
		return nil, false
	}
	var hash uint32
	if by, ok := args[0].(string); ok {
		hash, args = murmur3(by, ""), args[1:]
	} else {
		if args[0] == nil {
			args = args[1:]
		}
		attributes, _ := data.(map[string]any)
		key, _ := attributes[targetingKey].(string)
		if key == "" {
			return nil, true
		}
		hash = murmur3(flag, key)
	}
	var total uint64
	for _, a := range args {
		_, weight, ok := bucket(a)
		if !ok {
			return nil, false
		}
		total += weight
	}
	if total == 0 || total > math.MaxInt32 {
		return nil, false
	}
	at := uint64(hash) * total >> 32
	for _, a := range args {
		variant, weight, _ := bucket(a)
		if at < weight {
			return variant, false
		}
		at -= weight
	}
	return nil, false // not reached: at < total
}

// bucket reads [variant, weight]: the weight is 1 if there is none, and 0 if it is negative, as
// that of a ramp that is yet to begin.
func bucket(a any) (variant any, weight uint64, ok bool) {
	pair, _ := a.([]any)
	if len(pair) == 0 {
		return nil, 0, false
	}
	switch pair[0].(type) {
	case nil, string, bool, float64:
	default:
		return nil, 0, false
	}
	if len(pair) < 2 || pair[1] == nil {
		return pair[0], 1, true
	}
	w, isNumber := pair[1].(float64)
	if !isNumber || w != math.Trunc(w) || w > math.MaxInt32 {
		return nil, 0, false
	}
	return pair[0], uint64(max(w, 0)), true
}

// murmur3 is MurmurHash3 (x86, 32 bits, seed 0) of a and b, one behind the other.
func murmur3(a, b string) uint32 {
	const c1, c2 = 0xcc9e2d51, 0x1b873593
	var h, k uint32
	n := len(a) + len(b)
	for i := range n {
		c := uint32(0)
		if i < len(a) {
			c = uint32(a[i])
		} else {
			c = uint32(b[i-len(a)])
		}
		k |= c << (8 * (i & 3))
		if i&3 == 3 {
			h ^= bits.RotateLeft32(k*c1, 15) * c2
			h = bits.RotateLeft32(h, 13)*5 + 0xe6546b64
			k = 0
		}
	}
	if n&3 != 0 {
		h ^= bits.RotateLeft32(k*c1, 15) * c2
	}
	h ^= uint32(n)
	h ^= h >> 16
	h *= 0x85ebca6b
	h ^= h >> 13
	h *= 0xc2b2ae35
	return h ^ h>>16
}
