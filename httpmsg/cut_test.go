package httpmsg

import (
	"bytes"
	"testing"
)

// What is too long for its length field must not be taken for what stands
// behind it: a client could make up fields that way.
func TestAppendTo_CutsWhatIsTooLong(t *testing.T) {
	long := bytes.Repeat([]byte{'a'}, 256+3)
	huge := bytes.Repeat([]byte{'b'}, 1<<16+3)
	in := Request{
		Method: long, Scheme: long, Host: huge, Path: huge, Query: huge, Client: long,
		Header: Fields{{Name: long, Value: huge}, {Name: []byte("x"), Value: []byte("y")}}, Body: []byte("body"),
	}
	if in.Check() == nil {
		t.Error("Check finds nothing")
	}
	var out Request
	if err := out.Decode(in.AppendTo(nil)); err != nil {
		t.Fatal(err)
	}
	if len(out.Method) != 255 || len(out.Path) != 1<<16-1 || len(out.Header) != 2 ||
		len(out.Header[0].Name) != 255 || string(out.Header[1].Name) != "x" || string(out.Header[1].Value) != "y" || string(out.Body) != "body" {
		t.Errorf("method of %d bytes, path of %d, %d fields, body %.20q", len(out.Method), len(out.Path), len(out.Header), out.Body)
	}
}
