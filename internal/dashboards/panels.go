package dashboards

import m "nanofront/metrics"

// Sections returns the dashboards, in the order in which one looks at them.
func Sections() []Section {
	return []Section{overview(), service(), release(), bus(), processes()}
}

// sum is a line for a metric, of all processes.
func sum(d *m.Desc, legend string) Query { return Query{Metric: d, Legend: legend} }

// by is a line for each value of a placeholder.
func by(d *m.Desc, placeholder string) Query { return Query{Metric: d, By: placeholder} }

// part is a percentile of a timer.
func part(d *m.Desc, p, legend string) Query { return Query{Metric: d, Part: p, Legend: legend} }

// partBy is a percentile for each value of a placeholder.
func partBy(d *m.Desc, p, placeholder string) Query {
	return Query{Metric: d, Part: p, By: placeholder}
}

// share is a metric in percent of another.
func share(d, of *m.Desc, legend string) Query { return Query{Metric: d, Of: of, Legend: legend} }

func overview() Section {
	return Section{
		ID: "overview", Title: "Overview", About: "Are users hurt, how many, since when, and where?",
		Panels: []Panel{
			{Title: "Requests", Unit: PerSecond, Help: "What clients ask, and what they get.", Queries: []Query{
				sum(m.HTTPRequests, "requests"), by(m.HTTPStatus, "class"),
			}},
			{Title: "Latency", Unit: Millis, Help: "From a request's first byte to the last of its response; of several fronts the worst.", Queries: []Query{
				part(m.StageTotal, "p50", "p50"), part(m.StageTotal, "p99", "p99"), part(m.StageTotal, "p999", "p99.9"), part(m.StageTotal, "max", "max"),
			}},
			{Title: "Within goals", Unit: Percent, Help: "Share of requests within each goal, of all services that have the goals of the document.", Queries: []Query{
				{Metric: m.UpstreamWithin, Of: m.UpstreamMeasured, By: "goal"},
			}},
			{Title: "Failed", Unit: Percent, Help: "Share of requests with a status from 500 on, by the services or the front.", Queries: []Query{
				share(m.UpstreamFailed, m.UpstreamMeasured, "failed"),
			}},
			{Title: "Latency by service", Unit: Millis, Help: "p99 from sending a request to the service to its answer.", Queries: []Query{
				partBy(m.UpstreamLatency, "p99", "service"),
			}},
			{Title: "Failed by service", Unit: PerSecond, Help: "Which service fails.", Queries: []Query{by(m.UpstreamFailed, "service")}},
			{Title: "Requests by service", Unit: PerSecond, Help: "Who is asked.", Queries: []Query{by(m.UpstreamRequests, "service")}},
			{Title: "Stages", Unit: Millis, Stacked: true, Help: "Median of each stage of a request. Medians don't add up exactly; the stage that grows is the one to look at.", Queries: []Query{
				part(m.StageRead, "p50", "read"), part(m.StageQueue, "p50", "queue"), part(m.StageBusOut, "p50", "bus out"),
				part(m.StageHandlerQueue, "p50", "handler queue"), part(m.StageHandler, "p50", "handler"),
				part(m.StageBusBack, "p50", "bus back"), part(m.StageWrite, "p50", "write"),
			}},
			{Title: "Stages of the slow ones", Unit: Millis, Help: "p99 of each stage: which one makes the tail.", Queries: []Query{
				part(m.StageRead, "p99", "read"), part(m.StageQueue, "p99", "queue"), part(m.StageBusOut, "p99", "bus out"),
				part(m.StageHandlerQueue, "p99", "handler queue"), part(m.StageHandler, "p99", "handler"),
				part(m.StageBusBack, "p99", "bus back"), part(m.StageWrite, "p99", "write"),
			}},
			{Title: "In flight", Unit: Count, Help: "Requests admitted and not yet answered, and the limit.", Queries: []Query{
				sum(m.HTTPInFlight, "in flight"), sum(m.HTTPLimit, "limit"), sum(m.HTTPHeld, "held"),
			}},
			{Title: "Turned down", Unit: PerSecond, Help: "Requests that got a 503 or 504 from the front, by cause.", Queries: []Query{
				sum(m.HTTPShed, "shed"), sum(m.HTTPTurnedAway, "front too busy"), sum(m.HTTPNoInstance, "no instance"), sum(m.HTTPNoCredit, "no credit"),
				sum(m.HTTPTimeouts, "timed out"), sum(m.HTTPUpstreamErrors, "upstream errors"),
			}},
			{Title: "Clients' mistakes", Unit: PerSecond, Help: "Requests that are not acceptable, lead nowhere, or were given up.", Queries: []Query{
				by(m.HTTPRefused, "reason"), sum(m.HTTPNotFound, "not found"), sum(m.HTTPCancelled, "client gone"), sum(m.HTTPOptions, "OPTIONS *"),
			}},
			{Title: "Once more", Unit: PerSecond, Help: "Requests sent to a second instance, and those for which the budget didn't suffice.", Queries: []Query{
				sum(m.HTTPRetries, "retries"), sum(m.HTTPRetryBudgetExhausted, "no budget"), by(m.BusCopies, "why"),
				sum(m.BusCopiesWon, "the copy was first"), sum(m.BusCopiesLeftOut, "copies left out"),
			}},
			{Title: "Connections", Unit: Count, Help: "Open client connections.", Queries: []Query{sum(m.HTTPConnections, "open")}},
			{Title: "Services without an instance", Unit: Count, Help: "Each is a service whose requests get a 503.", Queries: []Query{{Metric: m.UpstreamDegraded, Worst: true, Legend: "degraded"}}},
			{Title: "Routes", Unit: Count, Help: "The routes' revision: a step is a change.", Queries: []Query{{Metric: m.EtcdRoutesRevision, Worst: true, Legend: "revision"}}},
		},
	}
}

func service() Section {
	return Section{
		ID: "service", Title: "One service", PerService: true, About: "How does one service do, against its goals?",
		Panels: []Panel{
			{Title: "Requests", Unit: PerSecond, Help: "Sent to the service, without an answer of its own, and refused for its limit.", Queries: []Query{
				sum(m.UpstreamRequests, "requests"), sum(m.UpstreamErrors, "no answer"), sum(m.UpstreamShed, "shed"), sum(m.UpstreamFailed, "failed"),
			}},
			{Title: "Within goals", Unit: Percent, Help: "Share of its requests within each goal; exact over any number of fronts.", Queries: []Query{
				{Metric: m.UpstreamWithin, Of: m.UpstreamMeasured, By: "goal"},
			}},
			{Title: "Failed", Unit: Percent, Help: "Share of its requests with a status from 500 on.", Queries: []Query{share(m.UpstreamFailed, m.UpstreamMeasured, "failed")}},
			{Title: "Latency", Unit: Millis, Help: "From sending a request to its answer; of several fronts the worst.", Queries: []Query{
				part(m.UpstreamLatency, "p50", "p50"), part(m.UpstreamLatency, "p90", "p90"), part(m.UpstreamLatency, "p99", "p99"),
				part(m.UpstreamLatency, "p999", "p99.9"), part(m.UpstreamLatency, "max", "max"),
			}},
			{Title: "In flight", Unit: Count, Help: "Admitted and not yet answered, and how many may be.", Queries: []Query{
				sum(m.UpstreamInFlight, "in flight"), sum(m.UpstreamLimit, "limit"),
			}},
			{Title: "Load", Unit: Count, Help: "How much more there is for the service than it can do, by the front that has most: 0 no more, 1 hardly, 2 at least a tenth was refused, 3 at least half.", Queries: []Query{{Metric: m.UpstreamLoad, Worst: true, Legend: "load"}}},
			{Title: "Instances", Unit: Count, Help: "Live instances that a front sees; the largest number of all fronts.", Queries: []Query{{Metric: m.UpstreamInstances, Worst: true, Legend: "live"}}},
			{Title: "Routes", Unit: PerSecond, Help: "Requests of each route, of all services.", Queries: []Query{by(m.RouteRequests, "route")}},
			{Title: "Routes: failed", Unit: PerSecond, Help: "Failed requests of each route, of all services.", Queries: []Query{by(m.RouteFailed, "route")}},
			{Title: "Routes: measured", Unit: PerSecond, Help: "Requests of each route that count for its goals, of all services.", Queries: []Query{by(m.RouteMeasured, "route")}},
			{Title: "Routes: within goals", Unit: PerSecond, Help: "Requests of all routes within each goal.", Queries: []Query{by(m.RouteWithin, "goal")}},
		},
	}
}

// ofRelease narrows what Prometheus has to the release that is looked at.
const ofRelease = `{system=~"$system", role=~"$role", version=~"$version"}`

func release() Section {
	return Section{
		ID: "release", Title: "One release", About: "Does the new do worse than the old? Each instance is a line.",
		Panels: []Panel{
			{Title: "Requests", Unit: PerSecond, Help: "What each instance gets.", Queries: []Query{by(m.HandlerRequests, Instance)}},
			{Title: "Work", Unit: Millis, Help: "p99 of the handler's work on a request.", Queries: []Query{partBy(m.HandlerServiceTime, "p99", Instance)}},
			{Title: "Wait for a worker", Unit: Millis, Help: "p99 of a request's wait.", Queries: []Query{partBy(m.HandlerQueue, "p99", Instance)}},
			{Title: "Status 5xx", Unit: PerSecond, Help: "Responses with a status from 500 on.", Queries: []Query{
				{Metric: m.HandlerResponses, By: Instance, Fixed: map[string]string{"class": "5xx"}},
			}},
			{Title: "Responses", Unit: PerSecond, Help: "By class of status.", Queries: []Query{by(m.HandlerResponses, "class")}},
			{Title: "Errors and panics", Unit: PerSecond, Help: "What the handler's code returned or panicked with, and what it got too late.", Queries: []Query{
				by(m.HandlerErrors, Instance), by(m.HandlerPanics, Instance), sum(m.HandlerExpired, "expired"),
			}},
			{Title: "In flight", Unit: Count, Help: "Requests that each instance has.", Queries: []Query{by(m.HandlerInFlight, Instance)}},
			{Title: "Requests by version", Unit: PerSecond, Help: "What the instances of each version get.", Queries: []Query{
				{By: "version", PromQL: `sum by (version) (rate(nanofront_handler_requests_total` + ofRelease + `[$__rate_interval]))`},
			}},
			{Title: "Failures by version", Unit: Percent, Help: "Share of the responses of each version with a status from 500 on.", Queries: []Query{
				{By: "version", PromQL: `100 * sum by (version) (rate(nanofront_handler_responses_total{class="5xx", ` + ofRelease[1:] + `[$__rate_interval])) / (sum by (version) (rate(nanofront_handler_responses_total` + ofRelease + `[$__rate_interval])) > 0)`},
			}},
			{Title: "Work by version", Unit: Seconds, Help: "p99 of the handler's work on a request, of all instances of a version.", Queries: []Query{
				{By: "version", PromQL: `histogram_quantile(0.99, sum by (le, version) (rate(nanofront_handler_service_time_seconds_bucket` + ofRelease + `[$__rate_interval])))`},
			}},
			{Title: "Instances by version", Unit: Count, Help: "That Prometheus reaches.", Queries: []Query{
				{By: "version", PromQL: `count by (version) (up` + ofRelease + ` == 1)`},
			}},
			{Title: "Batches", Unit: PerSecond, Help: "Requests divided by batches is the mean batch.", Queries: []Query{sum(m.HandlerRequests, "requests"), sum(m.HandlerBatches, "batches")}},
			{Title: "Held", Unit: Count, Help: "Requests that are held, to be answered later.", Queries: []Query{by(m.HandlerHeldNow, Instance)}},
			{Title: "Held, and how that ends", Unit: PerSecond, Help: "At the handlers and at the fronts.", Queries: []Query{sum(m.HandlerHeld, "held"), by(m.HTTPHeldEnded, "reason")}},
			{Title: "Writes known again", Unit: PerSecond, Help: "Writes that came a second time.", Queries: []Query{by(m.HandlerWritesRepeated, "how")}},
			{Title: "Instances ejected", Unit: PerSecond, Help: "Instances that do worse than their peers.", Queries: []Query{sum(m.BusLinkEjected, "ejected"), sum(m.BusLinkStalled, "stalled")}},
			{Title: "Store", Unit: PerSecond, Help: "Records of the profile role.", Queries: []Query{
				sum(m.StoreReads, "reads"), sum(m.StoreWrites, "writes"), sum(m.StoreConflicts, "conflicts"), sum(m.StoreNotFound, "not found"),
				sum(m.StoreDamaged, "damaged"), sum(m.StoreUnreadable, "unreadable"),
			}},
			{Title: "Store: time", Unit: Millis, Help: "p99 of one read, and of one write until it is durable.", Queries: []Query{
				part(m.StoreReadTime, "p99", "read"), part(m.StoreWriteTime, "p99", "write"),
			}},
			{Title: "Events of the web role", Unit: PerSecond, Help: "Published, and received from other instances.", Queries: []Query{
				sum(m.EventsPublished, "published"), sum(m.EventsReceived, "received"),
			}},
			{Title: "Toggles", Unit: Count, Help: "The revision of the last change that is in force, in the process that is furthest: a step is a change; and how many toggles there are.", Queries: []Query{
				{Metric: m.TogglesRevision, Worst: true, Legend: "revision"}, {Metric: m.TogglesLoaded, Worst: true, Legend: "toggles"},
			}},
			{Title: "Toggles not as they should be", Unit: Count, Help: "Definitions that aren't valid, of which the one before is in force; and 1 while a process has those last known, as etcd doesn't answer it.", Queries: []Query{
				{Metric: m.TogglesFaults, Worst: true, Legend: "not valid"}, {Metric: m.TogglesStale, Worst: true, Legend: "stale"},
			}},
			{Title: "Evaluations in vain", Unit: PerSecond, Help: "Toggles that gave a default for a reason that somebody should know, and requests that were not decided on their revision.", Queries: []Query{
				by(m.TogglesErrors, "reason"), by(m.TogglesOffRevision, "reason"), sum(m.TogglesUnsaved, "last known not written"),
			}},
			{Title: "Variants", Unit: PerSecond, Help: "Who saw which: evaluations by the variant that they gave, of all toggles.", Queries: []Query{by(m.Exposures, "variant")}},
		},
	}
}

func bus() Section {
	return Section{
		ID: "bus", Title: "The bus", About: "Do messages flow, and is anything dropped?",
		Panels: []Panel{
			{Title: "Frames", Unit: PerSecond, Help: "Frames in messages; their quotient is the mean batch.", Queries: []Query{
				sum(m.BusFramesIn, "frames in"), sum(m.BusFramesOut, "frames out"), sum(m.BusMessagesIn, "messages in"), sum(m.BusMessagesOut, "messages out"),
			}},
			{Title: "Bytes", Unit: BytesRate, Help: "Of bus messages.", Queries: []Query{sum(m.BusBytesIn, "in"), sum(m.BusBytesOut, "out")}},
			{Title: "Dropped", Unit: PerSecond, Help: "Should be none but late ones, after a cancel.", Queries: []Query{by(m.BusDropped, "reason")}},
			{Title: "Calls", Unit: PerSecond, Help: "Calls that expect a reply, and those by key.", Queries: []Query{
				sum(m.BusCalls, "calls"), sum(m.BusKeyed, "by key"), sum(m.BusKeyMoved, "key moved"), sum(m.HandlerWaited, "waited"),
			}},
			{Title: "Given up", Unit: PerSecond, Help: "Cancels, and deadlines that passed.", Queries: []Query{
				sum(m.BusCancelsIn, "cancels in"), sum(m.BusCancelsOut, "cancels out"), sum(m.BusExpired, "expired"),
			}},
			{Title: "Links", Unit: Count, Help: "Open links, of all processes.", Queries: []Query{by(m.BusLinks, Instance)}},
			{Title: "Links come and go", Unit: PerSecond, Help: "Opened, closed by reason, refused by reason.", Queries: []Query{
				sum(m.BusLinkOpened, "opened"), by(m.BusLinkClosed, "reason"), by(m.BusLinkRefused, "reason"),
			}},
			{Title: "Slots", Unit: Count, Help: "Calls that wait for a reply.", Queries: []Query{sum(m.BusSlotsInUse, "in use")}},
			{Title: "Events", Unit: PerSecond, Help: "Without a reply.", Queries: []Query{sum(m.BusEventsIn, "in"), sum(m.BusEventsOut, "out")}},
			{Title: "Taps", Unit: Count, Help: "Who listens in.", Queries: []Query{sum(m.BusTaps, "taps")}},
			{Title: "Copies for taps", Unit: PerSecond, Help: "What they cost.", Queries: []Query{sum(m.BusTapCopies, "copies")}},
		},
	}
}

func processes() Section {
	return Section{
		ID: "processes", Title: "Processes", About: "Is a process short of something, and do we hear all of them?",
		Panels: []Panel{
			{Title: "Processes that answer", Unit: Count, Help: "1 for each process that Prometheus reaches.", Queries: []Query{
				{By: Instance, PromQL: `up{system=~"$system"}`},
			}},
			{Title: "Open files", Unit: Percent, Help: "Open descriptors, in percent of the limit.", Queries: []Query{
				{By: Instance, PromQL: `100 * process_open_fds{system=~"$system"} / process_max_fds{system=~"$system"}`},
			}},
			{Title: "CPU", Unit: Cores, Help: "Of each process.", Queries: []Query{{Metric: m.ProcessCPUSeconds, By: Instance, Rate: true}}},
			{Title: "Heap", Unit: Bytes, Help: "Objects, live or not yet swept.", Queries: []Query{by(m.ProcessHeapBytes, Instance)}},
			{Title: "Goroutines", Unit: Count, Help: "A line that only climbs is a leak.", Queries: []Query{by(m.ProcessGoroutines, Instance)}},
			{Title: "Longest pause", Unit: Millis, Help: "Of the garbage collector, in the last 10 s.", Queries: []Query{{Metric: m.ProcessGCPause, By: Instance, Worst: true}}},
			{Title: "Fronts: loop lag", Unit: Millis, Help: "p99 and maximum of how late the event loops come; beyond 10 ms the front is the bottleneck.", Queries: []Query{
				part(m.HTTPLoopLag, "p99", "p99"), part(m.HTTPLoopLag, "max", "max"),
			}},
			{Title: "Fronts: memory for slow clients", Unit: Bytes, Help: "At most half of --client-memory.", Queries: []Query{by(m.HTTPMemory, Instance)}},
			{Title: "Fronts: bytes", Unit: BytesRate, Help: "Read from clients and written to them.", Queries: []Query{sum(m.HTTPBytesIn, "in"), sum(m.HTTPBytesOut, "out")}},
			{Title: "Fronts: connections", Unit: PerSecond, Help: "Accepted, handed to a successor, closed without a response.", Queries: []Query{
				sum(m.HTTPAccepted, "accepted"), sum(m.HTTPInherited, "inherited"), sum(m.HTTPBequeathed, "bequeathed"), by(m.HTTPClosed, "reason"),
			}},
			{Title: "Fronts: pauses of accepting", Unit: PerSecond, Help: "Times that new connections began to wait in the listening socket's backlog.", Queries: []Query{by(m.HTTPPaused, "reason")}},
			{Title: "Fronts: slow clients", Unit: PerSecond, Help: "Connections that an event loop left to a goroutine, and those that came back.", Queries: []Query{
				by(m.HTTPHandedOver, "reason"), sum(m.HTTPCameBack, "came back"),
			}},
			{Title: "etcd", Unit: Count, Help: "How many processes etcd answers.", Queries: []Query{sum(m.EtcdConnected, "connected")}},
			{Title: "Discovery", Unit: PerSecond, Help: "All of these should be rare.", Queries: []Query{
				sum(m.EtcdWatchResyncs, "read anew"), sum(m.EtcdRegistrationsLost, "registrations lost"), sum(m.EtcdInstancesInvalid, "invalid records"),
				sum(m.EtcdRoutesRejected, "routes rejected"), sum(m.StaticRejected, "tables rejected"), sum(m.LastKnownFailed, "last known not written"),
			}},
			{Title: "Age of the last known state", Unit: Seconds, Help: "Other than 0 while a front has not heard etcd since its start.", Queries: []Query{{Metric: m.LastKnownAge, Worst: true, Legend: "age"}}},
			{Title: "Lost lines", Unit: PerSecond, Help: "Of StatsD, of logs, and series beyond the limit.", Queries: []Query{
				sum(m.StatsdFailed, "StatsD"), sum(m.LogDropped, "log"), sum(m.AccessLogDropped, "access log"), sum(m.MetricsOverflow, "series overflow"),
			}},
			{Title: "Traces", Unit: PerSecond, Help: "Sampled at the head, kept because they were slow, failed, or asked for by others; and those that are not kept, or not whole.", Queries: []Query{
				sum(m.TraceSampled, "sampled"), by(m.TraceKept, "why"), by(m.TraceNotKept, "reason"), sum(m.TraceIncomplete, "incomplete"),
			}},
			{Title: "Spans' books", Unit: PerSecond, Help: "Spans to be exported, those that the collector has taken, and the others by reason: the last two add up to the first.", Queries: []Query{
				sum(m.TraceSpans, "to be exported"), sum(m.TraceExported, "exported"), by(m.TraceDropped, "reason"),
			}},
			{Title: "StatsD's books", Unit: PerSecond, Help: "Lines that the processes have sent, and that the server has had. What lies between is lost on the way; others' lines lie above.", Queries: []Query{
				sum(m.StatsdSent, "sent"),
				{External: "stats.counters.statsd.metrics_received.rate", Legend: "received"},
				{External: "stats.counters.statsd.bad_lines_seen.rate", Legend: "not understood"},
			}},
		},
	}
}

const withMerged = "there only with nanofront dash --statsd-merged, which is off by default"

// LeftOut are the metrics that are on no dashboard, and why.
var LeftOut = map[*m.Desc]string{
	m.StageHeld:               "how long a request is held is the handler's wish",
	m.RouteLatency:            "at the admin port alone; nanofront top shows it",
	m.VersionAssigned:         "of a release under way: docs/operations.md, Versions",
	m.VersionServed:           "as VersionAssigned",
	m.VersionMoved:            "as VersionAssigned",
	m.VersionFailed:           "as VersionAssigned",
	m.VersionRefused:          "as VersionAssigned",
	m.VersionLatency:          "as VersionAssigned",
	m.VariantAssigned:         "of an experiment under way: docs/operations.md, Versions",
	m.VariantFailed:           "as VariantAssigned",
	m.VariantRefused:          "as VariantAssigned",
	m.VariantLatency:          "as VariantAssigned",
	m.RoutesRevision:          "for whoever waits until all terminators act on a revision",
	m.RoutesVersionsMissing:   "nanofront routes get says which",
	m.RoutesKeyless:           "of a release under way",
	m.RoutesVersionAsked:      "of a release under way",
	m.ServiceP50:              withMerged,
	m.ServiceP99:              withMerged,
	m.ServiceMax:              withMerged,
	m.ServiceWithin:           withMerged,
	m.ServiceHeard:            withMerged,
	m.ServiceKnown:            withMerged,
	m.ServiceAge:              withMerged,
	m.MergedWriter:            withMerged,
	m.MergedWithheld:          withMerged,
	m.HandlerWritesRemembered: "bounded, and of interest to the handler's author only",
}
