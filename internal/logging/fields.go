package logging

import "fmt"

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
	TraceID   = "trace_id"
	// CorrelationID is the bus' id of a request, in hexadecimal (Correlation).
	CorrelationID = "correlation_id"
	Method        = "method"
	Host          = "host"
	Path          = "path"
	Route         = "route"
	Status        = "status"
	BytesIn       = "bytes_in"
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

// The access log's own fields. The names are OpenTelemetry's where it has one (semantic conventions
// 1.37); what is below "nanofront." it has none for. Times are in ms, to the µs.
const (
	AccessMethod   = "http.request.method"
	AccessPath     = "url.path" // without the query
	AccessStatus   = "http.response.status_code"
	AccessSize     = "http.response.body.size" // bytes that the system has taken
	AccessClient   = "client.address"
	AccessError    = "error.type" // what was wrong, of a request that wasn't answered by a handler
	AccessCause    = "nanofront.cause"
	AccessEnd      = "nanofront.end" // how the response ended: ok, or why not
	AccessRoute    = "nanofront.route"
	AccessService  = "nanofront.service"
	AccessInstance = "nanofront.instance" // who answered, and in which version
	AccessVersion  = "nanofront.version"
	AccessTries    = "nanofront.tries"
	AccessSlow     = "nanofront.slow"       // the line is there because of --log-slower-than
	AccessStands   = "nanofront.stands_for" // how many requests this line stands for

	AccessRead         = "nanofront.read_ms"
	AccessQueue        = "nanofront.queue_ms"
	AccessBusOut       = "nanofront.bus_out_ms"
	AccessHandlerQueue = "nanofront.handler_queue_ms"
	AccessHandler      = "nanofront.handler_ms"
	AccessBusBack      = "nanofront.bus_back_ms"
	AccessHeld         = "nanofront.held_ms"
	AccessWrite        = "nanofront.write_ms"
	AccessTotal        = "nanofront.total_ms"
)

// Correlation is a correlation id as logs have it.
func Correlation(id uint64) string { return fmt.Sprintf("%016x", id) }
