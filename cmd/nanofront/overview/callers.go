package overview

// setFigures gives instances that don't say their own figures those of their callers. The p50 of
// several callers is their mean, by how much each asks; the p99 is that of the caller who waits
// longest.
func setFigures(statuses []Instance, terminators []Terminator) {
	links := linksOf(statuses, terminators)
	for i := range statuses {
		s := &statuses[i]
		if s.Rate != nil {
			continue
		}
		var rate, p50, p99, failed, inFlight, measured float64
		for _, l := range links {
			if l.Service != s.Service || l.Instance != s.ID || l.State != "live" && l.State != "draining" {
				continue
			}
			s.Callers = true
			rate, failed, inFlight = rate+l.Rate, failed+l.Failed, inFlight+float64(l.InFlight)
			if l.P50 > 0 {
				p50, measured = p50+l.P50*l.Rate, measured+l.Rate
			}
			p99 = max(p99, l.P99)
		}
		if measured > 0 {
			p50 /= measured
		}
		if s.Callers {
			s.Rate, s.Failed, s.InFlight, s.P50, s.P99 = &rate, &failed, &inFlight, &p50, &p99
		}
	}
}
