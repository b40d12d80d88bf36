package echo

import (
	"testing"

	"nanofront/handlers"
)

func TestHello_NoAllocations(t *testing.T) {
	h := new(handler)
	var x handlers.Exchange
	x.Request().Method, x.Request().Path = []byte("GET"), []byte("/hello")
	serve := func() {
		x.Response().Reset()
		if err := h.ServeStream(&x); err != nil {
			t.Error(err)
		}
	}
	serve()
	if n := testing.AllocsPerRun(100, serve); n != 0 {
		t.Errorf("%v allocations", n)
	}
	t.Logf("%s", x.Response().Body)
}
