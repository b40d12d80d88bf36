// Package overview is what nanofront status and top show of a system.
//
//	l := overview.Looker{Source: src, From: overview.PlaceOf(&flags), Terminators: flags.Terminators}
//	v, err := l.Look(ctx)
//	fmt.Println(v.Healthy, v.Problems)
//
// A [Looker] asks discovery who there is, has internal/fleet ask each for its figures, which are
// those of the last 10 s, and sums up. A later look of the same Looker goes on with what was last known while
// discovery doesn't answer, and says so.
//
// Pitfall: percentiles don't add up. Where several fronts serve a service, its p50 is their mean,
// by how much each serves, and its p99 that of the front whose clients wait longest.
package overview
