package logging

import "fmt"

// The names of fields, so that one thing has one name in all lines.
const (
	Program   = "program"
	Instance  = "instance"
	Service   = "service"
	Role      = "role"
	Version   = "version"
	Addr      = "addr"     // where something listens or is reached
	Peer      = "peer"     // who is at the other end
	Upstream  = "upstream" // the instance that answered
	Link      = "link"
	RequestID = "request_id"
	// CorrelationID is the bus' id of a request, in hexadecimal (Correlation).
	CorrelationID = "correlation_id"
	Method        = "method"
	Host          = "host"
	Path          = "path"
	Route         = "route"
	Status        = "status"
	BytesIn       = "bytes_in"
	BytesOut      = "bytes_out"
	End           = "end" // how a request ended: ok, or why not
	Duration      = "duration_ms"
	Reason        = "reason"
	Revision      = "revision"
	Window        = "window"
	Count         = "count"
	Suppressed    = "suppressed"
	Attempt       = "attempt"
	Backoff       = "backoff_ms"
	Key           = "key"
	Topic         = "topic"
	File          = "file"
	Signal        = "signal"
	PID           = "pid"
	Stack         = "stack"
)

// Correlation is a correlation id as logs have it.
func Correlation(id uint64) string { return fmt.Sprintf("%016x", id) }
