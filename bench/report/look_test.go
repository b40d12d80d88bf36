package report

import (
	"os"
	"testing"

	"nanofront/bench/result/resulttest"
)

func TestLook(t *testing.T) {
	rep := resulttest.Report(resulttest.Options{Seed: 1})
	for _, w := range []int{80, 130} {
		if err := Terminal(os.Stdout, rep, w, false); err != nil {
			t.Fatal(err)
		}
	}
}
