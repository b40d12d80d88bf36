package tap

import (
	"encoding/hex"
	"math"
	"os"
	"strings"
	"testing"

	"nanofront/nanobus/wire"
)

// vector is the body of one of the golden vectors of package wire.
func vector(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("../wire/testdata/" + name + ".hex")
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return b[wire.HeaderSize:]
}

func TestSampled_Bounds(t *testing.T) {
	in := 0
	for i := range uint64(1_000_000) {
		id := 0x00a1<<48 | i%5<<24 | i/5 // few generations, many slots
		if !sampled(id, Whole) || sampled(id, 0) {
			t.Fatalf("%016x: all %v, none %v", id, sampled(id, Whole), sampled(id, 0))
		}
		if sampled(id, 10_000) {
			in++
		}
	}
	if math.Abs(float64(in)-10_000) > 500 {
		t.Errorf("%d of a million ids in a sample of 0.01", in)
	}
}

func FuzzCopy(f *testing.F) {
	for _, v := range []string{"tap-copy", "tap-state", "tap-start"} {
		f.Add(vector(f, v))
	}
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = DecodeState(b)
		c, err := DecodeCopy(b)
		if err != nil {
			return
		}
		c.Request()
		c.Response()
		c.Topic()
	})
}
