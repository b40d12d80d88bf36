// Package profile is the role that keeps the members' records: it reads them
// from a store and writes them to it, with a version each.
//
//	GET /profile/{id}          the member's document
//	PUT /profile/{id}          change it; If-Match with the version is required
//	GET /ids?city=…&limit=…    ids of members in a city, ascending
//
// The document is JSON as the store has it. With it come the headers etag (the
// version in quotes), x-last-seen (Unix seconds) and x-city (percent-encoded
// as for a query), so that a page can be built without parsing it.
//
// All reads that have gathered go to the [Store] as one. Writes run beside
// them and are durable when they are acknowledged.
//
//	err := profile.Run(ctx, handlers.Options{Discovery: d}, profile.Options{
//		Data: "data/profile", Seed: 100_000,
//	})
//
// # Statuses
//
//	400  the id, the body or a field is not acceptable; the text says which
//	404  there is no such member
//	405  the method is not one of those above
//	412  If-Match names a version that is not the current one
//	413  the body is longer than MaxBody
//	428  If-Match is missing
//	500  what the store has is damaged, or its disk does not give it
//
// # Pitfalls
//
// A PebbleStore's directory belongs to one process at a time. What a Store
// passes to the callback of Read is valid during that call only.
package profile
