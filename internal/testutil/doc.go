// Package testutil is what tests of several packages need: a discovery in
// memory, a caller of services over the real bus, and waiting without
// sleeping for luck. Only tests import it.
//
//	d := testutil.NewDiscovery()
//	testutil.Start(t, "echo", func(ctx context.Context) error {
//		return echo.Run(ctx, handlers.Options{Discovery: d})
//	})
//	c := testutil.NewCaller(t, d, "echo")
//	got := c.Get(t, "echo", "/hello")
//
// It imports package handlers, so that tests of that one use it from package
// handlers_test only.
package testutil
