package handlers_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"nanofront/handlers"
	"nanofront/handlers/handlertest"
	"nanofront/httpmsg"
	"nanofront/internal/testutil"
	"nanofront/nanobus"
)

// What a handler calls for a request follows its decision, whichever way it calls, and the decision
// goes on unchanged.
func TestDecision_CallsFollowIt(t *testing.T) {
	d := handlertest.NewDiscovery()
	for _, version := range []string{"6", "7"} {
		rt, err := handlers.New(handlers.Options{Service: "deep", Instance: "deep-" + version, Version: version, Discovery: d})
		if err != nil {
			t.Fatal(err)
		}
		testutil.Start(t, "deep "+version, func(ctx context.Context) error {
			return rt.Run(ctx, handlers.HandlerFunc(func(_ context.Context, req *handlers.Request, resp *handlers.Response) error {
				resp.Body = fmt.Appendf(resp.Body, "%s meant %s by %d, variant %q", version, req.Version, req.Revision(), req.Variant("e"))
				return nil
			}))
		})
	}
	var client *handlers.Client
	b := serve(t, handlers.Options{Discovery: d, Calls: []string{"deep"}}, handlers.HandlerFunc(func(ctx context.Context, req *handlers.Request, resp *handlers.Response) error {
		c := handlers.AcquireCall()
		defer c.Release()
		c.Request.Method, c.Request.Path = []byte("GET"), []byte("/")
		if err := client.Do(ctx, c); err != nil {
			return err
		}
		resp.Body = append(resp.Body, c.Response.Body...)
		return nil
	}))
	client = b.rt.Client("deep")
	testutil.Eventually(t, "both versions are linked", func() bool { return len(b.rt.Links()) == 2 && b.rt.Ready() == nil })
	for _, tc := range []struct {
		versions []string
		want     string
	}{
		{[]string{"7"}, `7 meant 7 by 9, variant "b"`},
		{[]string{"6", "7"}, `6 meant 6 by 9, variant "b"`},
		{[]string{"8", "7"}, `7 meant 8 by 9, variant "b"`},
		{[]string{"8"}, "unavailable"},
	} {
		decision := append(httpmsg.NewDecision(nil, 9).AppendVersions(1), httpmsg.VersionsOf("deep", tc.versions)...)
		decision = append(decision.AppendVariants(1), httpmsg.VariantOf("e", "b")...)
		for range 20 {
			call := nanobus.NewCall()
			if err := b.svc.Go(call, &httpmsg.Request{Method: []byte("GET"), Path: []byte("/"), Decision: decision}, testutil.Patience); err != nil {
				t.Fatal(err)
			}
			c := end(t, call).body
			if !strings.Contains(c, tc.want) {
				t.Fatalf("%v: got %q, want %q", tc.versions, c, tc.want)
			}
		}
	}
}
