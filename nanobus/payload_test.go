package nanobus

import (
	"errors"
	"strings"
	"testing"
)

// A payload whose encoding panics is its caller's or its answer's failure; the
// link and all else on it goes on.
func TestPayload_PanicIsContained(t *testing.T) {
	var log journal
	answer := make(chan error, 1)
	s, in := server(t, "1", Options{Logger: log.logger(), Bodies: true, Serve: func(batch []*Request) {
		for _, r := range batch {
			switch string(r.Payload()) {
			case "reply":
				answer <- r.Reply(badPayload(0))
			case "try":
				_, err := r.TryReply(badPayload(0))
				answer <- err
			case "short":
				answer <- r.Reply(shortPayload{})
			case "body":
				_, err := r.ReplyBody(badPayload(0))
				answer <- err
			default:
				_ = r.Reply(Bytes(r.Payload()))
			}
		}
	}}, tcp)
	b := newBus(t, Options{Service: "caller", Instance: "c", Bodies: true, Logger: log.logger()})
	linkUp(t, b, in)

	for _, how := range []string{"reply", "try", "short", "body"} {
		_, err := call(t, b, how, patience)
		var remote *RemoteError
		if !errors.As(err, &remote) || remote.Code != CodeInternal {
			t.Errorf("%s: the caller got %v, want an internal error", how, err)
		}
		if err := <-answer; !errors.Is(err, ErrPayload) {
			t.Errorf("%s: the responder got %v, want ErrPayload", how, err)
		}
	}
	for _, p := range []Payload{badPayload(0), badPayload(3), shortPayload{}} {
		c := NewCall()
		if err := b.Service("s").Go(c, p, patience); !errors.Is(err, ErrPayload) {
			t.Errorf("a request got %v, want ErrPayload", err)
		}
		var batch Batch
		if err := batch.Go(b.Service("s"), c, p, patience); !errors.Is(err, ErrPayload) {
			t.Errorf("a request of a batch got %v, want ErrPayload", err)
		}
		batch.Flush()
		calls := []*Call{NewCall(), NewCall(), NewCall()}
		b.Service("s").GoAll(calls, []Payload{Bytes("a"), p, Bytes("b")}, patience)
		for i, c := range calls {
			c.Wait()
			if bad := errors.Is(c.Err, ErrPayload); bad != (i == 1) {
				t.Errorf("call %d of three got %v", i, c.Err)
			}
		}
	}
	if got, err := call(t, b, "fine", patience); err != nil || got != "fine" {
		t.Errorf("after it: %q, %v", got, err)
	}
	if n := s.node.Metrics.DroppedPayload.Value(); n != 4 {
		t.Errorf("%d counted at the responder, want 4", n)
	}
	if n := b.node.Metrics.DroppedPayload.Value(); n != 9 {
		t.Errorf("%d counted at the caller, want 9", n)
	}
	if !strings.Contains(log.String(), "badPayload") {
		t.Errorf("the log doesn't say whose encoding it was: %s", log.String())
	}
	atRest(t, b, s)
}

// badPayload panics after so many bytes.
type badPayload int

func (p badPayload) AppendTo(dst []byte) []byte {
	dst = append(dst, make([]byte, int(p))...)
	return dst[:len(dst)+1<<40]
}

// shortPayload returns less than it was given.
type shortPayload struct{}

func (shortPayload) AppendTo([]byte) []byte { return nil }
