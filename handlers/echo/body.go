package echo

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"nanofront/handlers"
)

// pattern is what /echo/bytes repeats.
var pattern = []byte(strings.Repeat("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-\n", 512))

// fill answers with as many bytes as are asked for.
func fill(x *handlers.Exchange) error {
	req, resp := x.Request(), x.Response()
	n, err := number(req, "n", MaxBytes)
	if err != nil {
		return err
	}
	resp.Add(headerType, typeBytes)
	if n <= handlers.MaxWhole {
		for len(resp.Body) < n {
			resp.Body = append(resp.Body, pattern[:min(len(pattern), n-len(resp.Body))]...)
		}
		return nil
	}
	w, err := x.Begin(int64(n))
	if err != nil {
		return err
	}
	return write(w, n)
}

// errAsked is how a stream ends that was asked to fail.
var errAsked = errors.New("echo: asked to break the stream off")

// stream answers in pieces, with a pause before each.
func stream(x *handlers.Exchange) error {
	req := x.Request()
	var pieces, size, ms, fail, announced int
	for _, p := range []struct {
		name   string
		value  *int
		most   int
		parsed func(*handlers.Request, string, int) (int, error)
	}{
		{"pieces", &pieces, MaxPieces, number},
		{"bytes", &size, MaxPiece, number},
		{"ms", &ms, maxMS, optional},
		{"fail", &fail, MaxPieces, optional},
		{"length", &announced, 1, optional},
	} {
		var err error
		if *p.value, err = p.parsed(req, p.name, p.most); err != nil {
			return err
		}
	}
	x.Response().Add(headerType, typeBytes)
	length := int64(-1)
	if announced == 1 {
		length = int64(pieces) * int64(size)
	}
	w, err := x.Begin(length)
	if err != nil {
		return err
	}
	for i := 1; i <= pieces; i++ {
		if err := pause(x.Context(), ms); err != nil {
			return err
		}
		if i == fail {
			return errAsked
		}
		if err := write(w, size); err != nil {
			return err
		}
	}
	return nil
}

// write writes the first n bytes of the pattern, repeated.
func write(w io.Writer, n int) error {
	for sent := 0; sent < n; {
		k, err := w.Write(pattern[:min(len(pattern), n-sent)])
		if err != nil {
			return err
		}
		sent += k
	}
	return nil
}

// digestPiece is what /echo/digest reads between two pauses.
const digestPiece = 64 << 10

// digest reads the body, however long, and says what it was.
func digest(x *handlers.Exchange) error {
	ms, err := optional(x.Request(), "ms", maxMS)
	if err != nil {
		return err
	}
	h, body, n := sha256.New(), x.Body(), int64(0)
	for {
		if err := pause(x.Context(), ms); err != nil {
			return err
		}
		k, err := io.CopyN(h, body, digestPiece)
		n += k
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	x.Response().Add(headerType, typeJSON)
	return json.NewEncoder(x.Response()).Encode(map[string]any{"bytes": n, "sha256": hex.EncodeToString(h.Sum(nil))})
}
