// Package openfeature is the provider of nanofront's toggles for OpenFeature's Go SDK.
//
//	t, err := requests.Open(options, "cookie:session")
//	err = openfeature.SetProviderAndWait(provider.New(t.Store)) // provider: this package
//	client := openfeature.NewClient("web")
//	...
//	look := client.String(ctx, "look", "plain", openfeature.EvaluationContext{}) // in a handler
//
// With the context of a request that requests.Toggles.Handler has passed on (toggles.From finds its
// toggles there), rules see the request, and all evaluations are on its revision; what the
// evaluation's own context says goes before. Without, they see that context alone, on the present
// revision.
package openfeature
