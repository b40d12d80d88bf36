package echo

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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
	for sent := 0; sent < n && err == nil; {
		var k int
		k, err = w.Write(pattern[:min(len(pattern), n-sent)])
		sent += k
	}
	return err
}

// digest reads the body, however long, and says what it was.
func digest(x *handlers.Exchange) error {
	h := sha256.New()
	n, err := io.Copy(h, x.Body())
	if err != nil {
		return err
	}
	x.Response().Add(headerType, typeJSON)
	return json.NewEncoder(x.Response()).Encode(map[string]any{"bytes": n, "sha256": hex.EncodeToString(h.Sum(nil))})
}
