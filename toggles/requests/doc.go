// Package requests decides toggles for the requests of a handler: with what the request is (client,
// cookies, header, version and experiments), and on the revision on which the front has decided
// about it, so that all handlers that it comes to see the same.
//
//	t, err := requests.Open(options, "cookie:session") // in front of handlers.New
//	defer t.Close()
//	err = rt.Run(ctx, t.Handler(h))
//	...
//	if toggles.From(ctx).Bool("new-look", false) { // in h
//
// A handler that takes batches asks t.For or, where it must not wait, t.Now for each exchange.
// toggles/openfeature has the same for OpenFeature's client.
//
// # What rules can ask about
//
//	targetingKey         what Open names: a cookie, a header field or the client's address
//	client               the client's IP address
//	method scheme host path query
//	header.NAME          the first field of that name, in lower case
//	cookie.NAME          a cookie
//	service version      this handler's service, and the version of it that is meant
//	experiment.NAME      the request's variant of an experiment
package requests
