// Package page is the live page: one HTML file with all that it needs in it, and what it asks for.
//
//	h := page.New(page.Options{Collector: c})
//
//	GET /          the page
//	GET /stream    a view each second, as Server-Sent Events, with what came before it since ?after=
//	GET /since     the same, once
//	GET /day       the last day, by the minute
//	GET /at        what was known of services at ?t=, in s since 1970
//	GET /view.json the view alone, for scripts
//	GET /healthz   200 "ok"
//
// Nothing can be changed here. With a token, which requests carry in their Authorization field and
// never in an address, all but the page itself, which has no figures in it, is for those who know
// it.
package page
