// Package handlertest is what tests of handlers need: a discovery in memory, and
// a caller of services over the real bus. Only tests import it.
//
//	d := handlertest.NewDiscovery()
//	testutil.Start(t, "echo", func(ctx context.Context) error {
//		return echo.Run(ctx, handlers.Options{Discovery: d})
//	})
//	c := handlertest.NewCaller(t, d, "echo")
//	got := c.Get(t, "echo", "/hello")
//
// It imports package handlers, so that tests of that one use it from package
// handlers_test only.
package handlertest
