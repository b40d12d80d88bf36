package metrics

// This file is the only place where names of metrics exist. One line each,
// grouped by the programs that report them; docs/metrics.md is generated from it
// (go generate ./metrics).

var (
	front   = []string{Terminator}
	backend = []string{Handler}
	onBus   = []string{Terminator, Handler}
	all     = []string{Terminator, Handler, Nanofront}
)

// The terminator: HTTP.
var (
	HTTPRequests             = counter("http.requests", "requests", "requests whose head was accepted", front)
	HTTPStatus               = counter("http.status.<class>", "responses", "responses sent, by class of status: 1xx, 2xx, 3xx, 4xx, 5xx", front).known("1xx", "2xx", "3xx", "4xx", "5xx")
	HTTPRefused              = counter("http.refused.<reason>", "requests", "requests refused before routing because their bytes are not acceptable HTTP, by reason", front)
	HTTPShed                 = counter("http.shed", "requests", "requests refused with 503 because the admission limit was reached", front)
	HTTPTurnedAway           = counter("http.turned_away", "requests", "requests refused with 503 before routing because the front itself has too much to do", front)
	HTTPLoopLag              = timer("http.loop_lag", "the time since an event loop last found all there was to read, while it is busy: for up to so long, what it reads now has waited in its socket", front)
	HTTPRetries              = counter("http.retries", "requests", "requests sent once more to another instance", front)
	HTTPRetryBudgetExhausted = counter("http.retry_budget_exhausted", "requests", "requests that were not sent once more because the retry budget was used up", front)
	HTTPTimeouts             = counter("http.timeouts", "requests", "requests answered with 504 because their deadline passed", front)
	HTTPCancelled            = counter("http.cancelled", "requests", "requests given up because the client had gone", front)
	HTTPNoInstance           = counter("http.no_instance", "requests", "requests answered with 503 because no instance of the service is alive", front)
	HTTPNoCredit             = counter("http.no_credit", "requests", "requests answered with 503 because every instance of the service has its whole window in flight", front)
	HTTPNotFound             = counter("http.not_found", "requests", "requests that no route matches", front)
	HTTPOptions              = counter("http.options", "requests", "requests OPTIONS * that the front answered itself", front)
	HTTPUpstreamErrors       = counter("http.upstream_errors", "requests", "requests answered with 502 or 500 because the handler or the link to it failed", front)
	HTTPInFlight             = gauge("http.in_flight", "requests", "requests admitted and not yet answered", front)
	HTTPLimit                = gauge("http.limit", "requests", "how many requests admission lets in at once in all, --max-in-flight", front)
	HTTPConnections          = gauge("http.connections", "connections", "open client connections", front)
	HTTPMemory               = gauge("http.memory", "bytes", "bytes held for slow clients, at most half of --client-memory: bodies being gathered, responses not yet taken", front)
	HTTPAccepted             = counter("http.accepted", "connections", "client connections accepted", front)
	HTTPInherited            = counter("http.inherited", "connections", "idle client connections that the terminator has taken over from its predecessor", front)
	HTTPBequeathed           = counter("http.bequeathed", "connections", "idle client connections that the terminator has passed to its successor", front)
	HTTPClosed               = counter("http.closed.<reason>", "connections", "client connections ended without a response, by reason: too_many, idle, write_timeout (the client acknowledged less than 64 KiB of its response in the write timeout), hand_over (between drivers, for want of a descriptor), no_memory (slow to take its response while the front, or its service or address, held as much as it may), linger_full (closed at once after its last response, as 1,024 connections wait for their clients to close); accept_error counts failed accepts", front)
	HTTPPaused               = counter("http.accept_paused.<reason>", "pauses", "times that new connections began to wait in the listening socket's backlog, by reason: memory (what is in use comes near to --client-memory; idle connections are closed meanwhile), lag (the event loops don't keep up; they wait until those do, for 100 ms at most)", front)
	HTTPHandedOver           = counter("http.handed_over.<reason>", "connections", "client connections that an event loop left to a goroutine of their own, by reason: request (not whole at the first look, larger than 64 KiB, chunked, Expect or HTTP/1.0), response (the client is slow to take it)", front)
	HTTPCameBack             = counter("http.came_back", "connections", "client connections that came back to their event loop when what was unusual was over", front)
	HTTPHeld                 = gauge("http.held", "requests", "requests that a handler holds, to answer later", front)
	HTTPHeldEnded            = counter("http.held_ended.<reason>", "requests", "held requests that have ended, by reason: answered (by the handler), timed_out, client_left, link_down (the handler, or the link to it, has gone), drained (the front ends); refused were not held, for want of room", front)
	HTTPBytesIn              = counter("http.bytes_in", "bytes", "bytes read from clients", front)
	AccessLogDropped         = counter("access_log.dropped", "lines", "lines of the access log dropped because its file (--access-log-file) was written too slowly or not at all; without a file they are among log.dropped", front)
	HTTPBytesOut             = counter("http.bytes_out", "bytes", "bytes written to clients", front)
)

// The terminator: the stages of a request. Their sum is stage.total.
var (
	StageRead         = timer("stage.read", "from the first byte of a request to its last", front)
	StageQueue        = timer("stage.queue", "from the complete request to its frame's place in the link's queue: routing, admission, choice of instance", front)
	StageBusOut       = timer("stage.bus_out", "from the link's queue to the handler's reader", front)
	StageHandlerQueue = timer("stage.handler_queue", "from the handler's reader to the start of its work", front)
	StageHandler      = timer("stage.handler", "the handler's work", front)
	StageBusBack      = timer("stage.bus_back", "from the end of the handler's work to the reply's arrival at the parked connection", front)
	StageHeld         = timer("stage.held", "a held request's wait, from the handler's hold to its answer or the timeout; stage.total leaves held requests out", front)
	StageWrite        = timer("stage.write", "from the reply's arrival to the last byte given to the client's socket", front)
	StageTotal        = timer("stage.total", "from the first byte of a request to the last byte of its response", front)
)

// The terminator: services behind it.
var (
	UpstreamRequests  = counter("upstream.<service>.requests", "requests", "requests sent to the service", front)
	UpstreamErrors    = counter("upstream.<service>.errors", "requests", "requests to the service that ended without its answer", front)
	UpstreamShed      = counter("upstream.<service>.shed", "requests", "requests to the service refused with 503 because its admission limit was reached; those of routes with a limit of their own among them", front)
	UpstreamInFlight  = gauge("upstream.<service>.in_flight", "requests", "requests to the service admitted and not yet answered; not those of routes with a limit of their own", front)
	UpstreamLimit     = gauge("upstream.<service>.limit", "requests", "how many requests to the service admission lets in at once at present", front)
	UpstreamLoad      = gauge("upstream.<service>.load", "level", "how much more there is for a service than it can do: 0 no more, 1 hardly, 2 at least a tenth was refused in the last window, 3 at least half", front)
	UpstreamLatency   = timer("upstream.<service>.latency", "from sending a request to the service to its answer", front)
	UpstreamDegraded  = gauge("upstream.degraded", "services", "routed services without a live instance that takes requests, whose requests get a 503", front)
	UpstreamMeasured  = counter("upstream.<service>.measured", "requests", "requests to the service that count for its goals: each that was answered or has failed; not those held or whose bodies travel in chunks, and not those whose client left before the largest goal", front)
	UpstreamFailed    = counter("upstream.<service>.failed", "requests", "of those, requests that failed: answered with a status from 500 on, by the service or the front", front)
	UpstreamWithin    = counter("upstream.<service>.within.<goal>", "requests", "of those, requests that did not fail, and were answered within the goal: from the whole request at the front to the answer there; within / measured is the share within the goal, over any time and any number of fronts", front)
	UpstreamInstances = gauge("upstream.<service>.instances", "instances", "live instances of the service with an open link", front)
)

// The terminator: routes, by their names; a route without one is named by what it matches.
var (
	RouteMeasured = counter("route.<route>.measured", "requests", "requests of the route that count for its goals, as upstream.<service>.measured does", front)
	RouteFailed   = counter("route.<route>.failed", "requests", "of those, requests that failed", front)
	RouteWithin   = counter("route.<route>.within.<goal>", "requests", "of those, requests that did not fail, and were answered within the goal", front)
	RouteRequests = counter("route.<route>.requests", "requests", "requests of the route that were responded to, by the front itself too", front)
	RouteLatency  = local(timer("route.<route>.latency", "from sending a request of the route to its service to the answer; at the admin port alone", front))
)

// The terminator: versions of services, by assignment, and variants of experiments.
var (
	VersionAssigned = counter("version.<service>.<version>.assigned", "requests", "requests that were given to the version, by its share, an experiment or X-Version; other: a version that the routes document doesn't name, asked for by X-Version", front)
	VersionServed   = counter("version.<service>.<version>.served", "requests", "requests that instances of the version answered, whichever they were given to; other: those of versions that the document doesn't name", front)
	VersionMoved    = counter("version.<service>.<version>.moved", "requests", "requests given to the version that went to another one, as nobody ran it", front)
	VersionFailed   = counter("version.<service>.<version>.failed", "requests", "requests given to the version that failed: answered with a status from 500 on, by whomever, broken off, or not answered in time", front)
	VersionRefused  = counter("version.<service>.<version>.refused", "requests", "requests given to the version that were refused with 503, as no instance could take them", front)
	VersionLatency  = timer("version.<service>.<version>.latency", "from a request given to the version, whole at the front, to its answer, or to its deadline; not of held ones, or those whose bodies travel in chunks", front)

	VariantAssigned = counter("experiment.<experiment>.<variant>.assigned", "requests", "requests that were given the variant", front)
	VariantFailed   = counter("experiment.<experiment>.<variant>.failed", "requests", "requests of the variant that failed, as in version.<service>.<version>.failed", front)
	VariantRefused  = counter("experiment.<experiment>.<variant>.refused", "requests", "requests of the variant that were refused with 503, as no instance could take them", front)
	VariantLatency  = timer("experiment.<experiment>.<variant>.latency", "from a request of the variant, whole at the front, to its answer, or to its deadline", front)

	RoutesRevision        = gauge("routes.revision", "revision", "etcd's revision of the routes document that requests are decided by", front)
	RoutesVersionsMissing = gauge("routes.versions_missing", "versions", "versions that the routes document names and nobody runs", front)
	RoutesKeyless         = counter("routes.keyless", "requests", "requests without the cookie or header field that their version is bound to: the client's address decided instead; once for each service", front)
	RoutesVersionAsked    = counter("routes.version_asked.<outcome>", "requests", "requests with X-Version, by outcome: granted, refused (from whom may not ask, given twice, or no version)", front).known("granted", "refused")
)

// The bus.
var (
	BusLinks         = gauge("bus.links", "links", "open links to peers", onBus)
	BusLinkOpened    = counter("bus.link.opened", "links", "links opened", onBus)
	BusLinkClosed    = counter("bus.link.closed.<reason>", "links", "links closed, by reason: peer (it has gone), write (it reads too slowly or not at all), silent, no_hello, no_proof, auth, malformed, flood, overrun, crowded, duplicate, removed", onBus).known("peer", "write", "silent", "no_hello", "no_proof", "auth", "malformed", "flood", "overrun", "crowded", "duplicate", "removed")
	BusLinkStalled   = counter("bus.link.stalled", "links", "links taken out of choice because the peer was silent with requests under way for longer than 200 ms and four times their p99, while others of its service spoke; the first message brings one back", onBus)
	BusLinkEjected   = counter("bus.link.ejected", "links", "instances whose share was cut to a hundredth because they failed, or were slow, beyond their peers; it grows back in steps", onBus)
	BusLinkRefused   = counter("bus.link.refused.<reason>", "connections", "connections that ended before they were links, by reason: not_sp, tls, handshake_timeout, handshake_broken, crowded, too_many", onBus).known("not_sp", "tls", "handshake_timeout", "handshake_broken", "crowded", "too_many")
	BusMessagesIn    = counter("bus.messages_in", "messages", "bus messages received; frames_in / messages_in is the mean batch", onBus)
	BusMessagesOut   = counter("bus.messages_out", "messages", "bus messages sent; frames_out / messages_out is the mean batch", onBus)
	BusFramesIn      = counter("bus.frames_in", "frames", "frames received", onBus)
	BusFramesOut     = counter("bus.frames_out", "frames", "frames sent", onBus)
	BusBytesIn       = counter("bus.bytes_in", "bytes", "bytes of bus messages received", onBus)
	BusBytesOut      = counter("bus.bytes_out", "bytes", "bytes of bus messages sent", onBus)
	BusCalls         = counter("bus.calls", "calls", "requests put on the bus that expect a reply", onBus)
	BusKeyed         = counter("bus.keyed", "calls", "calls sent to an instance chosen by their key", onBus)
	BusKeyMoved      = counter("bus.key_moved", "calls", "of those, calls that went elsewhere because their key's instance was over its bounded load or without credit, or had just failed", onBus)
	BusCopies        = counter("bus.copies.<why>", "calls", "calls whose request was sent to a second instance too, as the first was slow (took longer than nearly all lately) or stalled", onBus).known("slow", "stalled")
	BusCopiesWon     = counter("bus.copies_won", "calls", "of those, calls that the second instance answered first", onBus)
	BusCopiesLeftOut = counter("bus.copies_left_out", "calls", "copies that were not sent, as the budget was used up or the service refused requests", onBus)
	BusDropped       = counter("bus.dropped.<reason>", "frames", "frames or messages dropped, by reason: late, stray, malformed, unknown_kind, over_window, link_down, no_handler, event_overflow, tap_overflow, oversized, over_bodies, over_held, payload (it could not be encoded)", onBus)
	BusCancelsIn     = counter("bus.cancels_in", "frames", "cancels received", onBus)
	BusCancelsOut    = counter("bus.cancels_out", "frames", "cancels sent", onBus)
	BusExpired       = counter("bus.expired", "calls", "calls whose deadline passed before the reply came", onBus)
	BusEventsIn      = counter("bus.events_in", "events", "events received", onBus)
	BusEventsOut     = counter("bus.events_out", "events", "events sent, once for each link", onBus)
	BusTaps          = gauge("bus.taps", "taps", "peers that listen in (nanofront bus tap)", onBus)
	BusTapCopies     = counter("bus.tap_copies", "frames", "copies of frames sent to taps", onBus)
	BusSlotsInUse    = gauge("bus.slots_in_use", "slots", "slots of the correlation table that wait for a reply", onBus)
)

// Tracing.
var (
	TraceSpans      = counter("trace.spans", "spans", "spans to be exported, because their trace is sampled, or was kept; trace.exported and trace.dropped add up to as many, but for those on their way", onBus)
	TraceExported   = counter("trace.exported", "spans", "spans that the collector has taken", onBus)
	TraceDropped    = counter("trace.dropped.<reason>", "spans", "spans that were not exported, by reason: queue_full (the collector is slow, or away), failed (it took none of a batch within 15 s), refused (by the collector), shutdown (the process ended)", onBus)
	TraceSampled    = counter("trace.sampled", "traces", "requests sampled at the head, by --trace-sample or by a trusted proxy", front)
	TraceKept       = counter("trace.kept.<why>", "traces", "requests whose trace was kept after they were over, by why: slow, failed (both at the front), asked (at a handler, which had a part in it)", onBus)
	TraceNotKept    = counter("trace.not_kept.<reason>", "traces", "requests whose trace ought to have been kept, by reason: limited (500 a second are), queue_full", onBus)
	TraceIncomplete = counter("trace.incomplete", "traces", "traces that were kept of which a part is known to be missing: a handler's ring (--trace-ring) was too small, or the handler has gone", onBus)
)

// Handlers: the runtime.
var (
	HandlerRequests         = counter("requests", "requests", "requests received", backend)
	HandlerResponses        = counter("responses.<class>", "responses", "responses given, by class of status: 1xx, 2xx, 3xx, 4xx, 5xx", backend).known("1xx", "2xx", "3xx", "4xx", "5xx")
	HandlerPanics           = counter("panics", "requests", "requests whose handler panicked; answered with 500", backend)
	HandlerErrors           = counter("errors", "requests", "requests whose handler returned an error", backend)
	HandlerExpired          = counter("expired", "requests", "requests whose deadline passed before they were answered; most were never begun", backend)
	HandlerWaited           = counter("calls_waited", "calls", "calls of another service that waited for an instance to come back, or were made once more because the link broke", backend)
	HandlerBatches          = counter("batches", "batches", "batches given to the handler; requests / batches is the mean batch", backend)
	HandlerHeld             = counter("held", "requests", "requests that the handler has held, to answer later", backend)
	HandlerHeldNow          = gauge("held_now", "requests", "requests that are held at present", backend)
	HandlerWritesRepeated   = counter("writes_repeated.<how>", "requests", "writes with an Idempotency-Key that had come before, by how they were answered: replayed (as the first was), conflict (409: its answer isn't known, or too many wait), mismatched (422: with another payload); full and failed are new ones that could not be remembered (503)", backend)
	HandlerWritesRemembered = gauge("writes_remembered", "requests", "writes with an Idempotency-Key that the process remembers", backend)
	HandlerInFlight         = gauge("in_flight", "requests", "requests received and not yet answered", backend)
	HandlerQueue            = timer("queue", "a request's wait for a worker", backend)
	HandlerServiceTime      = timer("service_time", "the handler's work on a request", backend)
)

// Handlers: the profile role's store.
var (
	StoreReads      = counter("store.reads", "records", "records read", backend)
	StoreWrites     = counter("store.writes", "records", "records written", backend)
	StoreConflicts  = counter("store.conflicts", "records", "writes refused because their version was stale", backend)
	StoreNotFound   = counter("store.not_found", "records", "reads of records that do not exist", backend)
	StoreUnreadable = counter("store.unreadable", "requests", "requests answered with 500 because what they ask for is damaged in the store, or the disk does not give it", backend)
	StoreDamaged    = counter("store.damaged", "reads", "reads of a block or file, by requests or in the background, that found it damaged", backend)
	StoreReadTime   = timer("store.read_time", "one read, of one record or of a batch", backend)
	StoreWriteTime  = timer("store.write_time", "one write, until it is durable", backend)
)

// Handlers: the web role's events.
var (
	EventsPublished = counter("events.published", "events", "events published", backend)
	EventsReceived  = counter("events.received", "events", "events received from other instances", backend)
)

// Handlers: toggles.
var (
	Exposures          = counter("exposures.<toggle>.<variant>", "evaluations", "evaluations that gave the variant of the toggle", backend)
	TogglesErrors      = counter("toggles.errors.<reason>", "evaluations", "evaluations that gave the caller's default, by reason: not_ready (nothing is known of toggles yet), not_found, wrong_type, rule (it is not valid, or fails), no_variant (the rule names none that exists); no_key gave the toggle's default, as a share had nobody to hash", backend).known("not_ready", "not_found", "wrong_type", "rule", "no_variant", "no_key")
	TogglesLoaded      = gauge("toggles.loaded", "toggles", "toggles in force", backend)
	TogglesFaults      = gauge("toggles.faults", "toggles", "toggles whose last definition is not valid; the one before is in force, if there is one", backend)
	TogglesRevision    = gauge("toggles.revision", "revision", "etcd's revision of the last change of toggles that is in force", backend)
	TogglesStale       = gauge("toggles.stale", "0 or 1", "1 while toggles are those last known, because etcd doesn't answer", backend)
	TogglesOffRevision = counter("toggles.off_revision.<reason>", "requests", "requests whose toggles were not those of the revision that was meant for them, by reason: late (it had not come after 100 ms), gone (it is no longer kept)", backend).known("late", "gone")
	TogglesUnsaved     = counter("toggles.unsaved", "files", "times that --last-known could not be written", backend)
)

// Discovery.
var (
	EtcdConnected         = gauge("etcd.connected", "0 or 1", "1 while etcd answers", all)
	EtcdWatchResyncs      = counter("etcd.watch.resyncs", "resyncs", "times that the watch was set up anew by reading everything again", all)
	EtcdRegistrationsLost = counter("etcd.registrations.lost", "leases", "times that the lease of a registration was lost and had to be made anew", all)
	EtcdInstancesInvalid  = counter("etcd.instances.invalid", "records", "instance records ignored because they are not valid", all)
	EtcdRoutesRejected    = counter("etcd.routes.rejected", "documents", "routes documents not put in force because they are not valid", all)
	StaticRejected        = counter("static.rejected", "tables", "changes of the static table (--static) not put in force because the file is not valid or can't be read", all)
	LastKnownAge          = gauge("etcd.last_known.age", "s", "age of the last known instances and routes (--last-known), while they are used because etcd has not answered since the start; else 0", front)
	LastKnownFailed       = counter("etcd.last_known.failed", "files", "times that --last-known could not be written", front)
	EtcdRoutesRevision    = gauge("etcd.routes.revision", "revision", "etcd's revision of the routes document in force", all)
)

// Every process.
var (
	ProcessGoroutines = gauge("process.goroutines", "goroutines", "live goroutines", all)
	ProcessHeapBytes  = gauge("process.heap_bytes", "bytes", "bytes of heap objects, live or not yet swept", all)
	ProcessGCPause    = gauge("process.gc_pause", "ms", "longest pause of the garbage collector that ended in the last 10 s", all)
	ProcessCPUSeconds = gauge("process.cpu_seconds", "s", "CPU time used since the start, user and system", all)
	StatsdSent        = counter("statsd.sent", "lines", "StatsD lines sent and not refused; counted an interval later", all)
	StatsdFailed      = counter("statsd.failed", "lines", "StatsD lines lost because the address does not resolve, or because the socket or the server's machine refuses them", all)
	LogDropped        = counter("log.dropped", "lines", "log lines dropped because the log's writer was behind, or because they could not be written: nobody reads standard error any more, or the disk is full", all)
	MetricsOverflow   = counter("metrics.overflow", "series", "requests for a series beyond the 1,000 of a metric, or the 20,000 of a process, given the shared series \"other\"", all)
)

// All processes together, as nanofront dash --statsd-merged reports them.
var (
	together = []string{System}

	ServiceP50    = gauge("service.<service>.latency.p50", "ms", "median of the latency of all requests to the service, at all terminators together; of a service without routes, of the work of all its instances. As for timers: of the last flush and two reports", together)
	ServiceP99    = gauge("service.<service>.latency.p99", "ms", "99th percentile of the same", together)
	ServiceMax    = gauge("service.<service>.latency.max", "ms", "longest of the same", together)
	ServiceWithin = gauge("service.<service>.within.<goal>", "share", "share of requests within the goal, 0 to 1, at all terminators together: upstream.<service>.within.<goal> / upstream.<service>.measured, of the same time", together)
	ServiceHeard  = gauge("service.<service>.heard", "processes", "processes that these figures are of: terminators, or instances of a service without routes", together)
	ServiceKnown  = gauge("service.<service>.known", "processes", "processes that they ought to be of: where heard / known is below --statsd-merged-least, there are no figures", together)
	ServiceAge    = gauge("service.<service>.age", "s", "age of the oldest answer of a process that these figures are of", together)

	MergedWriter   = gauge("statsd.merged_writer", "0 or 1", "1 while this process sends the figures of all processes together (--statsd-merged)", []string{Nanofront})
	MergedWithheld = counter("statsd.merged_withheld.<reason>", "services", "services, once a second, whose figures of all processes together were not to be sent, by reason: coverage (too few of their processes were heard)", []string{Nanofront}).known("coverage")
)
