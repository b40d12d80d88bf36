package nanobus

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nanofront/internal/testutil"
	"nanofront/nanobus/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long what must happen is waited for, and the budget of calls
// that must be answered: far longer than anything takes, even with the race
// detector on a busy machine. Only a failing test waits so long.
const patience = time.Minute

// waitFor waits until ok, and fails the test if that takes long.
var waitFor = testutil.Eventually

func newBus(t testing.TB, o Options) *Bus {
	t.Helper()
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// server is a bus that takes requests for "s".
func server(t testing.TB, id string, o Options, addr string) (*Bus, Instance) {
	t.Helper()
	o.Service, o.Instance = "s", id
	b := newBus(t, o)
	addr, err := b.Listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	return b, Instance{Service: "s", ID: id, Address: addr}
}

func echo(batch []*Request) {
	for _, r := range batch {
		_ = r.Reply(Bytes(r.Payload()))
	}
}

// caller is a bus that is linked with the instances.
func caller(t testing.TB, instances ...Instance) *Bus {
	t.Helper()
	b := newBus(t, Options{Service: "caller", Instance: "c"})
	linkUp(t, b, instances...)
	return b
}

func linkUp(t testing.TB, b *Bus, instances ...Instance) {
	t.Helper()
	if err := b.SetInstances(instances); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "all instances linked", func() bool { return b.Service("s").Live() == len(instances) })
}

func call(t testing.TB, b *Bus, payload string, budget time.Duration) (string, error) {
	t.Helper()
	c := NewCall()
	if err := b.Service("s").Go(c, Bytes(payload), budget); err != nil {
		return "", err
	}
	c.Wait()
	defer c.Release()
	return string(c.Payload), c.Err
}

const tcp = "tcp://127.0.0.1:0"

var freeAddr = testutil.FreeAddr

// vector is one of the golden vectors of package wire.
func vector(name string) []byte {
	text, err := os.ReadFile(filepath.Join("wire", "testdata", name+".hex"))
	if err != nil {
		panic(err)
	}
	b, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		panic(err)
	}
	return b
}

// counting is a nonce that can be written down: first, first+1, and so on.
func counting(first byte) []byte {
	n := make([]byte, wire.NonceSize)
	for i := range n {
		n[i] = first + byte(i)
	}
	return n
}
