package http1

// Head says where the parts of a request's head are, in bytes from the beginning of its request
// line. A scanner notes it as it goes, so that nobody has to look for them once more. Valid when
// the head is complete. It is used again for the next request, so that noting allocates nothing.
type Head struct {
	Method int // the method's end
	Target int // the target's end; it begins one byte behind the method
	// Path is the end of the target's path, if the target is in the form that NormalizeTarget
	// brings it to: the query, if there is one, begins one byte further on. 0: it has to be brought
	// to that first.
	Path   int
	Old    bool // HTTP/1.0
	Fields []Place
}

// Place is where a header field is.
type Place struct{ Name, Colon, End uint32 }

// Cut returns the field's name and value, which alias the head.
func (p Place) Cut(head []byte) (name, value []byte) {
	return head[p.Name:p.Colon], TrimOWS(head[p.Colon+1 : p.End])
}

// note adds a field that begins at start: a name of n bytes, and all of it, without its CRLF, of
// size bytes.
func (h *Head) note(start, n, size int) {
	h.Fields = append(h.Fields, Place{uint32(start), uint32(start + n), uint32(start + size)})
}
