// Package admin is the HTTP server on each program's admin port: health,
// readiness, metrics, profiles.
//
//	srv, err := admin.Start("127.0.0.1:8081", admin.Options{Metrics: set, Ready: ready, Logger: log})
//	...
//	defer srv.Close()
//	srv.Handle("/routes", routesHandler)
//
//	GET /             lists what there is
//	GET /livez        200 "ok", or 503 if what the program does doesn't go on
//	GET /healthz      200 "ok" as long as the process answers
//	GET /readyz       200 "ok", or 503 with a line for each reason why not; then what is degraded
//	GET /metrics.json see package metrics
//	GET /debug/pprof/ see net/http/pprof
//
// Requests must call the port by one of its names, and none changes anything by GET: see [Guard].
//
// Pitfall: there is no authentication. Anyone who reaches the port can read profiles, so
// it belongs on the loopback address or in a network of its own; Start warns if
// it is bound otherwise.
package admin
