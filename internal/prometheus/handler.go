package prometheus

import (
	"net/http"

	prom "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"nanofront/metrics"
)

// maxScrapes is how many scrapes are answered at once; one more gets a 503. Two Prometheus of a
// pair and somebody who looks are three.
const maxScrapes = 4

// Handler shows the set and the process in the form that is asked for: Prometheus' text,
// OpenMetrics or protobuf, compressed if the client takes that. The last two have exemplars: the
// traces of some durations that were observed.
func Handler(set *metrics.Set) http.Handler {
	c := newCollector(set)
	r := prom.NewRegistry()
	r.MustRegister(c, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{
		// What is wrong with one metric is no reason to show none.
		ErrorHandling:       promhttp.ContinueOnError,
		EnableOpenMetrics:   true,
		MaxRequestsInFlight: maxScrapes,
	})
}
