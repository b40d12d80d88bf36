package httpmsg

import "encoding/binary"

// Decision is what the front has decided about a request: by which revision, which versions of
// services it and what is called for it go to, and which variants of experiments it has. It travels
// with the request, through all hops. Its bytes are
//
//	revision(64) flags(8) services variants
//
// where services is an 8-bit count, then for each its name(8) and a list of versions, an 8-bit count
// and each version(8); and variants is an 8-bit count, then experiment(8) variant(8) for each. Bytes
// behind that belong to a later revision. What is cut off counts as not there.
type Decision []byte

// decisionHead is the size of revision and flags.
const decisionHead = 9

// NewDecision begins a decision in dst, which AppendVersions and AppendVariants must follow, once
// each.
func NewDecision(dst []byte, revision int64) Decision {
	return append(binary.BigEndian.AppendUint64(dst, uint64(revision)), 0) // as it is
}

// AppendVersions appends how many services follow, of which each is one of VersionsOf.
func (d Decision) AppendVersions(count int) Decision { return append(d, byte(count)) }

// VersionsOf is a service's part of a decision: the version that is meant, and those that take over
// while nobody runs it, in their order. "" stands for any. At most 255.
func VersionsOf(service string, versions []string) []byte {
	b := append8(nil, []byte(service))
	b = append(b, byte(len(versions)))
	for _, v := range versions {
		b = append8(b, []byte(v))
	}
	return b
}

// AppendVariants appends how many variants follow, of which each is one of VariantOf.
func (d Decision) AppendVariants(count int) Decision { return append(d, byte(count)) }

// VariantOf is an experiment's part of a decision.
func VariantOf(experiment, variant string) []byte {
	return append8(append8(nil, []byte(experiment)), []byte(variant))
}

// Revision is etcd's of what was decided by; 0: none.
func (d Decision) Revision() int64 {
	if len(d) < decisionHead {
		return 0
	}
	return int64(binary.BigEndian.Uint64(d)) // as it was
}

// Versions returns the versions that a service is called in: those of VersionsOf, as their bytes,
// with which Version begins. Nil: nothing was decided about it.
func (d Decision) Versions(service string) []byte {
	found, _ := d.walk(service)
	return found
}

// Variant returns the request's variant of an experiment, nil if it takes no part in it.
func (d Decision) Variant(experiment string) (found []byte) {
	d.EachVariant(func(name, variant []byte) {
		if found == nil && string(name) == experiment {
			found = variant
		}
	})
	return found
}

// EachVariant calls f with each experiment that the request takes part in, and its variant.
func (d Decision) EachVariant(f func(experiment, variant []byte)) {
	_, b := d.walk("")
	n, b, _ := takeCount(b)
	for range n {
		var name, variant []byte
		var ok bool
		if name, b, ok = take8(b); !ok {
			return
		}
		if variant, b, ok = take8(b); !ok {
			return
		}
		f(name, variant)
	}
}

// walk goes through the services. It returns the versions of the one that is asked for, and what is
// behind all of them.
func (d Decision) walk(service string) (found, rest []byte) {
	if len(d) < decisionHead {
		return nil, nil
	}
	n, b, _ := takeCount(d[decisionHead:])
	for range n {
		var name []byte
		var ok bool
		if name, b, ok = take8(b); !ok {
			return found, nil
		}
		list := b
		var m int
		if m, b, ok = takeCount(b); !ok {
			return found, nil
		}
		for range m {
			if _, b, ok = take8(b); !ok {
				return found, nil
			}
		}
		if service != "" && string(name) == service {
			found = list[:len(list)-len(b)]
		}
	}
	return found, b
}

// EachVersion calls f with each of the versions that Decision.Versions has returned.
func EachVersion(versions []byte, f func(version []byte)) {
	n, b, _ := takeCount(versions)
	for range n {
		var v []byte
		var ok bool
		if v, b, ok = take8(b); !ok {
			return
		}
		f(v)
	}
}

// FirstVersion is the one that is meant of what Decision.Versions has returned; nil: any.
func FirstVersion(versions []byte) []byte {
	if n, b, ok := takeCount(versions); ok && n > 0 {
		v, _, _ := take8(b)
		return v
	}
	return nil
}

func takeCount(b []byte) (n int, rest []byte, ok bool) {
	if len(b) == 0 {
		return 0, nil, false
	}
	return int(b[0]), b[1:], true
}
