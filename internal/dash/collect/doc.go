// Package collect keeps watch over the processes of a system: once a second it has internal/fleet
// ask each one for its figures since the start, and makes of their differences what was going on in
// between.
//
//	c := collect.New(collect.Options{System: "shop"})
//	go c.Run(ctx)
//	c.SetTargets(targets) // whenever discovery has news
//	v := c.View()
//
// Differences are taken by the processes' own clocks: one that was missed makes up for it at the
// next look, one that was restarted counts from its start, and one that was found late begins with
// what it does from then on. Histograms are added up over instances before any percentile is read.
//
// Memory is bounded: ten minutes of seconds and a day of minutes for each service, ten minutes for
// each process, and no more services and processes than the constants say.
package collect
