package exchange

import (
	"nanofront/metrics"
	"nanofront/terminator/http1"
)

// frontMetrics are the handles of what the terminator counts.
type frontMetrics struct {
	requests, retried, retryBudget *metrics.Counter
	bytesIn, bytesOut              *metrics.Counter
	traceSampled                   *metrics.Counter
	versionsMissing                *metrics.Gauge
	classes                        [6]*metrics.Counter
	outcomes                       [len(outcomes)]*metrics.Counter

	stageRead, stageQueue, stageBusOut, stageHandlerQueue *metrics.Timer
	stageHandler, stageBusBack, stageWrite, stageTotal    *metrics.Timer
	stageHeld                                             *metrics.Timer
}

func newFrontMetrics(s *metrics.Set) *frontMetrics {
	m := &frontMetrics{
		requests: s.Counter(metrics.HTTPRequests), retried: s.Counter(metrics.HTTPRetries),
		retryBudget:  s.Counter(metrics.HTTPRetryBudgetExhausted),
		traceSampled: s.Counter(metrics.TraceSampled), versionsMissing: s.Gauge(metrics.RoutesVersionsMissing),
		bytesIn: s.Counter(metrics.HTTPBytesIn), bytesOut: s.Counter(metrics.HTTPBytesOut),
		stageRead: s.Timer(metrics.StageRead), stageQueue: s.Timer(metrics.StageQueue),
		stageBusOut: s.Timer(metrics.StageBusOut), stageHandlerQueue: s.Timer(metrics.StageHandlerQueue),
		stageHandler: s.Timer(metrics.StageHandler), stageBusBack: s.Timer(metrics.StageBusBack),
		stageHeld:  s.Timer(metrics.StageHeld),
		stageWrite: s.Timer(metrics.StageWrite), stageTotal: s.Timer(metrics.StageTotal),
	}
	for i, class := range []string{"1xx", "2xx", "3xx", "4xx", "5xx"} {
		m.classes[i+1] = s.Counter(metrics.HTTPStatus, class)
	}
	upstreamErrors := s.Counter(metrics.HTTPUpstreamErrors)
	refused := func(reason string) *metrics.Counter { return s.Counter(metrics.HTTPRefused, reason) }
	for fault := http1.OK + 1; fault <= http1.FaultBodySlow; fault++ {
		_, reason := fault.Response()
		refused(reason) // exists from now on
	}
	m.outcomes = [...]*metrics.Counter{
		answered:      nil, // counted as requests
		aboutServer:   s.Counter(metrics.HTTPOptions),
		badTarget:     refused("target"),
		noRoute:       s.Counter(metrics.HTTPNotFound),
		badMethod:     refused("method not allowed"),
		bodyTooLarge:  refused("body too large for the route"),
		shed:          s.Counter(metrics.HTTPShed),
		lagging:       s.Counter(metrics.HTTPTurnedAway),
		noInstance:    s.Counter(metrics.HTTPNoInstance),
		noCredit:      s.Counter(metrics.HTTPNoCredit),
		notReady:      s.Counter(metrics.HTTPNoInstance),
		linkBroke:     upstreamErrors,
		timedOut:      s.Counter(metrics.HTTPTimeouts),
		handlerFailed: upstreamErrors,
		badReply:      upstreamErrors,
		heldFull:      s.Counter(metrics.HTTPShed),
		heldOver:      s.Counter(metrics.HTTPNoInstance),
		clientGone:    s.Counter(metrics.HTTPCancelled),
	}
	return m
}
