package report

import (
	"os"
	"testing"

	"nanofront/bench/result/resulttest"
)

func TestLook(t *testing.T) {
	dir := os.Getenv("LOOK")
	rep := resulttest.Report(resulttest.Options{Seed: 1})
	f, err := os.Create(dir + "/page.html")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := HTML(f, rep); err != nil {
		t.Fatal(err)
	}
	files, err := Plots(dir+"/plots", rep)
	t.Log(files, err)
}
