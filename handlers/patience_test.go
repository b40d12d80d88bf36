package handlers_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"nanofront/handlers"
	"nanofront/handlers/handlertest"
	"nanofront/internal/testutil"
	"nanofront/metrics"
)

// relay is a front whose calls of "work" are patient.
func relay(t *testing.T, d *handlertest.Discovery) (*handlertest.Caller, *metrics.Set, func() bool) {
	t.Helper()
	var client atomic.Pointer[handlers.Client]
	rt, set := caller(t, d, func(batch []*handlers.Exchange) {
		for _, x := range batch {
			c := handlers.AcquireCall()
			c.Request.Method, c.Request.Path = x.Request().Method, x.Request().Path
			c.User, c.Patient = x, x
			c.Done = func(c *handlers.Call) {
				x, err, status := c.User.(*handlers.Exchange), c.Err, c.Response.Status //nolint:forcetypeassert // set above
				c.Release()
				if err != nil {
					x.Fail(err)
					return
				}
				x.Response().Status = status
				x.Done()
			}
			client.Load().Go(c, x.Remaining())
		}
	})
	client.Store(rt.Client("work"))
	return handlertest.NewCaller(t, d, "front"), set, func() bool { return rt.Ready() == nil }
}

// TestCall_PatientWaits: nobody notices that a service is started again.
func TestCall_PatientWaits(t *testing.T) {
	d := handlertest.NewDiscovery()
	front, set, ready := relay(t, d)
	b := serve(t, handlers.Options{Discovery: d}, handlers.HandlerFunc(ok))
	testutil.Eventually(t, "ready", ready)
	b.stop()
	testutil.Eventually(t, "work is away", func() bool { return !ready() })

	const requests = 50
	answers := make(chan int, 2*requests)
	for range requests {
		for _, method := range []string{"GET", "PUT"} {
			go func() { // ends with its answer
				ctx, cancel := context.WithTimeout(context.Background(), testutil.Patience)
				defer cancel()
				got, err := front.Do(ctx, "front", method, "/x", nil)
				if err != nil {
					t.Errorf("%s: %v", method, err)
				}
				answers <- got.Status
			}()
		}
	}
	waited := set.Counter(metrics.HandlerWaited)
	testutil.Eventually(t, "all wait", func() bool { return waited.Value() == 2*requests })
	serve(t, handlers.Options{Discovery: d, Instance: "work-2"}, handlers.HandlerFunc(ok))
	for range 2 * requests {
		if got := <-answers; got != 200 {
			t.Errorf("got %d", got)
		}
	}
}

// TestCall_PatientHasAnEnd: the answer that there is none comes within the
// request's time.
func TestCall_PatientHasAnEnd(t *testing.T) {
	d := handlertest.NewDiscovery()
	front, _, ready := relay(t, d)
	b := serve(t, handlers.Options{Discovery: d}, handlers.HandlerFunc(ok))
	testutil.Eventually(t, "ready", ready)
	b.stop()
	// On a machine that is busy enough, not each time.
	testutil.Eventually(t, "503 within the time", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		got, err := front.Do(ctx, "front", "GET", "/x", nil)
		return err == nil && got.Status == 503
	})
	// After ReturnTime, at once.
	testutil.Eventually(t, "nobody waits any more", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), testutil.Patience)
		defer cancel()
		began := time.Now()
		got, err := front.Do(ctx, "front", "GET", "/x", nil)
		return err == nil && got.Status == 503 && time.Since(began) < time.Second
	})
}
