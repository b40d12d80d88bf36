// Package web is the role that browsers see: it composes pages and documents
// from other services' data and its own.
//
//	GET /                       what you are looking at, and links to try
//	GET /profile/{id}           a member, as JSON, or as a page by Accept
//	PUT /profile/{id}           change a member; If-Match as at profile
//	GET /members?city=&limit=   members in a city (limit 1..100), JSON or a page
//	GET /photo/{id}.svg         a picture for a member
//	GET /events                 the changes that this instance has heard of, JSON or a page
//	GET /favicon.ico            nothing, with 204
//
// The JSON of a member is
//
//	{"member":{…},"links":{"self":…,"photo":…,"city":…},"seen":"3 hours ago"}
//
// where member is the document of service profile as it came: it is spliced
// in, not parsed. The etag is the member's version, with -h behind it for the
// page; either may be sent back in If-Match.
//
// A change is published as event [Topic] with the payload
// {"id":42,"version":8,"from":"web-1"}; every instance keeps the last 100.
//
// It is a handlers.BatchHandler that never waits: it runs on the goroutine that reads the link,
// starts calls, and finishes each exchange when they end. Anything that takes longer than a few
// microseconds, such as a page, gets a goroutine.
//
//	err := web.Run(ctx, handlers.Options{Discovery: d})
//
// # Statuses
//
// Errors are JSON, or pages by Accept. Those of profile are passed on. 503: no instance of it takes
// the request; 504: it doesn't answer in time; 502: the connection to it breaks.
package web
