package logging

// The names of fields, so that one thing has one name in all lines.
const (
	Program   = "program"
	Instance  = "instance"
	Service   = "service"
	Role      = "role"
	Version   = "version"
	Addr      = "addr" // where something listens or is reached
	Peer      = "peer" // who is at the other end
	Link      = "link"
	RequestID = "request_id"
	// CorrelationID is the bus' id of a request, in hexadecimal.
	CorrelationID = "correlation_id"
	Method        = "method"
	Host          = "host"
	Path          = "path"
	Route         = "route"
	Status        = "status"
	BytesIn       = "bytes_in"
	BytesOut      = "bytes_out"
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
