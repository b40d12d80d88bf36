// Package guard decides whether a new version of a service may have more of the traffic: go, back or
// wait. It does no I/O: it is told what each second brought, by route and version, and may be asked
// as often as one likes.
//
//	spec, err := guard.Parse("errors +0.2..+0.5pt, p99 x1.1..x1.3")
//	g := guard.New(spec, guard.Options{})
//	g.Step(0.05)             // 5 % of the requests go to the new version
//	g.Observe(second)        // once a second
//	d := g.Decide()          // d.Verdict, d.Why
//
// Each figure has two lines. A version that is better than the tolerated one has nothing to fear, one
// that is worse than the intolerable one is sent back, and one between them waits: a test on a single
// line can't tell what lies on it, however long it looks.
//
// The test bets. Each block of requests says by how much the new version was worse than the old, at
// the same time and on the same routes, beyond the tolerated line. A gambler who bets on "worse"
// against a version that isn't can't expect to win: the chance that the money ever grows to 1/α
// times what it was is at most α, however often one looks (Ville's inequality). The gambler's money
// is the evidence, and a few numbers are all that the next leader needs to carry on. A second
// gambler bets that the new version is better than the intolerable line; what this one wins is the
// evidence for go.
//
// Requests are not independent: an instance that pauses, or a client that fails again and again, makes
// many failures of one cause. So a block is all that a second brought (more, where that is less
// than 25 requests, or where clients stay with a version), what one instance adds to it is capped,
// and so is the block. The gambler wins at most 80 % of the stake by a block.
//
// See docs/decisions for what was tried, and for figures.
package guard
