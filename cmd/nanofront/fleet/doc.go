// Package fleet looks at all processes of a system: what nanofront status, top and others show.
//
//	l := fleet.Looker{Source: src, From: fleet.PlaceOf(&flags), Terminators: flags.Terminators}
//	v, err := l.Look(ctx)
//	fmt.Println(v.Healthy, v.Problems)
//
// A [Looker] asks discovery who there is, and the admin port of each for its figures, which are
// those of the last 10 s. A later look of the same Looker goes on with what was last known while
// discovery doesn't answer, and says so.
//
// Pitfall: percentiles don't add up. Where several fronts serve a service, its p50 is their mean,
// by how much each serves, and its p99 that of the front whose clients wait longest.
package fleet
