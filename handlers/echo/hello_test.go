package echo

import (
	"context"
	"testing"

	"nanofront/handlers"
)

func TestHello_NoAllocations(t *testing.T) {
	req := &handlers.Request{Method: []byte("GET"), Path: []byte("/hello")}
	var resp handlers.Response
	serve := func() {
		resp.Reset()
		if err := (handler{}).Serve(context.Background(), req, &resp); err != nil {
			t.Error(err)
		}
	}
	serve()
	if n := testing.AllocsPerRun(100, serve); n != 0 {
		t.Errorf("%v allocations", n)
	}
	t.Logf("%s", resp.Body)
}
