package nanobus

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// A Call that NewCall hasn't made ends like any other, and doesn't keep the link's reader.
func TestCall_Zero(t *testing.T) {
	_, in := server(t, "1", Options{Serve: echo}, tcp)
	b := caller(t, in)
	for _, want := range []string{"first", "second"} {
		var c Call
		if err := b.Service("s").Go(&c, Bytes(want), patience); err != nil {
			t.Fatal(err)
		}
		c.Wait()
		if string(c.Payload) != want || c.Err != nil {
			t.Errorf("got %q, %v, want %q", c.Payload, c.Err, want)
		}
		c.Release()
	}
	// Also those that end before they are sent.
	calls, payloads := []*Call{{}, {}}, []Payload{Bytes("a"), Bytes("b")}
	b.Service("nobody").GoAll(calls, payloads, patience)
	for _, c := range calls {
		c.Wait()
		if !errors.Is(c.Err, ErrNoInstance) {
			t.Errorf("got %v, want %v", c.Err, ErrNoInstance)
		}
	}
}

func TestCall_Nil(t *testing.T) {
	b := caller(t)
	for name, send := range map[string]func(*Service){
		"Go":    func(s *Service) { _ = s.Go(nil, Bytes("x"), patience) },
		"GoAll": func(s *Service) { s.GoAll([]*Call{nil}, []Payload{Bytes("x")}, patience) },
		"Batch": func(s *Service) { var batch Batch; _ = batch.Go(s, nil, Bytes("x"), patience) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if p := fmt.Sprint(recover()); !strings.Contains(p, "nil *Call: use NewCall") {
					t.Errorf("it panics with %q, want the misuse named", p)
				}
			}()
			send(b.Service("s"))
		})
	}
}

func TestRemoteError_Nil(t *testing.T) {
	var none *RemoteError
	if got := none.Error(); !strings.Contains(got, "nil *RemoteError") {
		t.Errorf("it says %q", got)
	}
}
