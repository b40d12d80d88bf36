package nanobus

import (
	"errors"
	"testing"

	"nanofront/nanobus/link"
)

// A request that must not be acted upon twice goes to a second instance only if that shares the
// first one's memory.
func TestRemembered(t *testing.T) {
	for _, c := range []struct {
		name     string
		memories [2]string
		again    bool
	}{
		{"none", [2]string{"", ""}, false},
		{"each its own", [2]string{"a", "b"}, false},
		{"only one", [2]string{"a", ""}, false},
		{"shared", [2]string{"a", "a"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := make(chan *Request, 2)
			var instances []Instance
			for i, id := range []string{"1", "2"} {
				_, in := server(t, id, Options{Memory: c.memories[i], Serve: func(batch []*Request) {
					for _, r := range batch {
						got <- r
					}
				}}, tcp)
				instances = append(instances, in)
			}
			b := caller(t, instances...)
			s := b.Service("s")
			if want := c.memories != [2]string{}; s.Remembers() != want {
				t.Errorf("the service remembers: %v, want %v", s.Remembers(), want)
			}

			call := NewCall()
			call.Repeat = RepeatRemembered
			if err := s.Go(call, Bytes("x"), patience); err != nil {
				t.Fatal(err)
			}
			first := <-got
			if copied := b.node.Calls.Again(call.ID()); copied != c.again {
				t.Fatalf("a copy was sent: %v, want %v", copied, c.again)
			}
			if c.again {
				_ = (<-got).Reply(Bytes("copy"))
			} else {
				_ = first.Reply(Bytes("first"))
			}
			if call.Wait(); call.Err != nil {
				t.Fatal(call.Err)
			}
			call.Release()
			if c.again {
				_ = first.Reply(Bytes("late"))
			}

			call.Repeat = RepeatRemembered
			if err := s.Go(call, Bytes("x"), patience); err != nil {
				t.Fatal(err)
			}
			first = <-got
			breakLink(first)
			if call.Wait(); !errors.Is(call.Err, ErrLinkDown) {
				t.Fatalf("ended with %v", call.Err)
			}
			err := s.Go(call, Bytes("x"), patience)
			if (err == nil) != c.again || err != nil && !errors.Is(err, ErrNoInstance) {
				t.Fatalf("once more: %v", err)
			}
			if err == nil {
				_ = (<-got).Reply(Bytes("done"))
				call.Wait()
			}
			first.ReplyError(CodeCancelled, "")
			for _, l := range b.snapshotLinks() {
				waitFor(t, "no credit is lost", func() bool { return l.InFlight() == 0 || l.Is(link.Down) })
			}
		})
	}
}
